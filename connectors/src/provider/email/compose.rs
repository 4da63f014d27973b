//! An email as it travels: headers, text, HTML and attachments in MIME. Pure.

use super::message::{DISPATCH_HEADER, Message};
use crate::attachment::Attachment as File;
use crate::provider::payload::Invalid;
use chrono::{DateTime, Utc};
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, Mailbox, MessageBuilder, MultiPart, SinglePart};

/// Puts one address into its header.
type Add = fn(MessageBuilder, Mailbox) -> MessageBuilder;

/// Composes an email that is written at `date`.
///
/// # Errors
/// An address, or another part that a header can't have.
pub(super) fn compose(
    message: &Message,
    from: &Mailbox,
    attachments: &[File],
    date: DateTime<Utc>,
) -> Result<lettre::Message, Invalid> {
    let mut builder = lettre::Message::builder().from(from.clone()).date(date.into()).subject(message.subject.clone());
    let lists: [(&str, &[String], Add); 4] = [
        ("to", &message.to, MessageBuilder::to),
        ("cc", &message.cc, MessageBuilder::cc),
        ("bcc", &message.bcc, MessageBuilder::bcc),
        ("reply_to", &message.reply_to, MessageBuilder::reply_to),
    ];
    for (key, addresses, add) in lists {
        for address in addresses {
            let problem = "has an address that can't be read, as Alerts <alerts@example.com>";
            builder = add(builder, address.parse().map_err(|_| Invalid::new(key, problem))?);
        }
    }
    builder = builder.message_id(Some(message_id(&message.dispatch_id, from.email.domain())));
    let header = HeaderName::new_from_ascii_str(DISPATCH_HEADER);
    builder = builder.raw_header(HeaderValue::new(header, message.dispatch_id.clone()));
    let composed = match body(message) {
        Body::Single(part) if attachments.is_empty() => builder.singlepart(part),
        Body::Multi(part) if attachments.is_empty() => builder.multipart(part),
        Body::Single(part) => builder.multipart(with_files(MultiPart::mixed().singlepart(part), attachments)?),
        Body::Multi(part) => builder.multipart(with_files(MultiPart::mixed().multipart(part), attachments)?),
    };
    composed.map_err(|error| Invalid::new("to", format!("and the rest make no email: {error}")))
}

enum Body {
    Single(SinglePart),
    Multi(MultiPart),
}

fn body(message: &Message) -> Body {
    match (&message.body, &message.html_body) {
        (Some(text), Some(html)) => Body::Multi(MultiPart::alternative_plain_html(text.clone(), html.clone())),
        (None, Some(html)) => Body::Single(SinglePart::html(html.clone())),
        (text, None) => Body::Single(SinglePart::plain(text.clone().unwrap_or_default())),
    }
}

fn with_files(mut parts: MultiPart, files: &[File]) -> Result<MultiPart, Invalid> {
    for (index, File { filename, content_type, content }) in files.iter().enumerate() {
        let kind = ContentType::parse(content_type).map_err(|_| {
            Invalid::new(&format!("attachments[{index}]"), "has a `content_type` that can't be read, as text/plain")
        })?;
        parts = parts.singlepart(Attachment::new(filename.clone()).body(content.to_vec(), kind));
    }
    Ok(parts)
}

/// The dispatch's id in the form of an email's, the same on every attempt.
fn message_id(dispatch_id: &str, domain: &str) -> String {
    let mut local = String::with_capacity(dispatch_id.len());
    for byte in dispatch_id.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => local.push(char::from(byte)),
            _ => local.push_str(&format!("={byte:02X}")),
        }
    }
    format!("<{local}@{domain}>")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn message() -> Message {
        Message {
            dispatch_id: "d-1".to_owned(),
            to: vec!["a@example.com".to_owned(), "Bü <b@example.com>".to_owned()],
            cc: Vec::new(),
            bcc: vec!["hidden@example.com".to_owned()],
            reply_to: vec!["e@example.com".to_owned()],
            subject: "Hot: 97 °C".to_owned(),
            body: Some("text\nof two lines".to_owned()),
            html_body: None,
        }
    }

    fn composed(message: &Message, files: &[File]) -> Result<lettre::Message, Invalid> {
        let date = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        compose(message, &"Alerts <alerts@example.com>".parse().unwrap(), files, date)
    }

    #[test]
    fn headers_are_those_of_an_email() {
        let composed = composed(&message(), &[]).unwrap();
        let text = String::from_utf8(composed.formatted()).unwrap();
        for line in [
            "From: Alerts <alerts@example.com>\r\n",
            "Message-ID: <d-1@example.com>\r\n",
            "X-Acteon-Dispatch-Id: d-1\r\n",
            "Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n",
            "Reply-To: e@example.com\r\n",
            "Content-Type: text/plain; charset=utf-8\r\n",
        ] {
            assert!(text.contains(line), "{text} lacks {line}");
        }
        assert!(!text.contains("hidden@example.com"), "{text}");
        let to: Vec<String> = composed.envelope().to().iter().map(ToString::to_string).collect();
        assert_eq!(to, ["a@example.com", "b@example.com", "hidden@example.com"]);
    }

    #[test]
    fn ids_are_such_as_an_email_may_have() {
        for (id, wanted) in [("0b5f-1", "<0b5f-1@h>"), ("a/b c>\r\n", "<a=2Fb=20c=3E=0D=0A@h>")] {
            assert_eq!(message_id(id, "h"), wanted);
        }
    }

    #[test]
    fn what_can_t_be_composed_is_told_with_the_key() {
        let file = |content_type: &str| File {
            filename: "a.txt".to_owned(),
            content_type: content_type.to_owned(),
            content: Bytes::new(),
        };
        assert!(composed(&message(), &[file("text/plain")]).is_ok());
        let bad = Message { cc: vec!["a@b@".to_owned()], ..message() };
        let error = composed(&bad, &[]).unwrap_err();
        assert_eq!(error, Invalid::new("cc", "has an address that can't be read, as Alerts <alerts@example.com>"));
        let error = composed(&message(), &[file("text/;")]).unwrap_err();
        let problem = "has a `content_type` that can't be read, as text/plain";
        assert_eq!(error, Invalid::new("attachments[0]", problem));
    }
}
