//! The scheme of a profile, as it is written down: a name, or the whole description in place.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};

use crate::error::ProfileError;
use crate::registry::Registry;
use crate::scheme::{self, Scheme};

/// Which scheme a profile signs with.
#[derive(Debug)]
pub(super) enum SchemeChoice {
    /// One that the registry knows.
    Named(String),
    /// One of the profile's own.
    Described(Box<scheme::Description>),
}

impl SchemeChoice {
    pub(super) fn resolve(self, registry: &Registry) -> Result<Arc<Scheme>, ProfileError> {
        match self {
            Self::Named(name) => Ok(registry.find_scheme(&name)?),
            Self::Described(description) => Ok(Arc::new(Scheme::try_from(*description)?)),
        }
    }
}

impl<'de> Deserialize<'de> for SchemeChoice {
    /// Decides by what stands there and hands the reader on, so that a mistake inside keeps its line, which an untagged
    /// enum would lose.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SchemeVisitor;

        impl<'de> Visitor<'de> for SchemeVisitor {
            type Value = SchemeChoice;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a scheme, or a scheme written out")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<SchemeChoice, E> {
                Ok(SchemeChoice::Named(name.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<SchemeChoice, A::Error> {
                let description = scheme::Description::deserialize(MapAccessDeserializer::new(map))?;
                Ok(SchemeChoice::Described(Box::new(description)))
            }
        }

        deserializer.deserialize_any(SchemeVisitor)
    }
}
