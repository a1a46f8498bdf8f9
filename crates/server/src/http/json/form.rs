//! How JSON writes a field: what the proto files say with `json_form`.

use std::collections::HashSet;

use hookwright_proto::v1::JsonForm;
use prost_reflect::{DescriptorPool, ExtensionDescriptor, FieldDescriptor, Kind, MessageDescriptor, Value};

/// Where fields are not written as proto3 JSON writes them.
#[derive(Debug)]
pub(in crate::http) struct Forms {
    json_form: ExtensionDescriptor,
    /// Messages that have such fields, or messages with such fields.
    messages: HashSet<String>,
}

impl Forms {
    pub(in crate::http) fn new(pool: &DescriptorPool) -> Option<Self> {
        let mut forms = Self {
            json_form: pool.get_extension_by_name("hookwright.v1.json_form")?,
            messages: HashSet::new(),
        };
        // Those that contain others are found in later rounds.
        loop {
            let found: Vec<String> = pool
                .all_messages()
                .filter(|message| {
                    !forms.matters(message) && message.fields().any(|field| forms.is_told(&field))
                })
                .map(|message| message.full_name().to_owned())
                .collect();
            if found.is_empty() {
                return Some(forms);
            }
            forms.messages.extend(found);
        }
    }

    pub(in crate::http) fn of(&self, field: &FieldDescriptor) -> JsonForm {
        let options = field.options();
        match options.get_extension(&self.json_form).as_ref() {
            Value::EnumNumber(number) => JsonForm::try_from(*number).unwrap_or_default(),
            _ => JsonForm::Unspecified,
        }
    }

    /// Whether anything in a message is not as proto3 JSON has it.
    pub(in crate::http) fn matters(&self, message: &MessageDescriptor) -> bool {
        self.messages.contains(message.full_name())
    }

    fn is_told(&self, field: &FieldDescriptor) -> bool {
        match field.kind() {
            Kind::Message(message) => self.matters(&message),
            _ => self.of(field) != JsonForm::Unspecified,
        }
    }
}
