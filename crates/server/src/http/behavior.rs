//! Who sets a field: what the proto files say with `google.api.field_behavior`.

use prost_reflect::{DescriptorPool, ExtensionDescriptor, FieldDescriptor};

/// Reads the annotation of fields.
#[derive(Clone, Debug)]
pub(super) struct Behaviors(ExtensionDescriptor);

/// As numbered by Google.
const REQUIRED: i32 = 2;
const OUTPUT_ONLY: i32 = 3;
const INPUT_ONLY: i32 = 4;

impl Behaviors {
    pub(super) fn new(pool: &DescriptorPool) -> Option<Self> {
        pool.get_extension_by_name("google.api.field_behavior").map(Self)
    }

    pub(super) fn is_required(&self, field: &FieldDescriptor) -> bool {
        self.has(field, REQUIRED)
    }

    pub(super) fn is_output_only(&self, field: &FieldDescriptor) -> bool {
        self.has(field, OUTPUT_ONLY)
    }

    pub(super) fn is_input_only(&self, field: &FieldDescriptor) -> bool {
        self.has(field, INPUT_ONLY)
    }

    fn has(&self, field: &FieldDescriptor, behavior: i32) -> bool {
        let options = field.options();
        let told = options.get_extension(&self.0);
        let told = told.as_list().unwrap_or_default();
        told.iter().any(|value| value.as_enum_number() == Some(behavior))
    }
}
