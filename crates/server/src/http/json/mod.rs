//! proto3 JSON, but for the fields that say otherwise (`json_form` in the proto files).

mod form;
mod members;
mod read;
mod write;

pub(super) use self::{
    form::Forms,
    members::Members,
    read::{Reader, field_named, names},
    write::write,
};
