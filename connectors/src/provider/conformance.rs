//! What every provider must do, whatever it speaks to: one list of cases, and one line a type in [`subjects`].
//!
//! A provider that speaks HTTP is run against a scripted server on loopback.

#![allow(clippy::panic)]

#[cfg(feature = "aws")]
mod aws;
mod cases;
mod streams;
mod subject;

use super::example::{Pager, PagerSettings};
use super::exec::ExecSettings;
use super::log::LogSettings;
use super::webhook::WebhookSettings;
use super::{Provider, ProviderSettings, Tools};
use crate::secret::Secret;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use subject::{SECRET, Subject};

/// One line a type.
fn subjects() -> Vec<Subject> {
    let mut subjects = vec![
        Subject::silent("log", |_| ProviderSettings::Log(LogSettings {})),
        Subject::http("webhook", |url| {
            let mut settings = WebhookSettings::new(format!("{url}/T0/hunter2"));
            settings.headers.insert("Authorization".to_owned(), Secret::new("Bearer hunter2"));
            ProviderSettings::Webhook(settings)
        }),
        of("slack", |url| json!({"token": SECRET, "default_channel": "#ops", "api_url": url})),
        of("teams", |url| json!({"webhook_url": format!("{url}/hunter2")})),
        of("discord", |url| json!({"webhook_url": format!("{url}/hunter2")})),
        of("telegram", |url| json!({"telegram": {"bot_token": SECRET, "default_chat_id": "@ops", "api_url": url}})),
        of(
            "twilio",
            |url| json!({"account_sid": "AC1", "auth_token": SECRET, "from_number": "+1", "to_number": "+2", "api_url": url}),
        ),
        of("pagerduty", |url| json!({"routing_key": SECRET, "services": {"db": SECRET}, "api_url": url})),
        of("opsgenie", |url| json!({"opsgenie": {"api_key": SECRET, "api_url": url}})),
        Subject::silent("exec", |_| {
            let command = vec!["/bin/sh".to_owned(), "-c".to_owned(), "echo $TOKEN >&2".to_owned()];
            let env = BTreeMap::from([("TOKEN".to_owned(), Secret::new("hunter2"))]);
            ProviderSettings::Exec(ExecSettings { command, working_directory: None, env })
        }),
    ];
    subjects.extend(streams::subjects());
    // `tests/it/smtp.rs` has these cases with a mail server.
    #[cfg(not(feature = "aws"))]
    subjects.push(Subject {
        has_call: false,
        ..Subject::silent("email", |_| {
            let keys = json!({
                "backend": "smtp", "from_address": "a@example.com", "smtp_host": "mail.example.com", "username": "u",
                "password": SECRET
            });
            settings("email", keys)
        })
    });
    #[cfg(feature = "aws")]
    subjects.extend(aws::subjects());
    subjects
}

/// A type that speaks HTTP, with its keys for a server at a URL.
fn of(type_name: &'static str, keys: impl Fn(&str) -> Value + Clone + 'static) -> Subject {
    Subject::http(type_name, move |url| settings(type_name, keys(url)))
}

fn settings(type_name: &str, keys: Value) -> ProviderSettings {
    match ProviderSettings::parse(type_name, keys) {
        Ok(Some(settings)) => settings,
        other => panic!("{type_name}: {other:?}"),
    }
}

#[test]
fn every_type_is_among_them() {
    let mut named: Vec<&str> = subjects().iter().map(|subject| subject.type_name).collect();
    let mut all = ProviderSettings::TYPES.to_vec();
    named.sort_unstable();
    all.sort_unstable();
    assert_eq!(named, all, "add a line to `subjects` for each type of provider");
}

#[test]
fn every_provider_conforms() {
    for subject in subjects() {
        cases::run(&subject);
    }
}

/// The example of ARCHITECTURE.md, which is not registered.
#[test]
fn the_example_conforms_and_is_the_one_that_is_printed() {
    let settings = |url: &str| PagerSettings {
        url: url.to_owned(),
        token: Secret::new("hunter2"),
        http: super::http::HttpSettings::default(),
    };
    let build =
        move |url: &str, tools: &Tools| Ok(Arc::new(Pager::new("p", &settings(url), tools)?) as Arc<dyn Provider>);
    cases::run(&Subject::built("pager", build));
    let page = include_str!("../../../ARCHITECTURE.md");
    let source = include_str!("example.rs");
    assert!(page.contains(source), "ARCHITECTURE.md does not print connectors/src/provider/example.rs as it is");
}
