//! What the signed URL and method may have been.

use super::variant::Variant;

/// Other spellings of a URL that proxies and frameworks make of it, with the reason each.
pub(super) fn spellings(url: &str) -> Vec<(String, Vec<Variant>)> {
    let mut spellings: Vec<(String, Vec<Variant>)> = vec![(url.to_owned(), Vec::new())];
    extend(&mut spellings, Variant::UrlScheme, other_scheme);
    extend(&mut spellings, Variant::UrlPort, other_port);
    extend(&mut spellings, Variant::UrlTrailingSlash, other_slash);
    extend(&mut spellings, Variant::UrlQuery, without_query);
    extend(&mut spellings, Variant::UrlPathOnly, path_only);
    spellings.retain(|(_, causes)| !causes.is_empty());
    spellings.sort_by_key(|(_, causes)| causes.len());
    spellings
}

/// Applies one more change to every spelling so far: at most 2^5 spellings come out.
fn extend(
    spellings: &mut Vec<(String, Vec<Variant>)>,
    cause: Variant,
    change: impl Fn(&str) -> Option<String>,
) {
    let changed: Vec<_> = spellings
        .iter()
        .filter_map(|(url, causes)| Some((change(url)?, [causes.as_slice(), &[cause]].concat())))
        .collect();
    spellings.extend(changed);
}

fn other_scheme(url: &str) -> Option<String> {
    match url.split_once("://")? {
        ("http", rest) => Some(format!("https://{rest}")),
        ("https", rest) => Some(format!("http://{rest}")),
        _ => None,
    }
}

/// The parts before and behind the end of the host and port.
fn authority(url: &str) -> Option<(&str, &str)> {
    let start = url.find("://")? + 3;
    let end = url
        .get(start..)?
        .find(['/', '?', '#'])
        .map_or(url.len(), |at| start + at);
    url.split_at_checked(end)
}

fn other_port(url: &str) -> Option<String> {
    let (front, rest) = authority(url)?;
    let (port, other) = if front.starts_with("https:") {
        (":443", ":80")
    } else {
        (":80", ":443")
    };
    if let Some(bare) = front.strip_suffix(port).or_else(|| front.strip_suffix(other)) {
        return Some(format!("{bare}{rest}"));
    }
    let host = front.rsplit('/').next()?;
    // A colon outside brackets is another port, which is part of the address.
    (!host.rsplit(']').next()?.contains(':')).then(|| format!("{front}{port}{rest}"))
}

fn other_slash(url: &str) -> Option<String> {
    let at = url.find(['?', '#']).unwrap_or(url.len());
    let (front, rest) = url.split_at_checked(at)?;
    Some(match front.strip_suffix('/') {
        Some(bare) => format!("{bare}{rest}"),
        None => format!("{front}/{rest}"),
    })
}

fn without_query(url: &str) -> Option<String> {
    url.split_once('?').map(|(front, _)| front.to_owned())
}

fn path_only(url: &str) -> Option<String> {
    authority(url)
        .map(|(_, rest)| rest.to_owned())
        .filter(|rest| !rest.is_empty())
}
