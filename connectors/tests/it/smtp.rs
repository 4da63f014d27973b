//! The provider `email` with a mail server: what that received is compared.

use crate::bed::{Bed, PATIENCE};
use acteon_connectors::{Connectors, EmailSettings, ProviderConfig, ProviderSettings};
use acteon_testkit::free_port;
use acteon_testkit::smtp::{Encryption, SmtpSink};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rdkafka::producer::Producer as _;
use serde_json::{Value, json};

/// Starts a provider `mail` that sends by a server on this port.
fn start(port: u16, keys: &Value) -> (Bed, Connectors) {
    let bed = Bed::new(&["mail"]);
    let mut all = json!({
        "backend": "smtp", "smtp_host": "127.0.0.1", "smtp_port": port, "from_address": "Alerts <alerts@example.com>",
        "tls": "none", "to": ["ops@example.com"]
    });
    all.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    let settings: EmailSettings = serde_json::from_value(all).unwrap();
    let mut provider = ProviderConfig::new("mail", ProviderSettings::Email(settings));
    provider.max_retries = Some(1);
    let connectors = bed.start(vec![provider]);
    (bed, connectors)
}

/// Puts a dispatch with this payload and these attachments in.
fn put(bed: &Bed, id: &str, payload: &Value, attachments: &Value) {
    let producer = bed.producer(None);
    let mut dispatch = crate::bed::dispatch("mail", id, 0);
    dispatch["payload"] = payload.clone();
    dispatch["extra"] = json!({"attachments": attachments});
    bed.put(&producer, "mail", &dispatch.to_string(), "key");
    producer.flush(PATIENCE).unwrap();
}

/// The parts of an email: type, file name and text.
fn parts(email: &Value) -> Vec<(String, Option<String>, String)> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let part = |part: &Value| {
        let content = STANDARD.decode(part["content"].as_str().unwrap()).unwrap();
        let content = String::from_utf8(content).unwrap().replace("\r\n", "\n");
        (text(&part["content_type"]).unwrap(), text(&part["filename"]), content.trim_end().to_owned())
    };
    email["parts"].as_array().unwrap().iter().map(part).collect()
}

#[test]
fn an_email_arrives_with_text_html_and_attachments() {
    let sink = SmtpSink::start(Encryption::None, None).unwrap();
    let (bed, connectors) = start(sink.port(), &json!({}));
    let payload = json!({
        "to": ["a@example.com", "B <b@example.com>"], "cc": "c@example.com", "bcc": "d@example.com",
        "reply_to": "e@example.com", "subject": "Hot: 97 °C", "body": "97 °C\n.\nin a line of its own",
        "html_body": "<p>97</p>"
    });
    let files =
        json!([{"filename": "log.txt", "content_type": "text/plain", "data_base64": STANDARD.encode("a line")}]);
    put(&bed, "d-1", &payload, &files);
    let email = sink.wait_for(1, PATIENCE).unwrap().remove(0);
    assert_eq!(email["from"], "alerts@example.com");
    assert_eq!(email["to"], json!(["a@example.com", "b@example.com", "c@example.com", "d@example.com"]));
    for (header, value) in [
        ("from", "Alerts <alerts@example.com>"),
        ("to", "a@example.com, B <b@example.com>"),
        ("cc", "c@example.com"),
        ("reply-to", "e@example.com"),
        ("subject", "Hot: 97 °C"),
        ("message-id", "<d-1@example.com>"),
        ("x-acteon-dispatch-id", "d-1"),
    ] {
        assert_eq!(email["headers"][header], value, "{header}: {email}");
    }
    assert_eq!(email["headers"].get("bcc"), None, "{email}");
    let part = |kind: &str, file: Option<&str>, text: &str| (kind.to_owned(), file.map(str::to_owned), text.to_owned());
    assert_eq!(
        parts(&email),
        [
            part("text/plain", None, "97 °C\n.\nin a line of its own"),
            part("text/html", None, "<p>97</p>"),
            part("text/plain", Some("log.txt"), "a line"),
        ]
    );
    let result = bed.results(1).remove(0).json();
    let wanted = json!({"message_id": "<d-1@example.com>", "status": "sent"});
    assert_eq!(result["result"]["delivered"]["body"], wanted, "{result}");
    connectors.stop(PATIENCE);
}

#[test]
fn any_payload_is_an_email_to_the_configured_recipients() {
    let sink = SmtpSink::start(Encryption::None, None).unwrap();
    let (bed, connectors) = start(sink.port(), &json!({}));
    put(&bed, "d-1", &json!({"value": 97}), &json!([]));
    let email = sink.wait_for(1, PATIENCE).unwrap().remove(0);
    assert_eq!(
        (&email["to"], &email["headers"]["subject"]),
        (&json!(["ops@example.com"]), &json!("notify (shop/acme)"))
    );
    assert_eq!(parts(&email), [("text/plain".to_owned(), None, r#"{"value":97}"#.to_owned())]);
    connectors.stop(PATIENCE);
}

#[test]
fn connections_are_encrypted_and_users_known() {
    for (encryption, tls) in [(Encryption::Starttls, "starttls"), (Encryption::Implicit, "implicit")] {
        let sink = SmtpSink::start(encryption, Some(("acteon", "hunter2"))).unwrap();
        let good = json!({
            "tls": tls, "smtp_ca_path": sink.ca_path(), "username": "acteon", "password": "hunter2"
        });
        let (bed, connectors) = start(sink.port(), &good);
        put(&bed, "d-1", &json!({}), &json!([]));
        let email = sink.wait_for(1, PATIENCE).unwrap().remove(0);
        assert_eq!((&email["tls"], &email["user"]), (&json!(true), &json!("acteon")), "{email}");
        connectors.stop(PATIENCE);
        let mut wrong = good.clone();
        wrong["password"] = json!("hunter3");
        let mut untrusted = good.clone();
        untrusted.as_object_mut().unwrap().remove("smtp_ca_path");
        for (keys, code) in [(wrong, "CREDENTIALS"), (untrusted, "CONNECTION")] {
            let (bed, connectors) = start(sink.port(), &keys);
            put(&bed, "d-2", &json!({}), &json!([]));
            let result = bed.results(1).remove(0).json();
            assert_eq!(result["result"]["failed"]["code"], code, "{tls}: {result}");
            assert!(!result.to_string().contains("hunter"), "{result}");
            connectors.stop(PATIENCE);
        }
        assert_eq!(sink.emails().unwrap().len(), 1);
    }
}

#[test]
fn refusals_are_told_apart_and_without_the_server_s_words() {
    let sink = SmtpSink::start(Encryption::None, None).unwrap();
    let (bed, connectors) = start(sink.port(), &json!({}));
    let cases = [
        ("code-450@example.com", "EXECUTION_FAILED", true, 2, "answered 450 4.1.1"),
        ("code-550@example.com", "VALIDATION", false, 1, "answered 550 5.1.1"),
        ("code-554@example.com", "EXECUTION_FAILED", false, 1, "answered 554 5.1.1"),
    ];
    for (to, ..) in cases {
        put(&bed, to, &json!({"to": to}), &json!([]));
    }
    let results = bed.results(cases.len());
    for (to, code, is_retryable, attempts, part) in cases {
        let result = results.iter().find(|result| result.dispatch_id() == to).unwrap().json();
        let failed = &result["result"]["failed"];
        assert_eq!((&failed["code"], &failed["retryable"]), (&json!(code), &json!(is_retryable)), "{result}");
        assert_eq!(result["attempts"], attempts, "{result}");
        let message = failed["message"].as_str().unwrap();
        assert!(message.contains(part) && !message.contains("hunter2"), "{message}");
    }
    assert!(sink.emails().unwrap().is_empty());
    connectors.stop(PATIENCE);
}

#[test]
fn a_server_that_is_away_or_has_no_tls_is_told() {
    let sink = SmtpSink::start(Encryption::None, None).unwrap();
    for (port, tls, code, is_retryable) in
        [(free_port().unwrap(), "none", "CONNECTION", true), (sink.port(), "starttls", "CONFIGURATION", false)]
    {
        let (bed, connectors) = start(port, &json!({"tls": tls}));
        put(&bed, "d-1", &json!({}), &json!([]));
        let result = bed.results(1).remove(0).json();
        let failed = &result["result"]["failed"];
        assert_eq!((&failed["code"], &failed["retryable"]), (&json!(code), &json!(is_retryable)), "{result}");
        connectors.stop(PATIENCE);
    }
    assert!(sink.emails().unwrap().is_empty());
}
