//! What answers have told, to be used in later requests.

use std::collections::HashMap;

use prost_reflect::{DynamicMessage, Kind, ReflectMessage as _, Value};

/// Of one kind; the oldest are forgotten first.
const KEPT: usize = 40;

#[derive(Default)]
pub(super) struct Learned {
    /// By their prefix, such as `whk`.
    ids: HashMap<String, Vec<String>>,
    /// By the name of the field.
    texts: HashMap<String, Vec<String>>,
    /// By the name of the method: the request of a page, and the token of the next one.
    pages: HashMap<String, Vec<(DynamicMessage, String)>>,
}

impl Learned {
    pub(super) fn ids(&self, prefix: &str) -> &[String] {
        self.ids.get(prefix).map_or(&[], Vec::as_slice)
    }

    pub(super) fn texts(&self, field: &str) -> &[String] {
        self.texts.get(field).map_or(&[], Vec::as_slice)
    }

    pub(super) fn pages(&self, method: &str) -> &[(DynamicMessage, String)] {
        self.pages.get(method).map_or(&[], Vec::as_slice)
    }

    pub(super) fn learn(&mut self, method: &str, request: &DynamicMessage, answer: &DynamicMessage) {
        if let Some(token) = answer.get_field_by_name("next_page_token")
            && let Some(token) = token.as_str().filter(|token| !token.is_empty())
        {
            let known = self.pages.entry(method.to_owned()).or_default();
            keep(known, (request.clone(), token.to_owned()));
        }
        self.walk(answer);
    }

    fn walk(&mut self, message: &DynamicMessage) {
        for (field, value) in message.fields() {
            let values = match value {
                Value::List(values) => values.as_slice(),
                value => std::slice::from_ref(value),
            };
            match field.kind() {
                Kind::Message(_) => values
                    .iter()
                    .filter_map(Value::as_message)
                    .filter(|message| !message.descriptor().is_map_entry())
                    .for_each(|message| self.walk(message)),
                Kind::String => values
                    .iter()
                    .filter_map(Value::as_str)
                    .for_each(|text| self.note(field.name(), text)),
                _ => {}
            }
        }
    }

    fn note(&mut self, field: &str, text: &str) {
        match text.split_once('_') {
            Some((prefix, rest)) if prefix.len() == 3 && rest.len() >= 26 => {
                keep(self.ids.entry(prefix.to_owned()).or_default(), text.to_owned());
            }
            _ if matches!(field, "secret" | "name" | "names" | "event_type") => {
                keep(self.texts.entry(field.to_owned()).or_default(), text.to_owned());
            }
            _ => {}
        }
    }
}

fn keep<T: PartialEq>(known: &mut Vec<T>, value: T) {
    if !known.contains(&value) {
        if known.len() == KEPT {
            known.remove(0);
        }
        known.push(value);
    }
}
