use super::EmailSettings;
use super::compose::compose;
use super::message::{DISPATCH_HEADER, Message};
use crate::attachment::Attachment;
use crate::clock;
use crate::provider::aws::{Account, Connection, Failure, Service};
use crate::provider::payload::Invalid;
use crate::provider::{Outcome, code};
use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::error::BuildError;
use aws_sdk_sesv2::primitives::Blob;
use aws_sdk_sesv2::types::{
    Body, Content, Destination, EmailContent, Message as SesMessage, MessageHeader, RawMessage,
};
use serde_json::json;

const SERVICE: Service = Service { name: "SES", target_key: "from_address" };

/// Sends through Amazon SES, which sets the `Message-ID` itself and drops no duplicates.
pub(super) struct Ses {
    connection: Connection<Client>,
}

impl Ses {
    pub(super) fn new(account: Account, region: String) -> Self {
        Self { connection: Connection::new(account, region, Client::new) }
    }

    pub(super) async fn send(&self, settings: &EmailSettings, message: Message, attachments: &[Attachment]) -> Outcome {
        let destination = Destination::builder()
            .set_to_addresses(Some(message.to.clone()))
            .set_cc_addresses(Some(message.cc.clone()))
            .set_bcc_addresses(Some(message.bcc.clone()))
            .build();
        let reply_to = message.reply_to.clone();
        let content = if attachments.is_empty() { content(message) } else { composed(settings, &message, attachments) };
        let content = match content {
            Ok(content) => content,
            Err(outcome) => return outcome,
        };
        let sent = self
            .connection
            .client()
            .await
            .send_email()
            .from_email_address(&settings.from_address)
            .destination(destination)
            .set_reply_to_addresses(Some(reply_to))
            .content(content)
            .set_configuration_set_name(settings.ses_configuration_set.clone())
            .send();
        let answer = Box::pin(sent).await;
        classify(answer.map(|sent| sent.message_id.unwrap_or_default()).map_err(Failure::of))
    }
}

/// The whole email in MIME: SES takes attachments no other way from all its users.
fn composed(settings: &EmailSettings, message: &Message, attachments: &[Attachment]) -> Result<EmailContent, Outcome> {
    let from = settings.from_address.parse();
    let from = from.map_err(|_| Outcome::reject(code::CONFIGURATION, "`from_address` is no address"))?;
    let composed = compose(message, &from, attachments, clock::utc()).map_err(Invalid::outcome)?;
    let raw =
        RawMessage::builder().data(Blob::new(composed.formatted())).build().map_err(|error| unsendable(&error))?;
    Ok(EmailContent::builder().raw(raw).build())
}

fn unsendable(error: &BuildError) -> Outcome {
    classify(Err(Failure::Unsendable(error.to_string())))
}

fn content(message: Message) -> Result<EmailContent, Outcome> {
    simple(message).map_err(|error| unsendable(&error))
}

fn simple(message: Message) -> Result<EmailContent, BuildError> {
    let utf8 = |text: String| Content::builder().data(text).charset("UTF-8").build();
    let body = Body::builder()
        .set_text(message.body.map(utf8).transpose()?)
        .set_html(message.html_body.map(utf8).transpose()?)
        .build();
    let header = MessageHeader::builder().name(DISPATCH_HEADER).value(message.dispatch_id).build()?;
    let simple = SesMessage::builder().subject(utf8(message.subject)?).body(body).headers(header).build();
    Ok(EmailContent::builder().simple(simple).build())
}

/// Says what an answer means: the message's id, or a failure.
fn classify(answer: Result<String, Failure>) -> Outcome {
    match answer {
        Ok(id) => Outcome::delivered(&json!({"message_id": id, "status": "sent"})),
        Err(failure) => failure.outcome(SERVICE),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::provider::aws::samples::short;

    fn settings(keys: serde_json::Value) -> Result<EmailSettings, serde_json::Error> {
        serde_json::from_value(keys)
    }

    #[test]
    fn answers() {
        assert_eq!(short(&classify(Ok("m-1".into()))), r#"delivered {"message_id":"m-1","status":"sent"}"#);
        let refused = |code: &str| {
            let failure =
                Failure::Refused { status: 400, code: code.into(), message: String::new(), retry_after: None };
            short(&classify(Err(failure)))
        };
        assert_eq!(refused("MessageRejected"), "reject VALIDATION");
        assert_eq!(refused("MailFromDomainNotVerifiedException"), "reject CONFIGURATION");
        assert_eq!(refused("SendingPausedException"), "reject CONFIGURATION");
        assert_eq!(refused("TooManyRequestsException"), "retry RATE_LIMITED");
    }

    #[test]
    fn bad_settings_are_refused() {
        let good = settings(json!({"backend": "ses", "from_address": "Alerts <alerts@example.com>"})).unwrap();
        good.validate("mail").unwrap();
        let by_its_old_name = settings(json!({"email_backend": "ses", "from_address": "alerts@example.com"}));
        assert_eq!(by_its_old_name.unwrap().backend, good.backend);
        let unknown = settings(json!({"backend": "pigeon", "from_address": "a@b"})).unwrap_err().to_string();
        assert!(unknown.contains("unknown variant `pigeon`"), "{unknown}");
        let from = |from: &str| json!({"backend": "ses", "from_address": from});
        for (keys, key) in [
            (from(""), "`from_address`"),
            (from("alerts"), "`from_address`"),
            (from("a@b\r\nBcc: c@d"), "`from_address`"),
            (json!({"backend": "ses", "from_address": "a@b", "to": ["nobody"]}), "`to`"),
            (json!({"backend": "ses", "from_address": "a@b", "aws_role_arn": "x"}), "`aws_role_arn`"),
        ] {
            let error = settings(keys).unwrap().validate("mail").unwrap_err().to_string();
            assert!(error.contains("provider `mail`") && error.contains(key), "{error}");
        }
    }
}
