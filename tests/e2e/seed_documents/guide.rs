//! A guide: sections with a command, and the answer that is printed below it.

use std::path::Path;

use serde_json::Value;

/// A guide as its readers see it.
pub(super) struct Guide {
    title: String,
    sections: Vec<Section>,
}

/// One heading, and what is below it.
pub(super) struct Section {
    heading: String,
    pub(super) command: Command,
    /// What the guide prints as the answer.
    pub(super) answer: Option<Answer>,
}

/// What a reader is told to do.
#[derive(Clone, Debug)]
pub(super) enum Command {
    /// Lines for a shell.
    Shell(String),
    /// A request, as `POST /v1/webhooks`, and its body.
    Http {
        method: String,
        path: String,
        body: Option<String>,
    },
}

pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Value,
}

/// Text between fences, its language, and the last line above it.
struct Block {
    language: String,
    text: String,
    label: String,
}

impl Guide {
    pub(super) fn read(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("e2e/seed_documents/guides");
        let text = std::fs::read_to_string(folder.join(format!("{name}.md"))).unwrap();
        let mut parts = text.split("\n## ");
        let title = parts.next().unwrap().lines().next().unwrap().to_owned();
        let sections = parts.map(Section::parse).collect();
        Self { title, sections }
    }

    /// The section below this heading.
    pub(super) fn section(&self, heading: &str) -> &Section {
        let mut sections = self.sections.iter();
        sections
            .find(|section| section.heading == heading)
            .unwrap_or_else(|| panic!("{} has no section {heading:?}", self.title))
    }

    /// All headings, in order.
    pub(super) fn headings(&self) -> Vec<&str> {
        self.sections
            .iter()
            .map(|section| section.heading.as_str())
            .collect()
    }
}

impl Section {
    fn parse(text: &str) -> Self {
        let (heading, text) = text.split_once('\n').unwrap();
        let mut blocks = blocks(text).into_iter().peekable();
        let first = blocks
            .next()
            .unwrap_or_else(|| panic!("{heading:?} has no command"));
        let command = match first.language.as_str() {
            "bash" => Command::Shell(first.text),
            "http" => {
                let (method, path) = first.text.trim().split_once(' ').unwrap();
                let is_body = |block: &Block| block.label.starts_with("Request body");
                Command::Http {
                    method: method.to_owned(),
                    path: path.to_owned(),
                    body: blocks.next_if(is_body).map(|block| block.text),
                }
            }
            other => panic!("{heading:?} begins with {other:?}"),
        };
        let answer = blocks.next().map(|block| {
            let status = block
                .label
                .strip_prefix("Response (")
                .and_then(|rest| rest.get(..3));
            Answer {
                status: status
                    .unwrap_or_else(|| panic!("{:?}", block.label))
                    .parse()
                    .unwrap(),
                body: serde_json::from_str(&block.text).unwrap(),
            }
        });
        assert!(
            blocks.next().is_none(),
            "{heading:?} has more than a command and its answer"
        );
        Self {
            heading: heading.to_owned(),
            command,
            answer,
        }
    }
}

fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    let mut label = "";
    for line in text.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(language)) => {
                open = Some(Block {
                    language: language.to_owned(),
                    text: String::new(),
                    label: label.to_owned(),
                });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) if !line.is_empty() => label = line,
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a fence does not close");
    blocks
}
