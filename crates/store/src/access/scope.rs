//! What a key permits.

use std::{fmt, str::FromStr};

/// One thing that a key permits. Stored by its bit, so numbers are never used for something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Scope {
    /// Changing webhooks, keys and everything else of the tenant.
    Admin = 0,
    /// Publishing events.
    Publish = 1,
    /// Reading everything of the tenant but secrets.
    Read = 2,
    /// Verifying signatures.
    Verify = 3,
    /// Managing tenants, and the keys of all of them.
    Operator = 4,
}

impl Scope {
    /// All of them, in the order of their bits.
    pub const EACH: [Self; 5] = [
        Self::Admin,
        Self::Publish,
        Self::Read,
        Self::Verify,
        Self::Operator,
    ];

    /// As it is typed and told.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Publish => "publish",
            Self::Read => "read",
            Self::Verify => "verify",
            Self::Operator => "operator",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::EACH.into_iter().find(|scope| scope.as_str() == text);
        found.ok_or_else(|| format!("not a scope: one of {}", Scopes::ALL))
    }
}

/// What a key permits, taken together.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Scopes(u8);

impl Scopes {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Everything.
    pub const ALL: Self = Self(0b1_1111);

    /// Whether this one is among them.
    pub const fn has(self, scope: Scope) -> bool {
        self.0 & (1 << scope as u8) != 0
    }

    /// These and one more.
    #[must_use]
    pub const fn and(self, scope: Scope) -> Self {
        Self(self.0 | 1 << scope as u8)
    }

    /// Whether any of the others is among these.
    pub const fn meets(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::EACH.into_iter().filter(move |scope| self.has(*scope))
    }

    pub(crate) fn to_sql(self) -> i16 {
        self.0.into()
    }

    /// Bits that this version does not know permit nothing.
    pub(crate) fn from_sql(bits: i64) -> Self {
        Self(u8::try_from(bits & i64::from(Self::ALL.0)).unwrap_or(0))
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        scopes.into_iter().fold(Self::NONE, Self::and)
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.iter().map(Scope::as_str).collect();
        f.write_str(&names.join(", "))
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
