use super::subject::{SECRET, Subject};
use super::{of, settings};
use acteon_testkit::http::Request;
use serde_json::json;

/// Kafka, and what is alike.
pub(super) fn subjects() -> Vec<Subject> {
    vec![
        Subject {
            // There is no answer of HTTP in it: `tests/it/kafka.rs` has these cases with a broker.
            has_call: false,
            ..Subject::silent("kafka", |_| {
                let keys = json!({
                    "bootstrap_servers": "127.0.0.1:1", "topic": "t", "properties": {"sasl.password": SECRET},
                    "format": "avro", "schema_registry_url": "http://127.0.0.1:1",
                    "schema_registry_username": "u", "schema_registry_password": SECRET
                });
                settings("kafka", keys)
            })
        },
        Subject {
            key: |request| member(request, "/0/UserProperties/acteon-dispatch-id"),
            ..of("azure-eventhubs", |url| {
                json!({
                    "azure_namespace": "acteon", "azure_event_hub": "h", "azure_shared_access_key_name": "send",
                    "azure_shared_access_key": SECRET, "azure_endpoint_url": url
                })
            })
        },
        Subject {
            key: |request| member(request, "/messages/0/attributes/acteon-dispatch-id"),
            ..of("gcp-pubsub", |url| {
                let key = json!({
                    "client_email": "a@p.iam.gserviceaccount.com", "private_key_id": SECRET, "project_id": "p",
                    "private_key": include_str!("../gcp_pubsub/test-key.pem")
                });
                json!({"gcp_topic": "t", "gcp_service_account_key": key.to_string(), "gcp_endpoint_url": url})
            })
        },
    ]
}

/// A member of a request's JSON body.
fn member(request: &Request, pointer: &str) -> Option<String> {
    Some(request.json().ok()?.pointer(pointer)?.as_str()?.to_owned())
}
