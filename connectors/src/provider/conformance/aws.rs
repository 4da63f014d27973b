#![allow(clippy::unwrap_used)]

use super::subject::{SECRET, Subject};
use crate::provider::ProviderSettings;
use acteon_testkit::http::{Reply, Request};
use serde_json::{Value, json};

/// The types of AWS, with what their services answer and where they carry the key.
pub(super) fn subjects() -> Vec<Subject> {
    let published = "<PublishResponse><PublishResult><MessageId>m-1</MessageId></PublishResult></PublishResponse>";
    let sent = r#"{"Successful":[{"Id":"0","MessageId":"m-1","MD5OfMessageBody":"x"}],"Failed":[]}"#;
    let put = r#"{"FailedEntryCount":0,"Entries":[{"EventId":"e-1"}]}"#;
    vec![
        Subject {
            success: Reply::status(200).header("content-type", "text/xml").body(published),
            key: |request| form(request, "MessageAttributes.entry.1.Value.StringValue"),
            ..subject("aws-sns", |_| json!({"topic_arn": "arn:aws:sns:us-east-1:123456789012:t"}))
        },
        Subject {
            success: Reply::status(200).body(sent),
            key: |request| member(request, "/Entries/0/MessageAttributes/acteon-dispatch-id/StringValue"),
            ..subject("aws-sqs", |url| json!({"queue_url": format!("{url}/123456789012/q")}))
        },
        Subject {
            key: |request| request.header("x-amz-client-context").map(str::to_owned),
            ..subject("aws-lambda", |_| json!({"function_name": "f"}))
        },
        Subject {
            success: Reply::status(200).body(put),
            key: |request| member(request, "/Entries/0/Resources/0"),
            ..subject("aws-eventbridge", |_| json!({}))
        },
        Subject {
            success: Reply::status(200),
            key: |request| request.header("x-amz-meta-acteon-dispatch-id").map(str::to_owned),
            ..subject("aws-s3", |_| json!({"bucket_name": "bucket"}))
        },
        Subject {
            success: Reply::status(200).body(r#"{"MessageId":"m-1"}"#),
            key: |request| member(request, "/Content/Simple/Headers/0/Value"),
            ..subject("email", |_| json!({"backend": "ses", "from_address": "a@example.com", "to": ["b@example.com"]}))
        },
    ]
}

/// A type with these keys beside those of the account. Its endpoint is the operator's own, and not guarded.
fn subject(type_name: &'static str, keys: fn(&str) -> Value) -> Subject {
    let settings = move |url: &str| {
        let mut all = json!({
            "aws_endpoint_url": url, "aws_access_key_id": "AKIAEXAMPLE", "aws_secret_access_key": SECRET
        });
        all.as_object_mut().unwrap().extend(keys(url).as_object().unwrap().clone());
        ProviderSettings::parse(type_name, all).unwrap().unwrap()
    };
    Subject { is_guarded: false, ..Subject::http(type_name, settings) }
}

/// A member of a JSON body.
fn member(request: &Request, pointer: &str) -> Option<String> {
    Some(request.json().ok()?.pointer(pointer)?.as_str()?.to_owned())
}

/// A field of a form.
fn form(request: &Request, field: &str) -> Option<String> {
    url::form_urlencoded::parse(&request.body).find(|(name, _)| name == field).map(|(_, value)| value.into_owned())
}
