//! The ways in which a request misses its signature, each with a stable code and a sentence for people.

use std::fmt;

use serde::{Serialize, Serializer};

macro_rules! variants {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal, $advice:literal;)*) => {
        /// One way in which what was given differs from what was signed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Variant {
            $($(#[doc = $doc])+ $name,)*
        }

        impl Variant {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The stable name, in snake case.
            pub const fn code(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)*
                }
            }

            /// What it means and what to do, without anything that is particular to the request.
            pub const fn advice(self) -> &'static str {
                match self {
                    $(Self::$name => $advice,)*
                }
            }
        }
    };
}

variants! {
    /// The signed body is compact JSON.
    BodyCompact = "body_reserialized_compact",
        "the sender signed compact JSON: something parsed the body and wrote it again; pass the raw bytes";
    /// The signed body is JSON with a space after commas and colons, as Python writes it.
    BodyPython = "body_reserialized_python",
        "the sender signed JSON with a space after commas and colons: something parsed the body and wrote \
         it again; pass the raw bytes";
    /// The signed body is indented JSON.
    BodyPretty = "body_reserialized_pretty",
        "the sender signed indented JSON: something parsed the body and wrote it again; pass the raw bytes";
    /// The signed body has its keys sorted.
    BodyKeysSorted = "body_keys_sorted",
        "the sender signed JSON with sorted keys: something parsed the body and wrote it again; pass the \
         raw bytes";
    /// The signed body has characters outside ASCII escaped.
    BodyAsciiEscaped = "body_ascii_escaped",
        "the sender signed a body with characters outside ASCII written as \\uXXXX; pass the raw bytes";
    /// The signed body has slashes escaped.
    BodySlashEscaped = "body_slash_escaped",
        "the sender signed a body with slashes written as \\/; pass the raw bytes";
    /// The signed body has characters special in HTML escaped.
    BodyHtmlEscaped = "body_html_escaped",
        "the sender signed a body with < > & and the like written as \\uXXXX; pass the raw bytes";
    /// The signed body has characters plain that are escaped here.
    BodyUnescaped = "body_unescaped",
        "the sender signed a body without the \\u escapes that it has here; pass the raw bytes";
    /// The signed body ends with a line break that is missing here.
    BodyNewlineMissing = "body_trailing_newline_missing",
        "the sender signed a line break at the end of the body, and something removed it";
    /// The signed body does not end with the white space that it has here.
    BodyNewlineAdded = "body_trailing_newline_added",
        "something added white space at the end of the body";
    /// The signed body has CRLF line breaks that are LF here.
    BodyCrlfLost = "body_crlf_lost",
        "the sender signed CRLF line breaks, and something made them LF";
    /// The signed body has LF line breaks that are CRLF here.
    BodyCrlfAdded = "body_crlf_added",
        "the sender signed LF line breaks, and something made them CRLF";
    /// The signed body starts with a byte order mark that is missing here.
    BodyBomLost = "body_bom_lost",
        "the sender signed a byte order mark, and something removed it";
    /// The signed body does not start with the byte order mark that it has here.
    BodyBomAdded = "body_bom_added",
        "something put a byte order mark in front of the body";
    /// The body is a JSON text that contains the signed body.
    BodyQuoted = "body_quoted",
        "the body was turned into a JSON text once too often; pass the text inside";
    /// The body is the base64 of the signed body.
    BodyBase64 = "body_base64",
        "the body is still base64, as API gateways hand it over (isBase64Encoded); decode it first";
    /// The body is a Node `Buffer` as JSON, and its bytes are the signed body.
    BodyBuffer = "body_buffer",
        "the body is a Node Buffer that went through JSON.stringify; pass the Buffer itself";
    /// The signed body was UTF-8, and was read as Latin-1 and encoded again.
    BodyLatin1 = "body_latin1",
        "the body was read as Latin-1 and not as bytes; pass the raw bytes";
    /// The secret has white space, quotation marks or invisible characters around it.
    SecretTrimmed = "secret_trimmed",
        "the secret has white space, quotation marks or invisible characters around it; remove them";
    /// The sender decodes the secret from base64, and this scheme does not.
    SecretBase64Decoded = "secret_base64_decoded",
        "the sender decodes the secret from base64, which this scheme does not do; check the scheme";
    /// The sender decodes the secret from hex, and this scheme does not.
    SecretHexDecoded = "secret_hex_decoded",
        "the sender decodes the secret from hex, which this scheme does not do; check the scheme";
    /// The sender uses the text of the secret as it is, and this scheme decodes it.
    SecretNotDecoded = "secret_not_decoded",
        "the sender uses the text of the secret as the key, and this scheme decodes it; check the scheme";
    /// The sender leaves the prefix of the secret out.
    SecretPrefixRemoved = "secret_prefix_removed",
        "the sender leaves the prefix of the secret out";
    /// The sender uses the secret with a prefix that is missing here.
    SecretPrefixMissing = "secret_prefix_missing",
        "the secret belongs together with its prefix whsec_, which is missing here; paste it whole";
    /// The secret is base64 of the URL alphabet or without padding.
    SecretBase64Repaired = "secret_base64_repaired",
        "the secret is base64 of the URL alphabet or without padding; use the standard alphabet and \
         padding";
    /// The signature is written in hex.
    SignatureHex = "signature_encoding_hex",
        "the signature is right and written in hex, which this scheme does not use";
    /// The signature is written in base64.
    SignatureBase64 = "signature_encoding_base64",
        "the signature is right and written in base64, which this scheme does not use";
    /// The signature is written in base64 of the URL alphabet or without padding.
    SignatureBase64Url = "signature_encoding_base64url",
        "the signature is right and written in base64 of the URL alphabet or without padding";
    /// The signature lacks the tag in front of it.
    SignaturePrefixMissing = "signature_prefix_missing",
        "the signature is right and lacks the tag that goes in front of it";
    /// The signature has a tag in front of it that the scheme does not have.
    SignaturePrefixExtra = "signature_prefix_extra",
        "the signature is right and has a tag in front of it that this scheme does not use";
    /// The signature has another tag in front of it.
    SignatureTag = "signature_tag",
        "the signature is right and has another tag in front of it";
    /// The signature has white space or quotation marks around it.
    SignatureWhitespace = "signature_whitespace",
        "the signature is right and has white space or quotation marks around it";
    /// The signature is right, and the header around it is built in another way.
    SignatureForm = "signature_form",
        "the signature is right and the header around it is built in another way";
    /// The signature was made with HMAC-SHA-1.
    AlgorithmHmacSha1 = "algorithm_hmac_sha1",
        "the signature was made with HMAC-SHA-1";
    /// The signature was made with HMAC-SHA-256.
    AlgorithmHmacSha256 = "algorithm_hmac_sha256",
        "the signature was made with HMAC-SHA-256";
    /// The signature was made with HMAC-SHA-512.
    AlgorithmHmacSha512 = "algorithm_hmac_sha512",
        "the signature was made with HMAC-SHA-512";
    /// Signature, timestamp or id came in a header of another name.
    HeaderName = "header_name",
        "a part of the proof came in a header of another name";
    /// The signature covers other parts of the message.
    Content = "content_template",
        "the signature covers other parts of the message than this scheme says";
    /// The signature covers the body alone, without the timestamp.
    TimestampNotSigned = "timestamp_not_signed",
        "the signature covers the body alone, without the timestamp";
    /// The signed URL has the other of http and https.
    UrlScheme = "url_scheme",
        "the sender signed the URL with the other of http and https; pass the URL that the sender called, \
         which a proxy changes";
    /// The signed URL has the default port written out, or not.
    UrlPort = "url_port",
        "the sender signed the URL with the default port written out where it is not here, or the other \
         way round";
    /// The signed URL has a slash at the end, or not.
    UrlTrailingSlash = "url_trailing_slash",
        "the sender signed the URL with a slash at the end where there is none here, or the other way \
         round";
    /// The signed URL has no query.
    UrlQuery = "url_query",
        "the sender signed the URL without the query";
    /// The signed URL is the path alone.
    UrlPathOnly = "url_path_only",
        "the sender signed the path and not the whole URL";
    /// The signed method is another one.
    Method = "method",
        "the sender signed another method";
    /// The request verifies under another built-in scheme.
    OtherScheme = "other_scheme",
        "the request is valid under another scheme";
    /// The message is authentic and older than tolerated.
    ClockStale = "clock_stale",
        "the message is authentic and older than tolerated: a late retry, a replay, or a clock that is \
         ahead here";
    /// The message is authentic and from the future.
    ClockEarly = "clock_early",
        "the message is authentic and from the future: a clock is behind here or ahead at the sender";
    /// The timestamp counts milliseconds where the scheme has seconds, or the other way round.
    TimestampUnit = "timestamp_unit",
        "the timestamp counts milliseconds where the scheme has seconds, or the other way round";
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for Variant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}
