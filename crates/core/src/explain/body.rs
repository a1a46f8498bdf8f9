//! What the signed body may have been, given the one that arrived.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;

use super::json_text::{Escapes, Spacing, is_json, rewritten, with_sorted_keys};
use super::variant::Variant;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// A body that arrived, prepared for guessing.
pub(super) struct Arrived<'a> {
    body: &'a [u8],
    /// The body as text, when it is JSON.
    json: Option<&'a str>,
    /// The same with sorted keys.
    sorted: Option<String>,
    /// The spacing that the body already has.
    spacing: Option<Spacing>,
    /// The spacings that do not make it unreasonably long.
    spacings: Vec<Spacing>,
}

/// How to get from the body that arrived to one that may have been signed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Recipe {
    AddNewline,
    AddCrlf,
    TrimEnd,
    CrlfFromLf,
    LfFromCrlf,
    AddBom,
    StripBom,
    Unquote,
    DecodeBase64,
    Buffer,
    EncodeLatin1,
    Rewrite {
        spacing: Spacing,
        escapes: Escapes,
        sorted: bool,
        newline: bool,
    },
}

impl<'a> Arrived<'a> {
    pub(super) fn new(body: &'a [u8]) -> Self {
        let json = str::from_utf8(body).ok().filter(|text| is_json(text));
        let mut spacing = None;
        let mut spacings = Vec::new();
        for candidate in Spacing::ALL {
            if let Some(again) = json.and_then(|text| rewritten(text, candidate, Escapes::AsIs)) {
                spacings.push(candidate);
                if json.is_some_and(|text| text.trim() == again) {
                    spacing = spacing.or(Some(candidate));
                }
            }
        }
        Self {
            body,
            json,
            sorted: json.map(with_sorted_keys),
            spacing,
            spacings,
        }
    }

    /// Everything worth trying, the simplest explanation first.
    pub(super) fn recipes(&self) -> Vec<(Recipe, Vec<Variant>)> {
        let mut recipes = vec![
            (Recipe::AddNewline, vec![Variant::BodyNewlineMissing]),
            (Recipe::AddCrlf, vec![Variant::BodyNewlineMissing]),
            (Recipe::TrimEnd, vec![Variant::BodyNewlineAdded]),
            (Recipe::LfFromCrlf, vec![Variant::BodyCrlfAdded]),
            (Recipe::CrlfFromLf, vec![Variant::BodyCrlfLost]),
            (Recipe::AddBom, vec![Variant::BodyBomLost]),
            (Recipe::StripBom, vec![Variant::BodyBomAdded]),
            (Recipe::Unquote, vec![Variant::BodyQuoted]),
            (Recipe::DecodeBase64, vec![Variant::BodyBase64]),
            (Recipe::Buffer, vec![Variant::BodyBuffer]),
            (Recipe::EncodeLatin1, vec![Variant::BodyLatin1]),
        ];
        for spacing in self.spacings.iter().copied() {
            for escapes in Escapes::ALL {
                for (sorted, newline) in [(false, false), (true, false), (false, true), (true, true)] {
                    let recipe = Recipe::Rewrite {
                        spacing,
                        escapes,
                        sorted,
                        newline,
                    };
                    recipes.push((recipe, self.causes(spacing, escapes, sorted, newline)));
                }
            }
        }
        // What changes nothing but the white space around the body is told by its own recipe.
        recipes.retain(|(_, causes)| !causes.is_empty());
        recipes.sort_by_key(|(_, causes)| causes.len());
        recipes
    }

    fn causes(&self, spacing: Spacing, escapes: Escapes, sorted: bool, newline: bool) -> Vec<Variant> {
        let spacing_cause = match spacing {
            Spacing::Compact => Variant::BodyCompact,
            Spacing::Python => Variant::BodyPython,
            Spacing::Pretty(_) => Variant::BodyPretty,
        };
        let escape_causes: &[Variant] = match escapes {
            Escapes::AsIs => &[],
            Escapes::Fewest => &[Variant::BodyUnescaped],
            Escapes::Ascii => &[Variant::BodyAsciiEscaped],
            Escapes::AsciiAndSlash => &[Variant::BodyAsciiEscaped, Variant::BodySlashEscaped],
            Escapes::Slash => &[Variant::BodySlashEscaped],
            Escapes::Html => &[Variant::BodyHtmlEscaped],
            Escapes::AsciiAndHtml => &[Variant::BodyAsciiEscaped, Variant::BodyHtmlEscaped],
            Escapes::Meta => &[
                Variant::BodyAsciiEscaped,
                Variant::BodySlashEscaped,
                Variant::BodyHtmlEscaped,
            ],
        };
        let mut causes = Vec::new();
        causes.extend((self.spacing != Some(spacing)).then_some(spacing_cause));
        causes.extend(escape_causes);
        causes.extend(sorted.then_some(Variant::BodyKeysSorted));
        causes.extend(newline.then_some(Variant::BodyNewlineMissing));
        causes
    }

    /// The body by a recipe, or `None` where it does not apply.
    pub(super) fn cooked(&self, recipe: Recipe) -> Option<Vec<u8>> {
        let body = self.body;
        Some(match recipe {
            Recipe::AddNewline => [body, b"\n"].concat(),
            Recipe::AddCrlf => [body, b"\r\n"].concat(),
            Recipe::TrimEnd => body.trim_ascii_end().to_vec(),
            Recipe::LfFromCrlf => str::from_utf8(body).ok()?.replace("\r\n", "\n").into_bytes(),
            Recipe::CrlfFromLf => {
                let text = str::from_utf8(body).ok()?;
                (!text.contains('\r')).then(|| text.replace('\n', "\r\n").into_bytes())?
            }
            Recipe::AddBom => [BOM, body].concat(),
            Recipe::StripBom => body.strip_prefix(BOM)?.to_vec(),
            Recipe::Unquote => serde_json::from_str::<String>(self.json?).ok()?.into_bytes(),
            Recipe::DecodeBase64 => BASE64.decode(body.trim_ascii()).ok()?,
            Recipe::Buffer => buffer(self.json?)?,
            Recipe::EncodeLatin1 => str::from_utf8(body)
                .ok()?
                .chars()
                .map(|character| u8::try_from(u32::from(character)).ok())
                .collect::<Option<Vec<u8>>>()?,
            Recipe::Rewrite {
                spacing,
                escapes,
                sorted,
                newline,
            } => {
                let text = if sorted {
                    self.sorted.as_deref()?
                } else {
                    self.json?
                };
                let mut text = rewritten(text, spacing, escapes)?;
                if newline {
                    text.push('\n');
                }
                text.into_bytes()
            }
        })
    }
}

/// The bytes of `{"type":"Buffer","data":[…]}`, which is what Node makes of a `Buffer`.
fn buffer(json: &str) -> Option<Vec<u8>> {
    #[derive(Deserialize)]
    struct Buffer {
        r#type: String,
        data: Vec<u8>,
    }
    let buffer: Buffer = serde_json::from_str(json).ok()?;
    (buffer.r#type == "Buffer").then_some(buffer.data)
}
