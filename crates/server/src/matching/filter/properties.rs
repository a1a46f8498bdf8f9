//! Expressions and payloads by chance: whatever they are, there is an answer or a problem that can be told, and none is
//! accepted that the engine cannot bear.

use std::fmt::Write as _;

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::matching::Subject;

/// Something like an expression: words of the language in any order.
fn words() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "data",
        "data.a",
        "data.b[0]",
        "type",
        "time",
        "item",
        "'a'",
        "1",
        "-1",
        "1.5",
        "9223372036854775807",
        "null",
        "true",
        "[1, 2]",
        "{'a': 1}",
        "==",
        "!=",
        "<",
        ">=",
        "in",
        "&&",
        "||",
        "!",
        "+",
        "-",
        "*",
        "/",
        "%",
        "?",
        ":",
        "(",
        ")",
        "[",
        "]",
        ".exists(item, ",
        ".all(item, ",
        ".startsWith(",
        "size(",
        "has(",
        ".",
        ",",
        "\n",
        "\u{e9}",
    ]);
    vec(word, 1..40).prop_map(|words| words.join(" "))
}

/// An expression that can be parsed, of any type.
fn expressions() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "data",
        "data.a",
        "data.b",
        "data.c",
        "type",
        "time",
        "item",
        "'a'",
        "1",
        "0",
        "-1",
        "1.5",
        "9223372036854775807",
        "-9223372036854775808",
        "null",
        "true",
        "[1, 2]",
    ])
    .prop_map(str::to_owned);
    leaf.prop_recursive(6, 40, 2, |inner| {
        let operator = prop::sample::select(vec![
            "==", "!=", "<", ">=", "in", "&&", "||", "+", "-", "*", "/", "%",
        ]);
        prop_oneof![
            (inner.clone(), operator, inner.clone())
                .prop_map(|(left, operator, right)| format!("({left} {operator} {right})")),
            inner.clone().prop_map(|of| format!("!({of})")),
            inner.clone().prop_map(|of| format!("size({of})")),
            (inner.clone(), inner.clone()).prop_map(|(list, each)| format!("({list}).exists(item, {each})")),
            (inner.clone(), inner.clone()).prop_map(|(text, part)| format!("({text}).contains({part})")),
            (inner.clone(), inner).prop_map(|(first, second)| format!("({first} ? {second} : false)")),
        ]
    })
}

fn payloads() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        ".{0,8}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        let name = prop::sample::select(vec!["a", "b", "c", ""]).prop_map(str::to_owned);
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Into::into),
            vec((name, inner), 0..5)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

fn try_it(text: &str, payload: &serde_json::Value) -> Result<(), TestCaseError> {
    match Filter::compile(text) {
        Ok(filter) => {
            let payload = payload.to_string();
            let subject = Subject::new("order.created", 1_700_000_000, payload.as_bytes());
            let document = subject.document().expect("a small payload");
            if let Err(problem) = filter.evaluate(document.size, || subject.context(document)) {
                prop_assert!(!problem.is_empty() && problem.len() < 300, "{problem}");
            }
        }
        Err(error) => {
            let mut shown = String::new();
            let _ = write!(shown, "{error}");
            prop_assert!(!shown.is_empty());
            if let Some(at) = error.at {
                prop_assert!((1..=text.chars().count() + 1).contains(&at), "{at} in {text:?}");
            }
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_text_is_an_expression_or_is_refused(text in ".{0,60}", payload in payloads()) {
        try_it(&text, &payload)?;
    }

    #[test]
    fn words_in_any_order_are_an_expression_or_are_refused(text in words(), payload in payloads()) {
        try_it(&text, &payload)?;
    }

    #[test]
    fn whatever_an_expression_computes_ends_in_an_answer_or_a_problem(text in expressions(), payload in payloads()) {
        try_it(&text, &payload)?;
    }
}
