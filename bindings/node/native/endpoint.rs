//! Endpoints, and the numbers by which the hot call knows them.
//!
//! Finding the native value behind a JavaScript object costs as much as everything else about a call together; a
//! number into a table of the thread costs nothing. A worker thread loads the addon anew and has its own table.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use hookwright_core::{Profile, Refusal, Request, Scheme, Secret, SecretError, Signer, Verifier, receive};
use napi::bindgen_prelude::Either;

use crate::outcome::{acceptance, envelope_refusal, refusal, verdict};
use crate::slots::Slots;

/// Keys, and what they are used for.
pub(crate) struct Endpoint {
    pub(crate) verifier: Verifier,
    pub(crate) signer: Result<Signer, SecretError>,
    pub(crate) slots: Slots,
    pub(crate) signs_url: bool,
    pub(crate) has_short_secret: bool,
    pub(crate) profile: Option<Arc<Profile>>,
    /// The profile's own scheme, or the only one.
    pub(crate) scheme: Arc<Scheme>,
    pub(crate) secrets: Vec<Secret>,
}

impl Endpoint {
    pub(crate) fn verify(&self, request: &Request<'_>, now: i64) -> Either<f64, String> {
        match self.verifier.verify(request, now) {
            Ok(verified) => verdict(&verified, request, &self.slots),
            Err(error) => Either::B(refusal(&error)),
        }
    }

    /// As [`verify`](Self::verify), and takes the profile's envelope apart; without a profile there is none.
    pub(crate) fn receive(&self, request: &Request<'_>, now: i64) -> String {
        let Some(profile) = &self.profile else {
            return String::new();
        };
        match receive(&self.verifier, profile, request, now) {
            Ok(received) => acceptance(&received, request, &self.slots),
            Err(Refusal::Unverified(error)) => refusal(&error),
            Err(Refusal::Unreadable(error)) => envelope_refusal(&error),
            Err(error) => format!("{}\n\n{error}", error.code()),
        }
    }
}

thread_local! {
    static ENDPOINTS: RefCell<Vec<Option<Rc<Endpoint>>>> = const { RefCell::new(Vec::new()) };
}

/// A place in the table, given back on drop.
pub(crate) struct Handle(usize);

impl Handle {
    pub(crate) fn of(endpoint: Rc<Endpoint>) -> Self {
        ENDPOINTS.with_borrow_mut(|endpoints| {
            let free = endpoints.iter().position(Option::is_none);
            let at = free.unwrap_or_else(|| {
                endpoints.push(None);
                endpoints.len() - 1
            });
            endpoints[at] = Some(endpoint);
            Self(at)
        })
    }

    pub(crate) fn number(&self) -> u32 {
        // Memory ends long before this does.
        u32::try_from(self.0).unwrap_or(u32::MAX)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // At the end of a thread the table may be gone before the last JavaScript object is.
        let _ = ENDPOINTS.try_with(|endpoints| {
            let mut endpoints = endpoints.borrow_mut();
            endpoints.get_mut(self.0).and_then(Option::take)
        });
    }
}

/// Calls `f` with the endpoint of that number, if there is one.
pub(crate) fn with<T>(number: u32, f: impl FnOnce(&Endpoint) -> T) -> Option<T> {
    let at = usize::try_from(number).ok()?;
    ENDPOINTS.with_borrow(|endpoints| endpoints.get(at)?.as_deref().map(f))
}
