//! Templates of replies: text with named values in it.
//!
//! ```text
//! template = *( literal / "{" name "}" )        "{{" and "}}" stand for the braces themselves
//! ```

use serde_json::Value;

/// A parsed template.
#[derive(Debug, Clone)]
pub(super) struct Template(Box<[Piece]>);

#[derive(Debug, Clone)]
enum Piece {
    Literal(Box<str>),
    /// The position of a value in the exchange.
    Value(usize),
}

impl Template {
    /// Parses a template; `position` finds a value by name.
    pub(super) fn parse(text: &str, position: &impl Fn(&str) -> Option<usize>) -> Result<Self, &'static str> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            literal.push_str(&rest[..at]);
            rest = &rest[at..];
            if let Some(after) = rest.strip_prefix("{{") {
                literal.push('{');
                rest = after;
            } else if let Some(after) = rest.strip_prefix("}}") {
                literal.push('}');
                rest = after;
            } else {
                let (name, after) = rest
                    .strip_prefix('{')
                    .and_then(|inner| inner.split_once('}'))
                    .ok_or("a brace in the reply is not closed, or closes nothing")?;
                if !literal.is_empty() {
                    pieces.push(Piece::Literal(std::mem::take(&mut literal).into()));
                }
                let value = position(name).ok_or("the reply names a value that `values` does not have")?;
                pieces.push(Piece::Value(value));
                rest = after;
            }
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal.into()));
        }
        Ok(Self(pieces.into()))
    }

    pub(super) fn render(&self, values: &[String]) -> String {
        self.0
            .iter()
            .map(|piece| match piece {
                Piece::Literal(text) => &**text,
                Piece::Value(position) => values.get(*position).map_or("", String::as_str),
            })
            .collect()
    }

    /// The positions of the values in it.
    pub(super) fn values(&self) -> impl Iterator<Item = usize> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Literal(_) => None,
            Piece::Value(position) => Some(*position),
        })
    }

    /// The text that stands in every reply.
    pub(super) fn literals(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Literal(text) => Some(&**text),
            Piece::Value(_) => None,
        })
    }
}

/// A JSON value whose texts are templates. Values can only ever end up inside a text, and the serializer escapes
/// them, so no value can change the shape of the reply.
#[derive(Debug, Clone)]
pub(super) enum JsonTemplate {
    Fixed(Value),
    Text(Template),
    Array(Box<[Self]>),
    Object(Box<[(String, Self)]>),
}

impl JsonTemplate {
    /// Parses the texts of a JSON value as templates. The recursion is as deep as the parser of the description let
    /// it be.
    pub(super) fn parse(
        value: Value,
        position: &impl Fn(&str) -> Option<usize>,
    ) -> Result<Self, &'static str> {
        Ok(match value {
            Value::String(text) => Self::Text(Template::parse(&text, position)?),
            Value::Array(items) => Self::Array(
                items
                    .into_iter()
                    .map(|item| Self::parse(item, position))
                    .collect::<Result<_, _>>()?,
            ),
            Value::Object(fields) => Self::Object(
                fields
                    .into_iter()
                    .map(|(name, field)| Ok((name, Self::parse(field, position)?)))
                    .collect::<Result<_, &'static str>>()?,
            ),
            Value::Null | Value::Bool(_) | Value::Number(_) => Self::Fixed(value),
        })
    }

    pub(super) fn render(&self, values: &[String]) -> Value {
        match self {
            Self::Fixed(value) => value.clone(),
            Self::Text(template) => Value::String(template.render(values)),
            Self::Array(items) => items.iter().map(|item| item.render(values)).collect(),
            Self::Object(fields) => fields
                .iter()
                .map(|(name, field)| (name.clone(), field.render(values)))
                .collect(),
        }
    }

    /// Appends the positions of the values in it.
    pub(super) fn collect_values(&self, positions: &mut Vec<usize>) {
        match self {
            Self::Fixed(_) => {}
            Self::Text(template) => positions.extend(template.values()),
            Self::Array(items) => items.iter().for_each(|item| item.collect_values(positions)),
            Self::Object(fields) => fields
                .iter()
                .for_each(|(_, field)| field.collect_values(positions)),
        }
    }
}
