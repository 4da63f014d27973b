//! Files that an action carries.

use acteon_schemas::{Dispatch, ProviderError, error_code as code};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::Value;

/// Most attachments of an action.
pub const MAX_ATTACHMENTS: usize = 10;
/// Largest content of all attachments of an action together, in bytes. They are a part of its record, which may have
/// 1 MiB with its base64.
pub const MAX_ATTACHMENT_BYTES: usize = 768 * 1024;
/// Longest file name and content type, in bytes.
const MAX_NAME_BYTES: usize = 255;
/// The content type of what names none.
const DEFAULT_CONTENT_TYPE: &str = "application/octet-stream";

/// A file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attachment {
    /// Without a path.
    pub(crate) filename: String,
    pub(crate) content_type: String,
    pub(crate) content: Bytes,
}

/// The attachments of a dispatch: `attachments`, a list of `filename`, `content_type` and `data_base64` (or `content`),
/// which is the content in base64.
///
/// # Errors
/// `ATTACHMENT_ERROR` with the place of what is malformed or too large.
pub(crate) fn of(dispatch: &Dispatch<'_>) -> Result<Vec<Attachment>, ProviderError<'static>> {
    let list = match dispatch.extra.get("attachments") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(_) => return Err(bad("`attachments` is not a list".to_owned())),
    };
    if list.len() > MAX_ATTACHMENTS {
        return Err(bad(format!("there are {} attachments; the limit is {MAX_ATTACHMENTS}", list.len())));
    }
    let mut bytes = 0;
    let mut attachments = Vec::with_capacity(list.len());
    for (index, entry) in list.iter().enumerate() {
        let attachment = one(entry).map_err(|problem| bad(format!("`attachments[{index}]` {problem}")))?;
        bytes += attachment.content.len();
        attachments.push(attachment);
    }
    if bytes > MAX_ATTACHMENT_BYTES {
        return Err(bad(format!("the attachments have {bytes} bytes; the limit is {MAX_ATTACHMENT_BYTES}")));
    }
    Ok(attachments)
}

fn one(entry: &Value) -> Result<Attachment, String> {
    let text = |key: &str| match entry.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(format!("has a `{key}` that is not a string")),
    };
    let name = |key: &str, text: &str| {
        let is_good = !text.is_empty() && text.len() <= MAX_NAME_BYTES && !text.chars().any(char::is_control);
        if is_good { Ok(()) } else { Err(format!("has a `{key}` that is empty, too long or has control characters")) }
    };
    let filename = text("filename")?.ok_or("lacks `filename`")?;
    name("filename", filename)?;
    if filename.contains(['/', '\\']) {
        return Err("has a `filename` with a path; give the name alone".to_owned());
    }
    let content_type = text("content_type")?.unwrap_or(DEFAULT_CONTENT_TYPE);
    name("content_type", content_type)?;
    let is_type = content_type.split_once('/').is_some_and(|(kind, rest)| !kind.is_empty() && !rest.is_empty());
    if !is_type || !content_type.is_ascii() {
        return Err("has a `content_type` that is not of the form type/subtype".to_owned());
    }
    let content = match text("data_base64")? {
        Some(content) => content,
        None => text("content")?.ok_or("lacks `data_base64`")?,
    };
    let content = STANDARD.decode(content).map_err(|_| "has content that is not base64")?;
    Ok(Attachment { filename: filename.to_owned(), content_type: content_type.to_owned(), content: content.into() })
}

fn bad(message: String) -> ProviderError<'static> {
    ProviderError {
        code: code::ATTACHMENT_ERROR.into(),
        message: message.into(),
        retryable: false,
        retry_after_ms: None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::testing::dispatch;
    use serde_json::json;

    fn attachments(list: Value) -> Result<Vec<Attachment>, String> {
        let mut record = dispatch(&json!({}));
        record["extra"]["attachments"] = list;
        let text = record.to_string();
        of(&serde_json::from_str(&text).unwrap()).map_err(|error| {
            assert_eq!((&*error.code, error.retryable), ("ATTACHMENT_ERROR", false));
            error.message.into_owned()
        })
    }

    #[test]
    fn both_spellings_of_the_content_are_read() {
        let found = attachments(json!([
            {"id": "1", "name": "a", "filename": "a.txt", "content_type": "text/plain", "data_base64": "aGVsbG8="},
            {"filename": "b", "content": ""}
        ]));
        let wanted = [("a.txt", "text/plain", "hello"), ("b", "application/octet-stream", "")];
        let wanted = wanted.map(|(filename, content_type, content)| Attachment {
            filename: filename.to_owned(),
            content_type: content_type.to_owned(),
            content: Bytes::from_static(content.as_bytes()),
        });
        assert_eq!(found.as_deref(), Ok(&wanted[..]));
        assert_eq!(attachments(Value::Null), Ok(Vec::new()));
    }

    #[test]
    fn what_is_malformed_or_too_large_is_named() {
        let half = STANDARD.encode(vec![0; MAX_ATTACHMENT_BYTES / 2 + 1]);
        let good = json!({"filename": "a", "content": ""});
        for (list, part) in [
            (json!("x"), "not a list"),
            (json!([7]), "`attachments[0]` lacks `filename`"),
            (json!([good, {"filename": "a"}]), "`attachments[1]` lacks `data_base64`"),
            (json!([{"filename": 7, "content": ""}]), "`filename` that is not a string"),
            (json!([{"filename": "../a", "content": ""}]), "with a path"),
            (json!([{"filename": "a\r\nX: y", "content": ""}]), "control characters"),
            (json!([{"filename": "a", "content_type": "text", "content": ""}]), "type/subtype"),
            (json!([{"filename": "a", "content": "%"}]), "not base64"),
            (json!(vec![good; 11]), "there are 11 attachments; the limit is 10"),
            (json!([{"filename": "a", "content": half}, {"filename": "b", "content": half}]), "the limit is 786432"),
        ] {
            let error = attachments(list).unwrap_err();
            assert!(error.contains(part), "{error} lacks {part}");
        }
    }
}
