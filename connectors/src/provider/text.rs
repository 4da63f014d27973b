//! What a person reads of a payload that was not written for the provider that carries it.

use super::payload::Keys;
use acteon_schemas::Dispatch;

/// Members whose text is the message, the first that is there.
const MESSAGES: [&str; 6] = ["text", "message", "body", "content", "description", "summary"];
/// Members whose text is a line above it.
const TITLES: [&str; 3] = ["subject", "title", "name"];
/// Members with links that a person shall find below it.
const LINKS: [(&str, &str); 2] = [("approval_url", "Approve"), ("reject_url", "Reject")];
/// What stands in for what is cut off.
const CUT: &str = "…";

/// The text of a dispatch: title, message and links of its payload, or else what it is about and the payload as JSON.
/// At most `max_chars` characters.
pub(crate) fn text(dispatch: &Dispatch<'_>, max_chars: usize) -> String {
    let keys = Keys::of(&dispatch.payload);
    let member = |name: &str| keys.as_ref().and_then(|keys| keys.text(name).ok().flatten());
    let first = |names: &[&str]| names.iter().find_map(|name| member(name));
    let text = match (first(&TITLES), first(&MESSAGES)) {
        (Some(title), Some(message)) => format!("{title}\n{message}"),
        (None, Some(message)) => message,
        (title, None) => format!("{}\n{}", title.unwrap_or_else(|| about(dispatch)), dispatch.payload.get()),
    };
    let links = LINKS.iter().filter_map(|(name, label)| Some(format!("\n{label}: {}", member(name)?)));
    let links: String = links.collect();
    // A link that is cut off leads nowhere: the text gives way.
    let room = max_chars.saturating_sub(links.chars().count());
    cut(text, room) + &links
}

/// One line: the payload's title, or what the dispatch is about. At most `max_chars` characters.
pub(crate) fn title(dispatch: &Dispatch<'_>, max_chars: usize) -> String {
    let keys = Keys::of(&dispatch.payload);
    let member = |name: &&str| keys.as_ref().and_then(|keys| keys.text(name).ok().flatten());
    let title = TITLES.iter().chain(&["summary", "message", "text"]).find_map(member);
    let title = title.unwrap_or_else(|| about(dispatch));
    cut(title.lines().next().unwrap_or_default().to_owned(), max_chars)
}

/// Its action's type and scope.
fn about(dispatch: &Dispatch<'_>) -> String {
    format!("{} ({}/{})", dispatch.action_type, dispatch.namespace, dispatch.tenant)
}

/// The beginning of a text, at most `max_chars` characters of it.
pub(crate) fn cut(text: String, max_chars: usize) -> String {
    if text.chars().nth(max_chars).is_none() {
        return text;
    }
    text.chars().take(max_chars.saturating_sub(1)).collect::<String>() + CUT
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn both(payload: &Value, max_chars: usize) -> (String, String) {
        let record = crate::testing::dispatch(payload).to_string();
        let dispatch: Dispatch<'_> = serde_json::from_str(&record).unwrap();
        (title(&dispatch, max_chars), text(&dispatch, max_chars))
    }

    #[test]
    fn the_payload_s_own_words_are_used_where_there_are_any() {
        let cases = [
            (json!({"message": "disk full"}), "disk full", "disk full"),
            (json!({"title": "db-1", "message": "disk full", "n": 1}), "db-1", "db-1\ndisk full"),
            (json!({"subject": "a\nb", "body": "c"}), "a", "a\nb\nc"),
            (json!({"value": 92}), "notify (shop/acme)", "notify (shop/acme)\n{\"value\":92}"),
            (json!([1, 2]), "notify (shop/acme)", "notify (shop/acme)\n[1,2]"),
            (json!({"message": 1, "title": "t"}), "t", "t\n{\"message\":1,\"title\":\"t\"}"),
        ];
        for (payload, title, text) in cases {
            assert_eq!(both(&payload, 100), (title.to_owned(), text.to_owned()), "{payload}");
        }
    }

    #[test]
    fn long_text_is_cut_and_links_are_not() {
        let payload = json!({"message": "äöü".repeat(100), "approval_url": "https://a/1", "reject_url": "https://r/1"});
        let (_, text) = both(&payload, 60);
        assert_eq!(text.chars().count(), 60);
        assert!(text.ends_with("…\nApprove: https://a/1\nReject: https://r/1"), "{text}");
        assert_eq!(cut("abc".to_owned(), 3), "abc");
        assert_eq!(cut("abcd".to_owned(), 3), "ab…");
    }
}
