use super::{Call, Outcome, Provider, Tools, code};
use crate::error::Error;
use acteon_schemas::{ProviderResponse, ResponseStatus};
use futures::future::{BoxFuture, ready};
use serde::{Deserialize, Serialize};
use serde_json::{json, value::to_raw_value};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Needs nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSettings {}

impl LogSettings {
    /// There is nothing to check.
    ///
    /// # Errors
    /// Never.
    pub fn validate(&self, _name: &str) -> Result<(), Error> {
        Ok(())
    }
}

/// Writes a log line for each dispatch. Payload and metadata, which may hold secrets, stay out of it.
pub(crate) struct Log {
    name: String,
}

impl Log {
    pub(crate) fn new(name: &str, _settings: &LogSettings, _tools: &Tools) -> Result<Self, Error> {
        Ok(Self { name: name.to_owned() })
    }

    /// The answer to every call.
    fn response(&self) -> Outcome {
        match to_raw_value(&json!({"provider": self.name, "logged": true})) {
            Ok(body) => Outcome::Delivered(ProviderResponse {
                status: ResponseStatus::Success,
                body: Cow::Owned(body),
                headers: BTreeMap::new(),
            }),
            Err(error) => Outcome::reject(code::SERIALIZATION, error.to_string()),
        }
    }
}

impl Provider for Log {
    fn call<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Outcome> {
        let dispatch = call.dispatch;
        tracing::info!(
            provider = self.name,
            dispatch_id = %dispatch.dispatch_id,
            action_id = %dispatch.action_id,
            namespace = %dispatch.namespace,
            tenant = %dispatch.tenant,
            action_type = %dispatch.action_type,
            payload_bytes = dispatch.payload.get().len(),
            "action logged"
        );
        Box::pin(ready(self.response()))
    }
}

#[cfg(test)]
#[allow(clippy::panic, clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn answers_under_its_configured_name() {
        let Outcome::Delivered(response) =
            Log::new("warehouse", &LogSettings {}, &Tools::default()).unwrap().response()
        else {
            panic!("not delivered")
        };
        let body: serde_json::Value = serde_json::from_str(response.body.get()).unwrap();
        assert_eq!(body, json!({"provider": "warehouse", "logged": true}));
        assert_eq!(response.status, ResponseStatus::Success);
    }
}
