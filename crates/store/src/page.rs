//! Pages: how many rows, and where the next page starts.

/// Rows of a page: 1 to 200.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageSize(u16);

impl PageSize {
    /// Enough for a screen, small enough to answer at once.
    pub const DEFAULT: Self = Self(50);
    /// More would make one answer larger than a gRPC message may be.
    pub const MAX: Self = Self(200);

    /// What a caller asked for: 0 is the default, more than the maximum is the maximum. `None` when negative.
    pub fn requested(rows: i32) -> Option<Self> {
        match u16::try_from(rows) {
            Ok(0) => Some(Self::DEFAULT),
            Ok(rows) => Some(Self(rows.min(Self::MAX.0))),
            Err(_) if rows < 0 => None,
            Err(_) => Some(Self::MAX),
        }
    }

    /// As a number of rows.
    pub fn rows(self) -> usize {
        usize::from(self.0)
    }
}

/// A page, and the place after it when there may be more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T, C> {
    /// The rows.
    pub rows: Vec<T>,
    /// Where to go on; `None` on the last page.
    pub next: Option<C>,
}
