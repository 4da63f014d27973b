#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;

fn settings(keys: &serde_json::Value) -> Result<EmailSettings, String> {
    let mut all = json!({"backend": "smtp", "from_address": "Alerts <alerts@example.com>"});
    all.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    serde_json::from_value(all).map_err(|error| error.to_string())
}

#[test]
fn answers_are_classified() {
    let answered = |code| Failure::Answered(code, Some("4.7.1".to_owned()));
    for (failure, kind, wanted) in [
        (answered(421), "retry", "EXECUTION_FAILED"),
        (answered(450), "retry", "EXECUTION_FAILED"),
        (answered(454), "retry", "EXECUTION_FAILED"),
        (answered(530), "reject", "CREDENTIALS"),
        (answered(535), "reject", "CREDENTIALS"),
        (answered(550), "reject", "VALIDATION"),
        (answered(552), "reject", "VALIDATION"),
        (answered(553), "reject", "VALIDATION"),
        (answered(502), "reject", "EXECUTION_FAILED"),
        (answered(554), "reject", "EXECUTION_FAILED"),
        (Failure::TimedOut, "retry", "TIMEOUT"),
        (Failure::NotConnected("refused".to_owned()), "retry", "CONNECTION"),
        (Failure::Unable("STARTTLS is not supported".to_owned()), "reject", "CONFIGURATION"),
        (Failure::Garbled, "retry", "EXECUTION_FAILED"),
    ] {
        let shown = format!("{failure:?}");
        let (found, error) = match classify(failure) {
            Outcome::Retry { error, .. } => ("retry", error),
            Outcome::Reject(error) => ("reject", error),
            Outcome::Delivered(_) => panic!("{shown} is no success"),
        };
        assert_eq!((found, &*error.code), (kind, wanted), "{shown}");
    }
    let Outcome::Reject(error) = classify(Failure::Answered(550, Some("5.1.1".to_owned()))) else { panic!("550") };
    assert_eq!(error.message, "the mail server answered 550 5.1.1");
}

#[test]
fn only_a_code_is_kept_of_what_the_server_says() {
    for (text, code) in [
        ("5.1.1 <a@example.com> unknown", Some("5.1.1")),
        ("4.7.12", Some("4.7.12")),
        ("hunter2 is no user", None),
        ("5.1 x", None),
        ("5.1.1234 x", None),
        ("", None),
    ] {
        assert_eq!(enhanced_code(text).as_deref(), code, "{text}");
    }
}

#[test]
fn tls_is_a_word_or_a_boolean() {
    for (tls, wanted) in [
        (json!("starttls"), SmtpTls::Starttls),
        (json!("implicit"), SmtpTls::Implicit),
        (json!("none"), SmtpTls::None),
        (json!(true), SmtpTls::Starttls),
        (json!(false), SmtpTls::None),
    ] {
        let settings = settings(&json!({"tls": tls})).unwrap();
        assert_eq!(settings.tls, Some(wanted));
        assert_eq!(json!(settings)["tls"], wanted.word());
    }
    let error = settings(&json!({"tls": "ssl"})).unwrap_err();
    assert!(error.contains("unknown variant `ssl`, expected one of `starttls`, `implicit`, `none`"), "{error}");
}

#[test]
fn bad_settings_are_refused_with_the_key() {
    let host = |more: serde_json::Value| {
        let mut keys = json!({"smtp_host": "mail.example.com"});
        keys.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        keys
    };
    let file = tempfile::NamedTempFile::new().unwrap();
    for (keys, key, part) in [
        (json!({}), "`smtp_host`", "name or address alone"),
        (json!({"smtp_host": "smtp://mail.example.com"}), "`smtp_host`", "name or address alone"),
        (host(json!({"username": "u"})), "`password`", "is missing"),
        (host(json!({"password": "hunter2"})), "`username`", "is missing"),
        (host(json!({"username": "u", "password": "hunter2", "tls": "none"})), "`tls`", "in the clear"),
        (host(json!({"ses_configuration_set": "s"})), "`ses_configuration_set`", "has no meaning"),
        (host(json!({"from_address": "alerts"})), "`from_address`", "must be an address"),
        (host(json!({"smtp_ca_path": "/no/such/file"})), "`smtp_ca_path`", "can't be read"),
    ] {
        let settings = settings(&keys).unwrap();
        let error = settings.validate("mail").and_then(|()| Smtp::new("mail", &settings).map(drop));
        let error = error.unwrap_err().to_string();
        for part in ["provider `mail`", key, part] {
            assert!(error.contains(part), "{error} lacks {part}");
        }
        assert!(!error.contains("hunter2"), "{error}");
    }
    drop(file);
    let good = settings(&host(json!({"username": "u", "password": "hunter2"}))).unwrap();
    Smtp::new("mail", &good).map(drop).unwrap();
    assert!(!format!("{good:?} {}", json!(good)).contains("hunter2"));
    // On this machine nobody listens in.
    let local = json!({"smtp_host": "127.0.0.1", "username": "u", "password": "hunter2", "tls": "none"});
    settings(&local).unwrap().validate("mail").unwrap();
}

#[cfg(feature = "aws")]
#[test]
fn a_mail_server_s_keys_are_not_those_of_ses() {
    for (key, value) in [("smtp_host", json!("h")), ("tls", json!("none")), ("password", json!("hunter2"))] {
        let settings = settings(&json!({"backend": "ses", key: value})).unwrap();
        let error = settings.validate("mail").unwrap_err().to_string();
        assert!(error.contains(&format!("`{key}` has no meaning")) && !error.contains("hunter2"), "{error}");
    }
}
