use super::{dispatch, moto, results, sdk, start};
use crate::bed::PATIENCE;
use acteon_testkit::http::{Receiver, Reply};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{FunctionCode, Runtime};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// The end record of an archive with nothing in it.
const EMPTY_ZIP: &[u8] = b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[]}"#;

fn create_function(name: &str) {
    let role = format!("role-of-{name}");
    let parameters =
        [("Action", "CreateRole"), ("Version", "2010-05-08"), ("RoleName", &role), ("AssumeRolePolicyDocument", TRUST)];
    moto().query("iam", &parameters).unwrap();
    let client = aws_sdk_lambda::Client::new(&sdk(&moto().url()));
    let created = client
        .create_function()
        .function_name(name)
        .runtime(Runtime::Python312)
        .handler("main.handler")
        .role(format!("arn:aws:iam::{}:role/{role}", super::ACCOUNT))
        .code(FunctionCode::builder().zip_file(Blob::new(EMPTY_ZIP)).build())
        .send();
    super::run(created).unwrap();
}

/// moto's function answers with its event: so the answer is what arrived.
#[test]
fn a_function_gets_the_payload_and_its_answer_comes_back() {
    create_function("anomaly-detector");
    let (bed, connectors) = start("aws-lambda", &moto().url(), &json!({"function_name": "anomaly-detector"}));
    let reading = json!({"device_id": "temp-1", "value": 21.5});
    dispatch(&bed, "d-1", "sensor_reading", &reading);
    dispatch(&bed, "d-2", "sensor_reading", &json!({"payload": {"a": 1}, "invocation_type": "Event"}));
    let results = results(&bed, 2);
    let wanted = json!({"function_name": "anomaly-detector", "status_code": 200, "response": reading});
    assert_eq!(results["d-1"], wanted);
    assert_eq!(results["d-2"]["status_code"], 202, "{results:?}");
    assert_eq!(connectors.stop(PATIENCE), 0);
}

#[test]
fn a_function_s_error_is_repeated_and_its_success_taken() {
    let server = Receiver::start().unwrap();
    let failed = Reply::status(200)
        .header("x-amz-function-error", "Unhandled")
        .body(r#"{"errorType":"KeyError","errorMessage":"hunter2"}"#);
    server.respond_first(1, failed.clone());
    server.respond_first(1, Reply::status(200).body(r#"{"is_anomaly":true}"#));
    server.respond(failed);
    let (bed, connectors) =
        start("aws-lambda", &server.url(), &json!({"function_name": "anomaly-detector", "qualifier": "live"}));
    dispatch(&bed, "d-1", "sensor_reading", &json!({"device_id": "temp-1"}));
    assert_eq!(results(&bed, 1)["d-1"]["response"], json!({"is_anomaly": true}));
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    for request in &requests {
        assert_eq!(request.path, "/2015-03-31/functions/anomaly-detector/invocations");
        assert_eq!(request.query, "Qualifier=live");
        assert_eq!(request.json().unwrap(), json!({"device_id": "temp-1"}));
        let context = STANDARD.decode(request.header("x-amz-client-context").unwrap()).unwrap();
        let context: Value = serde_json::from_slice(&context).unwrap();
        assert_eq!(context["custom"]["acteon-dispatch-id"], "d-1", "the same on every attempt");
    }

    dispatch(&bed, "d-2", "sensor_reading", &json!({}));
    let result = &results(&bed, 2)["d-2"];
    assert_eq!((&result["code"], &result["retryable"]), (&json!("EXECUTION_FAILED"), &json!(true)));
    let message = result["message"].as_str().unwrap();
    assert!(message.contains("KeyError") && !message.contains("hunter2"), "{message}");

    let absent = r#"{"Type":"User","Message":"Function not found"}"#;
    server.respond(Reply::status(404).header("x-amzn-errortype", "ResourceNotFoundException").body(absent));
    dispatch(&bed, "d-3", "sensor_reading", &json!({}));
    let result = &results(&bed, 3)["d-3"];
    assert_eq!((&result["code"], &result["retryable"]), (&json!("CONFIGURATION"), &json!(false)), "{result}");
    assert_eq!(connectors.stop(PATIENCE), 0);
}
