use crate::error::Error;
use crate::provider::{Provider, ProviderSettings, Tools};
use acteon_testkit::http::{Reply, Request};
use serde_json::{Value, json};
use std::sync::Arc;

/// The secret that a subject's settings shall hold wherever they can hold one, and that shall show nowhere.
pub(crate) const SECRET: &str = "hunter2";

type Build = Box<dyn Fn(&str, &Tools) -> Result<Arc<dyn Provider>, Error>>;

type Show = Box<dyn Fn(&str) -> String>;

/// A type of provider, and what its counterpart says.
pub(crate) struct Subject {
    pub(crate) type_name: &'static str,
    /// Makes it for a server at this URL.
    pub(crate) build: Build,
    /// How its settings are shown: by `Debug` and as JSON.
    pub(crate) shown: Option<Show>,
    /// Whether it can be called without a counterpart of its own.
    pub(crate) has_call: bool,
    /// Whether it calls the server at all.
    pub(crate) has_server: bool,
    /// Whether the server's address is subject to the egress policy.
    pub(crate) is_guarded: bool,
    pub(crate) payload: Value,
    /// The answer to a call that was taken.
    pub(crate) success: Reply,
    /// The answer to a call that may be taken another time.
    pub(crate) unavailable: Reply,
    /// The answer to a call that won't.
    pub(crate) refusal: Reply,
    /// The answer to one call too many, and the wait in seconds that is made of it.
    pub(crate) throttled: (Reply, Option<u64>),
    /// Where a request has the idempotency key.
    pub(crate) key: fn(&Request) -> Option<String>,
}

impl Subject {
    /// A provider that speaks HTTP as most do: status codes, `Retry-After`, `Idempotency-Key`.
    pub(crate) fn http(type_name: &'static str, settings: impl Fn(&str) -> ProviderSettings + Clone + 'static) -> Self {
        let shown = settings.clone();
        Self {
            shown: Some(Box::new(move |url| {
                let settings = shown(url);
                format!("{settings:?} {}", settings.shown())
            })),
            ..Self::built(type_name, move |url, tools| {
                let settings = settings(url);
                settings.validate("p")?;
                settings.build("p", tools)
            })
        }
    }

    /// One that calls nobody.
    pub(crate) fn silent(
        type_name: &'static str,
        settings: impl Fn(&str) -> ProviderSettings + Clone + 'static,
    ) -> Self {
        Self { has_server: false, ..Self::http(type_name, settings) }
    }

    /// One that is made in its own way.
    pub(crate) fn built(
        type_name: &'static str,
        build: impl Fn(&str, &Tools) -> Result<Arc<dyn Provider>, Error> + 'static,
    ) -> Self {
        Self {
            type_name,
            build: Box::new(build),
            shown: None,
            has_call: true,
            has_server: true,
            is_guarded: true,
            payload: json!({"message": "hello"}),
            success: Reply::status(200).body(r#"{"ok": true}"#),
            unavailable: Reply::status(503).body(SECRET),
            refusal: Reply::status(400).body(SECRET),
            throttled: (Reply::status(429).header("retry-after", "7").body(SECRET), Some(7)),
            key: |request| request.header("idempotency-key").map(str::to_owned),
        }
    }
}
