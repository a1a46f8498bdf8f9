//! An event as matching sees it.

use std::{cell::OnceCell, collections::HashMap};

use cel::{
    Context,
    common::{
        types::{CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelUInt},
        value::Val,
    },
};
use serde_json::Value;

use super::filter::{PayloadSize, environment};

/// An event. Its payload is read when somebody asks for it, and once.
pub(crate) struct Subject<'a> {
    pub(super) event_type: &'a str,
    /// When it was or will be accepted, in seconds since 1970.
    time: i64,
    payload: &'a [u8],
    document: OnceCell<Result<Document, String>>,
    context: OnceCell<Context<'static, 'static>>,
}

/// A payload that was read.
pub(super) struct Document {
    pub(super) value: Value,
    pub(super) size: PayloadSize,
}

impl<'a> Subject<'a> {
    pub(crate) fn new(event_type: &'a str, time: i64, payload: &'a [u8]) -> Self {
        Self {
            event_type,
            time,
            payload,
            document: OnceCell::new(),
            context: OnceCell::new(),
        }
    }

    pub(super) fn document(&self) -> Result<&Document, &str> {
        let read = || {
            let value: Value = serde_json::from_slice(self.payload).map_err(|error| error.to_string())?;
            let mut size = PayloadSize::of_bytes(self.payload.len());
            measure(&value, &mut size);
            Ok(Document { value, size })
        };
        self.document.get_or_init(read).as_ref().map_err(String::as_str)
    }

    /// The variables of filters.
    pub(super) fn context(&self, document: &Document) -> &Context<'static, 'static> {
        self.context.get_or_init(|| {
            let mut context = Context::with_env(environment());
            context.add_variable_as_val("type", Box::new(CelString::from(self.event_type.to_owned())));
            context.add_variable_as_val("time", Box::new(CelInt::from(self.time)));
            context.add_variable_as_val("data", cel_value(&document.value));
            context
        })
    }
}

fn measure(value: &Value, size: &mut PayloadSize) {
    size.values += 1;
    match value {
        Value::Array(items) => {
            size.longest = size.longest.max(items.len());
            for item in items {
                measure(item, size);
            }
        }
        Value::Object(members) => {
            size.longest = size.longest.max(members.len());
            for member in members.values() {
                measure(member, size);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// JSON as CEL has it: whole numbers are integers, all others doubles. As deep as the JSON parser lets them be, 128 levels.
fn cel_value(value: &Value) -> Box<dyn Val> {
    match value {
        Value::Null => Box::new(CelNull),
        Value::Bool(value) => Box::new(CelBool::from(*value)),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Box::new(CelInt::from(number)),
            (None, Some(number)) => Box::new(CelUInt::from(number)),
            (None, None) => Box::new(CelDouble::from(number.as_f64().unwrap_or(f64::NAN))),
        },
        Value::String(text) => Box::new(CelString::from(text.clone())),
        Value::Array(items) => {
            let items: Vec<Box<dyn Val>> = items.iter().map(cel_value).collect();
            Box::new(CelList::from(items))
        }
        Value::Object(members) => {
            let members: HashMap<CelMapKey<'_>, Box<dyn Val>> = members
                .iter()
                .map(|(key, value)| (CelMapKey::from(key.clone()), cel_value(value)))
                .collect();
            Box::new(CelMap::from(members))
        }
    }
}
