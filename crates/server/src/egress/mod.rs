//! HTTP towards receivers, and which of them may be reached. Knows neither the store nor the API.

mod address_rules;
mod client;
mod resolver;
mod target;

pub(crate) use self::client::{Answer, EgressClient, Exchange, ExchangeError};
pub use self::{
    address_rules::AddressRules,
    target::{EgressRules, TargetError},
};
