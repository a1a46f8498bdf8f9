//! `google.api.http`: how RPCs are called over plain HTTP, as the proto files have it.

use http::Method;
use prost_reflect::{DynamicMessage, ExtensionDescriptor, MethodDescriptor, Value};

/// One way to call an RPC.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) method: Method,
    /// Such as `/v1/webhooks/{id}`.
    pub(super) template: String,
    /// The field that the body is, or `*`; empty when there is no body.
    pub(super) body: String,
    /// The field of the response that the answer is; empty for the whole of it.
    pub(super) response_body: String,
}

/// All ways to call an RPC, the one to recommend first.
pub(super) fn rules(rpc: &MethodDescriptor, extension: &ExtensionDescriptor) -> Vec<Rule> {
    let options = rpc.options();
    if !options.has_extension(extension) {
        return Vec::new();
    }
    let value = options.get_extension(extension);
    let Value::Message(first) = value.as_ref() else {
        return Vec::new();
    };
    let others = first.get_field_by_name("additional_bindings");
    let others = others.as_deref().and_then(Value::as_list).unwrap_or_default();
    std::iter::once(first)
        .chain(others.iter().filter_map(Value::as_message))
        .filter_map(read)
        .collect()
}

fn read(rule: &DynamicMessage) -> Option<Rule> {
    const METHODS: [(&str, Method); 5] = [
        ("get", Method::GET),
        ("put", Method::PUT),
        ("post", Method::POST),
        ("delete", Method::DELETE),
        ("patch", Method::PATCH),
    ];
    let text = |name: &str| {
        let value = rule.get_field_by_name(name)?;
        value.as_str().map(str::to_owned)
    };
    let (name, method) = METHODS
        .into_iter()
        .find(|(name, _)| rule.has_field_by_name(name))?;
    Some(Rule {
        method,
        template: text(name)?,
        body: text("body")?,
        response_body: text("response_body")?,
    })
}
