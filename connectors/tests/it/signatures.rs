//! The signatures of webhooks, verified by the Python package of Standard Webhooks.

use crate::bed::{Bed, PATIENCE};
use acteon_connectors::{ProviderConfig, ProviderSettings, Secret, WebhookSettings};
use acteon_testkit::webhooks::WebhookReceiver;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Three secrets, each 24 bytes.
const OLD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEW: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const OTHER: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";

#[test]
fn a_receiver_s_own_package_takes_a_signature_of_its_secret_and_no_other() {
    let receiver = WebhookReceiver::start(OLD).unwrap();
    // While a secret is rotated, both sign.
    let cases = [("same", vec![OLD]), ("rotated", vec![NEW, OLD]), ("other", vec![OTHER]), ("unsigned", vec![])];
    let bed = Bed::new(&cases.each_ref().map(|(name, _)| *name));
    let provider = |(name, secrets): &(&str, Vec<&str>)| {
        let settings = WebhookSettings {
            signing_secrets: secrets.iter().map(|secret| Secret::new(*secret)).collect(),
            ..WebhookSettings::new(receiver.url())
        };
        ProviderConfig::new(*name, ProviderSettings::Webhook(settings))
    };
    let connectors = bed.start(cases.iter().map(provider).collect());
    for (name, _) in &cases {
        bed.dispatch(name, name, "k");
    }
    let results: BTreeMap<String, Value> =
        bed.results(cases.len()).iter().map(|read| (read.dispatch_id(), read.json()["result"].clone())).collect();
    let requests = receiver.requests().unwrap();
    assert_eq!(requests.len(), cases.len(), "{requests:?}");
    for name in ["same", "rotated"] {
        assert_eq!(results[name]["delivered"]["body"], json!({"status_code": 204}), "{results:?}");
        let taken = requests.iter().find(|request| request["id"] == name).unwrap();
        assert_eq!((&taken["error"], &taken["payload"]["id"]), (&Value::Null, &json!(format!("action-of-{name}"))));
    }
    for name in ["other", "unsigned"] {
        let failed = &results[name]["failed"];
        assert_eq!((&failed["code"], &failed["retryable"]), (&json!("CREDENTIALS"), &json!(false)), "{results:?}");
    }
    let errors: Vec<&Value> =
        requests.iter().map(|request| &request["error"]).filter(|error| !error.is_null()).collect();
    assert_eq!(errors.len(), 2, "{requests:?}");
    assert_eq!(connectors.stop(PATIENCE), 0);
}
