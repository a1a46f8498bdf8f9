//! Attributes: values of the payload that the profile of a webhook says where to find.

use std::{borrow::Cow, collections::BTreeMap};

use hookwright_core::Profile;
use serde_json::Value;

const ATTRIBUTES_MAX: usize = 16;
const VALUES_MAX: usize = 100;
const VALUE_BYTES_MAX: usize = 256;

/// What one attribute of an event may be.
#[derive(Debug)]
pub(crate) struct AttributeRule {
    name: String,
    /// JSON pointers; the first that finds something counts.
    places: Vec<String>,
    /// Sorted.
    values: Vec<String>,
}

/// Why attributes cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AttributesError {
    #[error("{problem}")]
    Unknown { name: String, problem: String },
    #[error("at most {ATTRIBUTES_MAX}")]
    TooMany,
    #[error("1 to {VALUES_MAX} values of 1 to {VALUE_BYTES_MAX} bytes")]
    Values { name: String },
}

/// What an event has in an attribute, compared with what it may be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// One of the values.
    Fits(Cow<'a, str>),
    /// Something else.
    Differs(Cow<'a, str>),
    /// Nothing, null or an object.
    Nothing,
}

impl AttributeRule {
    /// The rules of a webhook, with the places that its profile says.
    pub(crate) fn build(
        wanted: &BTreeMap<String, Vec<String>>,
        profile: &Profile,
    ) -> Result<Vec<Self>, AttributesError> {
        if wanted.len() > ATTRIBUTES_MAX {
            return Err(AttributesError::TooMany);
        }
        wanted
            .iter()
            .map(|(name, values)| {
                let places = profile
                    .attributes
                    .places(name)
                    .ok_or_else(|| unknown(name, profile))?;
                let is_value = |value: &String| (1..=VALUE_BYTES_MAX).contains(&value.len());
                if !(1..=VALUES_MAX).contains(&values.len()) || !values.iter().all(is_value) {
                    return Err(AttributesError::Values { name: name.clone() });
                }
                let mut values = values.clone();
                values.sort_unstable();
                Ok(Self {
                    name: name.clone(),
                    places,
                    values,
                })
            })
            .collect()
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The first place that holds anything decides. Of a list any item may fit.
    pub(super) fn look<'a>(&self, payload: &'a Value) -> Found<'a> {
        let found = self
            .places
            .iter()
            .filter_map(|place| payload.pointer(place))
            .find(|value| scalars(value).next().is_some());
        let Some(found) = found else {
            return Found::Nothing;
        };
        let mut first = None;
        for value in scalars(found) {
            if self
                .values
                .binary_search_by(|known| known.as_str().cmp(&value))
                .is_ok()
            {
                return Found::Fits(value);
            }
            first.get_or_insert(value);
        }
        first.map_or(Found::Nothing, Found::Differs)
    }
}

fn unknown(name: &str, profile: &Profile) -> AttributesError {
    let names: Vec<&str> = profile.attributes.names().collect();
    let known = match (names.is_empty(), profile.attributes.allows_pointers()) {
        (true, true) => String::from("name a JSON pointer into the payload, such as /customer/id"),
        (true, false) => String::from("it has none; use a filter"),
        (false, true) => format!(
            "it has {}, and any JSON pointer such as /customer/id",
            names.join(", ")
        ),
        (false, false) => format!("it has {}", names.join(", ")),
    };
    AttributesError::Unknown {
        name: name.to_owned(),
        problem: format!("profile {} has no attribute {name:?}; {known}", profile.name),
    }
}

/// The value as text, or those of a list. Null, objects and lists in lists have none.
fn scalars(value: &Value) -> impl Iterator<Item = Cow<'_, str>> {
    let items = match value {
        Value::Array(items) => items.as_slice(),
        other => std::slice::from_ref(other),
    };
    items.iter().filter_map(|item| match item {
        Value::String(text) => Some(Cow::Borrowed(text.as_str())),
        Value::Number(_) | Value::Bool(_) => Some(Cow::Owned(item.to_string())),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rule(profile: &str, name: &str, values: &[&str]) -> AttributeRule {
        let values = values.iter().map(ToString::to_string).collect();
        let profile = Profile::builtin(profile).unwrap();
        AttributeRule::build(&[(name.to_owned(), values)].into(), &profile)
            .unwrap()
            .remove(0)
    }

    #[test]
    fn the_user_of_an_event_is_whoever_did_it() {
        // "Only events by specific users": an affected user would get what others did to them.
        let rule = rule("filedgr", "userIds", &["user_a", "user_b"]);
        let changed = json!({ "userId": "user_a", "changedBy": "user_z" });
        assert_eq!(rule.look(&changed), Found::Differs("user_z".into()));
        assert_eq!(
            rule.look(&json!({ "userId": "user_a" })),
            Found::Fits("user_a".into())
        );
        assert_eq!(
            rule.look(&json!({ "uploadedBy": "user_b" })),
            Found::Fits("user_b".into())
        );
        assert_eq!(rule.look(&json!({ "owner": null, "userId": {} })), Found::Nothing);
    }

    #[test]
    fn values_are_compared_as_json_writes_them_and_any_item_of_a_list_fits() {
        let rule = rule("generic", "/tags", &["5", "true", "b"]);
        for fits in [
            json!(5),
            json!(true),
            json!(["a", "b"]),
            json!("5"),
            json!([[], 5]),
        ] {
            assert!(
                matches!(rule.look(&json!({ "tags": fits })), Found::Fits(_)),
                "{fits}"
            );
        }
        for differs in [json!("c"), json!(5.5), json!(["a", false])] {
            assert!(
                matches!(rule.look(&json!({ "tags": differs })), Found::Differs(_)),
                "{differs}"
            );
        }
        for nothing in [json!(null), json!([]), json!({ "b": 1 }), json!([["b"]])] {
            assert_eq!(
                rule.look(&json!({ "tags": nothing })),
                Found::Nothing,
                "{nothing}"
            );
        }
        assert_eq!(rule.look(&json!("b")), Found::Nothing);
    }

    #[test]
    fn an_attribute_that_the_profile_does_not_know_is_refused_with_those_it_does() {
        let filedgr = Profile::builtin("filedgr").unwrap();
        let error = AttributeRule::build(&[("vaultId".to_owned(), vec!["v".to_owned()])].into(), &filedgr)
            .unwrap_err();
        assert!(
            error.to_string().contains("templateIds, userIds, vaultIds"),
            "{error}"
        );
        for values in [
            vec![],
            vec![String::new()],
            vec!["x".repeat(257)],
            vec!["x".to_owned(); 101],
        ] {
            let wanted = [("vaultIds".to_owned(), values)].into();
            assert!(matches!(
                AttributeRule::build(&wanted, &filedgr),
                Err(AttributesError::Values { .. })
            ));
        }
    }
}
