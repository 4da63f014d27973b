//! What a connector calls: one module a type of provider, each with its own pure `classify`.

mod api;
#[cfg(feature = "aws")]
pub(crate) mod aws;
pub(crate) mod azure_eventhubs;
#[cfg(test)]
mod conformance;
pub(crate) mod discord;
pub(crate) mod email;
// In a type that is registered, the settings are public.
#[cfg(test)]
#[allow(unreachable_pub)]
mod example;
pub(crate) mod exec;
pub(crate) mod gcp_pubsub;
pub(crate) mod http;
pub(crate) mod kafka;
pub(crate) mod log;
pub(crate) mod opsgenie;
pub(crate) mod pagerduty;
mod payload;
mod registry;
pub(crate) mod slack;
pub(crate) mod teams;
pub(crate) mod telegram;
mod text;
mod tools;
pub(crate) mod twilio;
pub(crate) mod webhook;

pub(crate) use acteon_schemas::error_code as code;
pub use registry::ProviderSettings;
pub(crate) use tools::Tools;

use acteon_schemas::{Dispatch, ProviderError, ProviderResponse, ResponseStatus};
use futures::future::BoxFuture;
use serde::Serialize;
use serde_json::value::to_raw_value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

/// The W3C trace context that came with a dispatch record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TraceContext {
    /// `traceparent`, as it came.
    pub(crate) traceparent: Option<String>,
    /// `tracestate`, as it came.
    pub(crate) tracestate: Option<String>,
}

/// One call of a provider.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    /// What to do. Its `dispatch_id` is the idempotency key, the same on every attempt.
    pub(crate) dispatch: &'a Dispatch<'a>,
    /// To pass on, where the provider has a place for it.
    pub(crate) trace: &'a TraceContext,
}

/// What came of one call.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    /// The provider took it.
    Delivered(ProviderResponse<'static>),
    /// It may work another time.
    Retry {
        /// The wait that the provider asked for.
        after: Option<Duration>,
        /// What to report where there is no other time.
        error: ProviderError<'static>,
    },
    /// It won't work another time either.
    Reject(ProviderError<'static>),
}

impl Outcome {
    /// The provider took it, and this is what it has to say.
    pub(crate) fn delivered(body: &impl Serialize) -> Self {
        match to_raw_value(body) {
            Ok(body) => Self::Delivered(ProviderResponse {
                status: ResponseStatus::Success,
                body: Cow::Owned(body),
                headers: BTreeMap::new(),
            }),
            Err(error) => Self::reject(code::SERIALIZATION, error.to_string()),
        }
    }

    /// A failure that may pass.
    pub(crate) fn retry(code: &'static str, message: impl Into<String>, after: Option<Duration>) -> Self {
        let message = message.into().into();
        Self::Retry {
            after,
            error: ProviderError { code: code.into(), message, retryable: true, retry_after_ms: None },
        }
    }

    /// A failure that won't.
    pub(crate) fn reject(code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into().into();
        Self::Reject(ProviderError { code: code.into(), message, retryable: false, retry_after_ms: None })
    }
}

/// Something that dispatches go to. The caller limits how many calls run at a time and how long each may take: a call
/// that takes too long is dropped.
pub(crate) trait Provider: Send + Sync + 'static {
    /// Makes one call; never retries by itself.
    fn call<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Outcome>;
}
