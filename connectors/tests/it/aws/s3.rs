use super::{dispatch, moto, results, sdk, start};
use crate::bed::PATIENCE;
use serde_json::json;

#[test]
fn objects_are_put_got_and_deleted() {
    let client = aws_sdk_s3::Client::from_conf(
        aws_sdk_s3::config::Builder::from(&sdk(&moto().url())).force_path_style(true).build(),
    );
    super::run(client.create_bucket().bucket("building-telemetry").send()).unwrap();
    let keys = json!({"bucket_name": "building-telemetry", "object_prefix": "raw/"});
    let (bed, connectors) = start("aws-s3", &moto().url(), &keys);
    let report = r#"{"total_readings": 1234, "anomalies": 3}"#;
    let put = json!({
        "key": "reports/daily-summary.json", "body": report, "content_type": "application/json",
        "metadata": {"site": "hq"}
    });
    dispatch(&bed, "d-1", "put_object", &put);
    let uploaded = results(&bed, 1)["d-1"].clone();
    let key = "raw/reports/daily-summary.json";
    assert_eq!(uploaded, json!({"bucket": "building-telemetry", "key": key, "status": "uploaded"}));
    let get = |key: &str| {
        super::run(async {
            let object = client.get_object().bucket("building-telemetry").key(key).send().await.ok()?;
            let (kind, metadata) = (object.content_type.clone(), object.metadata.clone()?);
            let body = object.body.collect().await.unwrap().into_bytes();
            Some((kind, metadata, String::from_utf8(body.to_vec()).unwrap()))
        })
    };
    let (kind, metadata, body) = get(key).unwrap();
    assert_eq!((kind.as_deref(), &*body), (Some("application/json"), report));
    assert_eq!((&*metadata["site"], &*metadata["acteon-dispatch-id"]), ("hq", "d-1"));

    dispatch(&bed, "d-2", "sensor_reading", &json!({"key": "not an object's", "value": 1}));
    dispatch(&bed, "d-3", "get_object", &json!({"key": "reports/daily-summary.json"}));
    dispatch(&bed, "d-4", "get_object", &json!({"key": "absent"}));
    let after = results(&bed, 4);
    assert_eq!(get("raw/shop/acme/d-2.json").unwrap().2, r#"{"key":"not an object's","value":1}"#);
    assert_eq!(after["d-3"]["body"], report);
    assert_eq!((&after["d-4"]["code"], &after["d-4"]["retryable"]), (&json!("VALIDATION"), &json!(false)), "{after:?}");

    dispatch(&bed, "d-5", "delete_object", &json!({"key": "reports/daily-summary.json"}));
    assert_eq!(results(&bed, 5)["d-5"]["status"], "deleted");
    assert!(get(key).is_none(), "it is gone");
    assert_eq!(connectors.stop(PATIENCE), 0);
}

#[test]
fn a_bucket_that_is_not_there_is_a_matter_of_configuration() {
    let (bed, connectors) = start("aws-s3", &moto().url(), &json!({"bucket_name": "absent-bucket"}));
    dispatch(&bed, "d-1", "put_object", &json!({"a": 1}));
    let result = &results(&bed, 1)["d-1"];
    assert_eq!(result["code"], "CONFIGURATION", "{result}");
    assert!(result["message"].as_str().unwrap().contains("`bucket_name`"), "{result}");
    assert_eq!(connectors.stop(PATIENCE), 0);
}
