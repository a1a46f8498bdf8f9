//! What filters may be, what they answer, and what they cost at worst.

use serde_json::json;

use super::*;
use crate::matching::{Subject, Verdict, subject::Document};

fn evaluate(filter: &str, payload: &serde_json::Value) -> Result<bool, String> {
    let payload = payload.to_string();
    let subject = Subject::new("order.created", 1_700_000_000, payload.as_bytes());
    let document = subject.document().unwrap();
    let filter = Filter::compile(filter).unwrap_or_else(|error| panic!("{filter}: {error}"));
    filter.evaluate(document.size, || subject.context(document))
}

fn refused(filter: &str) -> FilterError {
    match Filter::compile(filter) {
        Ok(filter) => panic!("accepted: {filter:?}"),
        Err(error) => error,
    }
}

#[test]
fn filters_answer_what_they_say() {
    // Customers would get what they did not ask for, or miss what they did.
    let payload = json!({
        "amount": 120, "price": 9.5, "big": 18_446_744_073_709_551_615_u64, "currency": "EUR", "paid": true, "note": null,
        "customer": { "id": "c_1", "tags": ["gold", "eu"], "full name": "Ü" },
        "items": [{ "sku": "a-1", "count": 1 }, { "sku": "b-1", "count": 5 }],
    });
    for yes in [
        "data.amount > 100 && data.currency == \"EUR\"",
        "data.amount > 100.5",
        "data.amount == 120.0",
        "data.price * 2.0 == 19.0",
        "data.amount % 50 == 20",
        "data.big > 9",
        "data.paid",
        "!(data.amount < 100) ? data.paid : false",
        "data.note == null",
        "data.customer.tags[0] == 'gold'",
        "data.customer['full name'] == 'Ü'",
        "'eu' in data.customer.tags",
        "'id' in data.customer",
        "data.currency in ['EUR', 'USD']",
        "has(data.customer.id) && !has(data.customer.name)",
        "size(data.items) == 2 && data.currency.size() == 3",
        "data.items.exists(i, i.count > 4 && i.sku.startsWith('b'))",
        "data.items.all(i, i.sku.endsWith('-1'))",
        "data.items.exists_one(i, i.sku.contains('a'))",
        "data.customer.exists(key, key == 'id')",
        "type == 'order.created' && time > 1600000000",
        "type.startsWith('order.')",
        // As CEL has it: what decides without the missing field decides.
        "data.missing == 1 || data.paid",
        "[1, 2, 3].exists(x, x == 2)",
    ] {
        assert_eq!(evaluate(yes, &payload), Ok(true), "{yes}");
    }
    for no in [
        "data.amount > 120",
        "data.currency == 'usd'",
        "data.amount == '120'",
        "data.items.all(i, i.count == 1)",
    ] {
        assert_eq!(evaluate(no, &payload), Ok(false), "{no}");
    }
    for failing in [
        "data.missing == 1",
        "data.customer.name.startsWith('x')",
        "data.amount.contains('1')",
        "data.currency > 5",
        "data.items[7].sku == 'a'",
        "data.amount / 0 == 1",
        "data.currency",
        "data.amount && true",
        "data.amount * 9223372036854775807 > 0",
    ] {
        let problem = evaluate(failing, &payload).unwrap_err();
        assert!(!problem.is_empty() && problem.len() < 300, "{failing}: {problem}");
    }
}

#[test]
fn what_cannot_be_a_filter_is_refused_with_its_place() {
    let mut wrong = Vec::new();
    for (filter, at, about) in [
        ("data.amount >", Some(14), ""),
        ("data.amount = 5", Some(13), ""),
        ("(((", Some(4), ""),
        ("amount > 5", Some(1), "type, time and data"),
        ("true && dat.a", Some(9), "\"dat\""),
        ("id == 'evt_1'", Some(1), "after its webhooks are chosen"),
        ("data.amount + 1", None, "a number"),
        ("'yes'", None, "text"),
        ("type > 5", Some(6), "compared"),
        ("5 && true", Some(1), "true or false"),
        ("type.name == 'x'", Some(5), "no field"),
        ("data.a.matches('(a+)+$')", Some(15), "there is no matches"),
        ("data.a.map(x, x * 2) == [2]", Some(11), "there is no map"),
        ("data.a.filter(x, x > 2) == []", Some(14), "there is no filter"),
        (
            "data.a.exists(x, data.b.exists(y, x == y))",
            Some(31),
            "inside of a loop",
        ),
        (
            "data.a.exists(x, x.exists(y, y == 1))",
            Some(26),
            "inside of a loop",
        ),
        (
            "data.a.exists(x, x in data.b)",
            Some(23),
            "data would be searched",
        ),
        ("data.a.exists(data, true)", Some(15), "taken"),
        ("data.a.exists(x)", Some(14), "used like this"),
        ("[data.a, data.a] == data.b", Some(6), "literals only"),
        ("{'a': 1} == data.a", Some(1), "objects"),
        ("data.a[data.b] == 1", Some(12), "written out"),
        ("b'abc' == data.a", Some(1), "bytes"),
        ("string(data.a) == '5'", Some(7), "there is no string"),
        ("type + type == data.a", Some(1), "has to be a number"),
        ("", None, ""),
        ("   ", None, ""),
    ] {
        let error = refused(filter);
        if !error.problem.contains(about) || (at.is_some() && error.at != at) {
            wrong.push(format!("{filter}: {:?} {error}", error.at));
        }
        assert!(!error.problem.is_empty(), "{filter}");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Expressions and payloads that are as bad as we can think of.
fn hostile() -> (Vec<String>, Vec<String>) {
    let filters = vec![
        "data.exists(x, x == 'a')".to_owned(),
        "data.a == data.b".to_owned(),
        ["data == data"; 60].join(" && "),
        ["data.a == data.b"; 50].join(" && "),
        ["data.a.contains(data.b)"; 30].join(" || "),
        format!(
            "data.exists(x, {})",
            ["x.contains('aaaaaaaaab')"; 30].join(" || ")
        ),
        format!("data.all(x, {})", ["x != 1"; 60].join(" && ")),
        format!("data.a.exists(x, {})", ["x.y.z == x.z.y"; 20].join(" || ")),
        ["size(data.a) == 1"; 40].join(" || "),
        ["'zz' in data.a"; 40].join(" || "),
        ["data.a.b.c.d.e.f.g.h.i.j.k == 1"; 30].join(" || "),
        ["data.a < 1"; 40].join(" || "),
        ["data.a.exists(x, x < 1)"; 20].join(" || "),
    ];
    let long = "a".repeat(250_000);
    let payloads = vec![
        format!("[{}0]", "0,".repeat(125_000)),
        format!("[{}\"a\"]", "\"aaaaaaaa\",".repeat(22_000)),
        format!(
            "{{\"a\":\"{}\",\"b\":\"{}b\"}}",
            &long[..125_000],
            &long[..124_000]
        ),
        format!("{{\"a\":[{0}0],\"b\":[{0}0]}}", "0,".repeat(60_000)),
        format!(
            "{{\"a\":[{}{{}}]}}",
            "{\"y\":{\"z\":1},\"z\":{\"y\":2}},".repeat(8_000)
        ),
        format!("{}1{}", "[".repeat(120), "]".repeat(120)),
        format!(
            "{{\"a\":{{{},\"z\":0}}}}",
            (0..20_000)
                .map(|n| format!("\"k{n}\":0"))
                .collect::<Vec<_>>()
                .join(",")
        ),
        format!("[\"{long}\"]"),
    ];
    (filters, payloads)
}

#[test]
fn no_filter_costs_more_than_its_bound_on_any_payload() {
    // One customer could stop the publishes of all others. The figures are in docs/matching.md.
    let (filters, payloads) = hostile();
    for filter in &filters {
        let compiled = match Filter::compile(filter) {
            Ok(compiled) => compiled,
            Err(error) => {
                assert!(
                    filter.len() > FILTER_BYTES_MAX || error.problem.contains("parts"),
                    "{filter}: {error}"
                );
                continue;
            }
        };
        for payload in &payloads {
            let subject = Subject::new("a", 0, payload.as_bytes());
            let document: &Document = subject.document().unwrap();
            let steps = compiled.cost.steps(document.size);
            let answer = compiled.evaluate(document.size, || subject.context(document));
            assert_eq!(
                steps > STEPS_MAX,
                answer
                    .as_ref()
                    .is_err_and(|problem| problem.contains("too large for this filter")),
                "{filter}: {steps} {answer:?}"
            );
        }
    }
}

/// `cargo test --release -p hookwright-server filter_costs -- --ignored --nocapture`
#[test]
#[ignore = "measures; a loaded machine would make it lie"]
#[expect(clippy::print_stdout, reason = "a measurement")]
fn filter_costs() {
    let (filters, payloads) = hostile();
    let mut slowest = (std::time::Duration::ZERO, 0, String::new());
    for filter in &filters {
        let started = std::time::Instant::now();
        let compiled = Filter::compile(filter);
        println!(
            "compile {:>10.1?} {} bytes {:?}",
            started.elapsed(),
            filter.len(),
            compiled.is_ok()
        );
        let Ok(compiled) = compiled else { continue };
        // As if the bound were just high enough for the same work.
        for payload in &payloads {
            let subject = Subject::new("a", 0, payload.as_bytes());
            let document = subject.document().unwrap();
            let context = subject.context(document);
            let steps = compiled.cost.steps(document.size);
            let started = std::time::Instant::now();
            let _ = Value::resolve(&compiled.program, context);
            let took = started.elapsed();
            let per_step = took.as_secs_f64() * 1e9 / f64::from(u32::try_from(steps).unwrap());
            println!(
                "  {took:>10.1?} {steps:>9} steps {per_step:>8.1} ns/step  {}",
                &filter[..filter.len().min(40)]
            );
            if steps <= STEPS_MAX && took > slowest.0 {
                slowest = (took, steps, filter.clone());
            }
        }
    }
    println!("slowest that is accepted: {slowest:?}");
}

#[test]
fn hostile_texts_end_quickly_and_do_not_crash() {
    for text in [
        "(".repeat(1_000),
        "[".repeat(1_000),
        "!".repeat(1_000),
        "-".repeat(1_000),
        format!("{}data{}", "(".repeat(480), ")".repeat(480)),
        format!("data{}", ".a".repeat(490)),
        format!("data{}", "[0]".repeat(330)),
        format!("data{}", "?true:data".repeat(90)),
        "data && ".repeat(120),
        format!("{}true", "true && ".repeat(120)),
        format!("{}1 == 1", "1 + ".repeat(200)),
        "\"".repeat(999),
        "a.".repeat(499),
        "has(".repeat(240),
        "`a`".repeat(300),
        "\u{0}\u{ffff}é".repeat(100),
        "data.a.exists(x, ".repeat(50),
        "{".repeat(900),
        "x".repeat(100_000),
        "1e999999 == data".to_owned(),
        "99999999999999999999999 == data".to_owned(),
    ] {
        // Some are filters; none may take the process down.
        let _ = Filter::compile(&text);
    }
}

#[test]
fn a_payload_that_cannot_be_read_matches_no_filter() {
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    let settings = hookwright_store::WebhookSettings {
        filter: Some(String::from("true")),
        ..hookwright_store::WebhookSettings::new("generic", "https://example.com/")
    };
    let profile = hookwright_core::Profile::builtin("generic").unwrap();
    let matcher = crate::matching::Matcher::build(&settings, &profile).unwrap();
    let subject = Subject::new("a", 0, deep.as_bytes());
    assert!(matches!(matcher.verdict(&subject), Verdict::FilterFailed { .. }));
}
