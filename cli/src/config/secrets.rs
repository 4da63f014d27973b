//! The keys that sign the links of approvals. They are read from the file or the environment, and never published.

use super::keys::Spans;
use super::problem::Report;
use super::raw::RawApprovalKey;
use acteon_core::Secrets;

/// Hexadecimal digits of a key: 32 bytes.
const HEX_DIGITS: usize = 64;
/// How to make one.
const HOW: &str = "must be 64 hexadecimal digits; make one with `openssl rand -hex 32`";
/// The environment variable that goes over `[server] approval_secret`.
pub(crate) const VARIABLE: &str = "ACTEON_APPROVAL_SECRET";

/// The keys in the order of their use. Those with an id come first: their first one signs, and links that were signed
/// before there were ids stay good by `approval_secret`.
pub(super) fn secrets(
    secret: Option<String>,
    from_environment: Option<&str>,
    keys: Vec<RawApprovalKey>,
    spans: &Spans,
    report: &mut Report<'_>,
) -> Secrets {
    let mut approval_keys: Vec<(Option<String>, Vec<u8>)> = Vec::new();
    for (index, key) in keys.into_iter().enumerate() {
        let path = format!("server.approval_keys[{index}]");
        let span = |part: &str| spans.get(&format!("{path}.{part}")).or_else(|| spans.get(&path)).cloned();
        let id = key.id.unwrap_or_default();
        if id.is_empty() || !id.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
            report.error(
                span("id"),
                format!("`{path}.id` must be letters, digits, `-`, `_` and `.`: it is a part of links"),
            );
        }
        if approval_keys.iter().any(|(known, _)| known.as_ref() == Some(&id)) {
            report.error(span("id"), format!("`{path}.id` is {id:?}, as of a key before it; ids tell keys apart"));
        }
        match parse(&key.secret.unwrap_or_default()) {
            Some(bytes) => approval_keys.push((Some(id), bytes)),
            // Never what was written: it may be a secret with a typing error.
            None => report.error(span("secret"), format!("`{path}.secret` {HOW}")),
        }
    }
    let (secret, name, span) = match from_environment {
        Some(secret) => (Some(secret.to_owned()), VARIABLE, None),
        None => (secret, "server.approval_secret", spans.get("server.approval_secret").cloned()),
    };
    match secret.as_deref().map(parse) {
        Some(Some(bytes)) => approval_keys.push((None, bytes)),
        Some(None) => report.error(span, format!("`{name}` {HOW}")),
        None => {}
    }
    Secrets { approval_keys }
}

/// The bytes of a key, or `None` if it isn't one.
pub(crate) fn parse(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim().as_bytes();
    if digits.len() != HEX_DIGITS {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    digits.chunks(2).map(|pair| Some(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?)).collect()
}
