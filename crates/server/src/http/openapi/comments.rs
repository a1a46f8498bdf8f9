//! Comments of the proto files.

use prost_reflect::FileDescriptor;

/// The comment before what is at `path`, as paragraphs; empty when there is none.
pub(super) fn before(file: &FileDescriptor, path: &[i32]) -> String {
    let locations = file
        .file_descriptor_proto()
        .source_code_info
        .as_ref()
        .map(|info| info.location.as_slice())
        .unwrap_or_default();
    let comment = locations
        .iter()
        .find(|location| location.path == path)
        .and_then(|location| location.leading_comments.as_deref())
        .unwrap_or_default();
    let paragraphs: Vec<String> = comment
        .split("\n\n")
        .flat_map(|text| text.split("\n \n"))
        .map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|paragraph| !paragraph.is_empty())
        .collect();
    paragraphs.join("\n\n")
}

/// The first sentence, without its full stop.
pub(super) fn summary(description: &str) -> String {
    let end = description.find(". ").unwrap_or(description.len());
    description[..end].trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_one_sentence() {
        // Lists of routes would be as long as the reference itself.
        assert_eq!(summary("One webhook. Without its secret."), "One webhook");
        assert_eq!(summary("One webhook."), "One webhook");
        assert_eq!(summary(""), "");
    }
}
