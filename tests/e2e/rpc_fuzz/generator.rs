//! Messages made from their descriptors: mostly right, so that they get far, with mistakes here and there.

use std::collections::HashMap;

use bytes::Bytes;
use prost_reflect::{
    DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage as _,
    Value,
};
use rand::{Rng as _, RngExt as _, rngs::StdRng, seq::IndexedRandom as _};

use super::{
    learned::Learned,
    methods::Method,
    values::{self, EXTREMES, Surroundings},
};

/// Fields without which a request says nothing. They are rarely left out.
const ESSENTIAL: [&str; 15] = [
    "webhook",
    "id",
    "url",
    "event_type",
    "payload",
    "name",
    "update_mask",
    "paths",
    "profile",
    "scheme",
    "secrets",
    "body",
    "delays",
    "seconds",
    "values",
];
const DEPTH_MAX: u32 = 12;

pub(super) struct Generator<'a> {
    random: &'a mut StdRng,
    learned: &'a Learned,
    around: &'a Surroundings,
    /// Of a hundred values, how many are odd.
    oddity: u32,
    /// Of a hundred fields that need not be there, how many are.
    density: u32,
}

impl<'a> Generator<'a> {
    /// For one request.
    pub(super) fn new(random: &'a mut StdRng, learned: &'a Learned, around: &'a Surroundings) -> Self {
        let oddity = *[0, 0, 0, 4, 15, 60].choose(random).unwrap_or(&0);
        let density = *[3, 10, 30, 80].choose(random).unwrap_or(&10);
        Self {
            random,
            learned,
            around,
            oddity,
            density,
        }
    }

    pub(super) fn request(&mut self, method: &Method) -> DynamicMessage {
        // The page after one that was listed, with the same filters.
        if self.one_in(2)
            && let Some((request, token)) = self.learned.pages(&method.name).choose(self.random)
        {
            let mut request = request.clone();
            let token = if self.is_odd() || self.one_in(2) {
                values::altered(self.random, token)
            } else {
                token.clone()
            };
            request.set_field_by_name("page_token", Value::String(token));
            return request;
        }
        self.message(&method.input, 0)
    }

    fn message(&mut self, of: &MessageDescriptor, depth: u32) -> DynamicMessage {
        let mut message = DynamicMessage::new(of.clone());
        let is_time = matches!(
            of.full_name(),
            "google.protobuf.Duration" | "google.protobuf.Timestamp"
        );
        if is_time {
            let is_odd = self.is_odd();
            let (seconds, nanos) = values::time(self.random, is_odd, of.name() == "Timestamp");
            message.set_field_by_name("seconds", Value::I64(seconds));
            message.set_field_by_name("nanos", Value::I32(nanos));
            return message;
        }
        for oneof in of.oneofs() {
            let fields: Vec<_> = oneof.fields().collect();
            if (self.one_in(12) || depth > DEPTH_MAX) && fields.len() > 1 {
                continue;
            }
            if let Some(field) = fields.choose(self.random) {
                let value = self.value(of, field, depth);
                message.set_field(field, value);
            }
        }
        for field in of.fields().filter(|field| field.containing_oneof().is_none()) {
            let wanted = if ESSENTIAL.contains(&field.name()) {
                97
            } else {
                self.density
            };
            if depth <= DEPTH_MAX && self.random.random_range(0..100) < wanted {
                let value = self.value(of, &field, depth);
                message.set_field(&field, value);
            }
        }
        message
    }

    fn value(&mut self, of: &MessageDescriptor, field: &FieldDescriptor, depth: u32) -> Value {
        if field.is_map() {
            return Value::Map(self.map(field, depth));
        }
        if field.is_list() {
            let count = self.count();
            return Value::List((0..count).map(|_| self.one(of, field, depth)).collect());
        }
        self.one(of, field, depth)
    }

    fn map(&mut self, field: &FieldDescriptor, depth: u32) -> HashMap<MapKey, Value> {
        let Kind::Message(entry) = field.kind() else {
            return HashMap::new();
        };
        let (key, value) = (entry.map_entry_key_field(), entry.map_entry_value_field());
        let count = self.count();
        (0..count)
            .filter_map(|_| {
                let name = match self.one(&entry, &key, depth) {
                    Value::String(text) => MapKey::String(text),
                    Value::I32(number) => MapKey::I32(number),
                    Value::I64(number) => MapKey::I64(number),
                    Value::U32(number) => MapKey::U32(number),
                    Value::U64(number) => MapKey::U64(number),
                    Value::Bool(is) => MapKey::Bool(is),
                    _ => return None,
                };
                Some((name, self.one(&entry, &value, depth)))
            })
            .collect()
    }

    fn one(&mut self, of: &MessageDescriptor, field: &FieldDescriptor, depth: u32) -> Value {
        match field.kind() {
            Kind::Message(inner) => Value::Message(self.message(&inner, depth + 1)),
            Kind::Enum(of) => Value::EnumNumber(self.enum_number(&of)),
            Kind::String => Value::String(self.text(of, field)),
            Kind::Bytes => Value::Bytes(self.bytes(of, field)),
            Kind::Bool => Value::Bool(self.one_in(2)),
            Kind::Double => Value::F64(self.float()),
            #[expect(clippy::cast_possible_truncation, reason = "any number will do")]
            Kind::Float => Value::F32(self.float() as f32),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(truncated(self.integer())),
            Kind::Uint32 | Kind::Fixed32 => Value::U32(truncated(self.integer()).cast_unsigned()),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(self.integer()),
            Kind::Uint64 | Kind::Fixed64 => Value::U64(self.integer().cast_unsigned()),
        }
    }

    fn text(&mut self, of: &MessageDescriptor, field: &FieldDescriptor) -> String {
        let fitting = values::fitting(self.random, of.name(), field.name(), self.learned, self.around);
        if self.is_odd() {
            values::odd(self.random, &fitting)
        } else {
            fitting
        }
    }

    fn bytes(&mut self, of: &MessageDescriptor, field: &FieldDescriptor) -> Bytes {
        if self.is_odd() && self.one_in(2) {
            let mut bytes = vec![0; self.random.random_range(0..200)];
            self.random.fill_bytes(&mut bytes);
            return bytes.into();
        }
        self.text(of, field).into()
    }

    fn enum_number(&mut self, of: &EnumDescriptor) -> i32 {
        if self.is_odd() {
            return *[-1, 99, i32::MAX, i32::MIN].choose(self.random).unwrap_or(&0);
        }
        let numbers: Vec<i32> = of.values().map(|value| value.number()).collect();
        numbers.choose(self.random).copied().unwrap_or(0)
    }

    fn integer(&mut self) -> i64 {
        if self.is_odd() {
            return *EXTREMES.choose(self.random).unwrap_or(&0);
        }
        self.random.random_range(0..10)
    }

    fn float(&mut self) -> f64 {
        if self.is_odd() {
            let odd = [
                f64::NAN,
                f64::INFINITY,
                f64::NEG_INFINITY,
                f64::MIN_POSITIVE,
                f64::MAX,
                -0.0,
                -1.0,
                1e-300,
            ];
            return *odd.choose(self.random).unwrap_or(&0.0);
        }
        self.random.random_range(1.0..10.0)
    }

    fn count(&mut self) -> usize {
        if self.is_odd() {
            return *[0, 11, 33, 101, 500].choose(self.random).unwrap_or(&0);
        }
        self.random.random_range(0..4)
    }

    fn is_odd(&mut self) -> bool {
        self.random.random_range(0..100) < self.oddity
    }

    fn one_in(&mut self, count: u32) -> bool {
        self.random.random_range(0..count) == 0
    }
}

#[expect(clippy::cast_possible_truncation, reason = "any number will do")]
fn truncated(number: i64) -> i32 {
    number as i32
}

/// Whether a message of the descriptor can be read from these bytes: then the service must be able to read them too.
pub(super) fn is_readable(of: &MessageDescriptor, bytes: &[u8]) -> bool {
    DynamicMessage::decode(of.clone(), bytes).is_ok_and(|message| message.descriptor() == *of)
}
