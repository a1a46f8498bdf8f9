//! Which dialect a request is in.

use std::{collections::BTreeMap, sync::Arc};

use hookwright_core::Registry;
use http::{HeaderName, Method, request::Parts};
use url::form_urlencoded;

use super::{Asked, Dialect};
use crate::http::fault::Fault;

/// Asks for the words of a profile.
const HEADER: HeaderName = HeaderName::from_static("hookwright-profile");
/// The same in a query.
const PARAMETER: &str = "profile";
/// Where this service has its webhooks.
pub(super) const NATIVE_BASE: &str = "/v1/webhooks";
const DELIVERIES: &str = "/v1/deliveries";

/// The dialects of all profiles.
#[derive(Debug)]
pub(in crate::http) struct Dialects {
    registry: Arc<Registry>,
    by_name: BTreeMap<String, Arc<Dialect>>,
}

impl Dialects {
    pub(in crate::http) fn new(registry: Arc<Registry>) -> Self {
        let profiles = registry.profile_names().into_iter();
        let by_name = profiles
            .filter_map(|name| {
                let profile = registry.profile(name)?;
                let api = profile.api.clone()?;
                Some((name.to_owned(), Arc::new(Dialect { profile, api })))
            })
            .collect();
        Self { registry, by_name }
    }

    /// Reads the head of a request. `key_profile` is that of the key that it was sent with.
    pub(in crate::http) fn asked(&self, parts: &Parts, key_profile: Option<&str>) -> Result<Asked, Fault> {
        let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or_default());
        let own = self.by_path(path);
        let path = own.as_ref().map_or(path, |(_, path)| path).to_owned();
        let mut asked = Asked {
            dialect: None,
            method: parts.method.clone(),
            path,
            query: query.to_owned(),
            base_path: own
                .as_ref()
                .and_then(|(dialect, _)| dialect.api.base_path.clone()),
        };
        if !is_below(&asked.path, NATIVE_BASE) && !is_below(&asked.path, DELIVERIES) {
            return Ok(asked);
        }
        let in_query = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == PARAMETER);
        asked.dialect = if let Some(value) = parts.headers.get(HEADER) {
            self.named("Hookwright-Profile", &String::from_utf8_lossy(value.as_bytes()))?
        } else if let Some((_, name)) = &in_query {
            self.named(PARAMETER, name)?
        } else if let Some((dialect, _)) = own {
            Some(dialect)
        } else {
            key_profile.and_then(|name| self.by_name.get(name).cloned())
        };
        if in_query.is_some() {
            asked.query = without_parameter(query);
        }
        // Clients of a platform name with PUT what they change; a PUT of this service replaces everything.
        if asked.dialect.is_some() && asked.method == Method::PUT {
            asked.method = Method::PATCH;
        }
        Ok(asked)
    }

    /// The dialect whose base path this is below, and the same path of this service.
    fn by_path(&self, path: &str) -> Option<(Arc<Dialect>, String)> {
        self.by_name.values().find_map(|dialect| {
            let base = dialect.api.base_path.as_deref()?;
            let rest = path.strip_prefix(base).filter(|_| is_below(path, base))?;
            Some((Arc::clone(dialect), format!("{NATIVE_BASE}{rest}")))
        })
    }

    /// None when the profile has no words of its own.
    fn named(&self, place: &str, name: &str) -> Result<Option<Arc<Dialect>>, Fault> {
        match self.registry.find_profile(name) {
            Ok(profile) => Ok(self.by_name.get(&profile.name).cloned()),
            Err(unknown) => Err(Fault::new(place, "UNKNOWN_PROFILE", unknown.to_string())),
        }
    }
}

/// Whether a path is this one or below it.
fn is_below(path: &str, base: &str) -> bool {
    path.strip_prefix(base)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn without_parameter(query: &str) -> String {
    let others = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name != PARAMETER);
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(others)
        .finish()
}
