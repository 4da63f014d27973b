//! On whose behalf calls are made: roles, wrong credentials, nobody there.

use super::{Queue, provider, results, sdk};
use crate::bed::{Bed, PATIENCE};
use acteon_connectors::ProviderConfig;
use acteon_testkit::free_port;
use acteon_testkit::moto::Moto;
use serde_json::{Value, json};

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[
    {"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}"#;

fn policy(action: &str) -> String {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]}).to_string()
}

/// What an element of an answer holds.
fn element<'a>(xml: &'a str, name: &str) -> &'a str {
    let (_, rest) = xml.split_once(&format!("<{name}>")).unwrap();
    rest.split_once(&format!("</{name}>")).unwrap().0
}

fn iam(moto: &Moto, action: &str, parameters: &[(&str, &str)]) -> String {
    let mut all = vec![("Action", action), ("Version", "2010-05-08")];
    all.extend_from_slice(parameters);
    moto.query("iam", &all).unwrap()
}

/// A user who may assume roles and nothing else. Returns the access key's halves.
fn user(moto: &Moto) -> (String, String) {
    iam(moto, "CreateUser", &[("UserName", "acteon")]);
    let may = policy("sts:AssumeRole");
    iam(moto, "PutUserPolicy", &[("UserName", "acteon"), ("PolicyName", "p"), ("PolicyDocument", &may)]);
    let key = iam(moto, "CreateAccessKey", &[("UserName", "acteon")]);
    (element(&key, "AccessKeyId").to_owned(), element(&key, "SecretAccessKey").to_owned())
}

fn role(moto: &Moto, name: &str, action: &str) -> String {
    let role = iam(moto, "CreateRole", &[("RoleName", name), ("AssumeRolePolicyDocument", TRUST)]);
    let may = policy(action);
    iam(moto, "PutRolePolicy", &[("RoleName", name), ("PolicyName", "p"), ("PolicyDocument", &may)]);
    element(&role, "Arn").to_owned()
}

#[test]
fn a_role_is_assumed_and_its_permissions_count() {
    let moto = Moto::start().unwrap();
    let queue = Queue::create(&moto.url(), "staging-metrics", &[]);
    let (id, secret) = user(&moto);
    let (sender, reader) = (role(&moto, "sender", "sqs:*"), role(&moto, "reader", "sqs:ReceiveMessage"));
    moto.check_permissions().unwrap();

    let names = ["as-sender", "as-reader", "as-user", "as-nobody"];
    let bed = Bed::new(&names);
    let config = |name: &str, keys: Value| -> ProviderConfig {
        let mut all = json!({
            "queue_url": queue.url, "aws_access_key_id": id, "aws_secret_access_key": secret
        });
        all.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
        provider(name, "aws-sqs", &moto.url(), &all)
    };
    let as_role = |role: &str| {
        json!({
            "aws_role_arn": role, "aws_session_name": "acteon-test", "aws_external_id": "acteon-trust"
        })
    };
    let connectors = bed.start(vec![
        config("as-sender", as_role(&sender)),
        config("as-reader", as_role(&reader)),
        config("as-user", json!({})),
        config("as-nobody", json!({"aws_access_key_id": "AKIAABSENT", "aws_secret_access_key": "hunter2"})),
    ]);
    for name in names {
        bed.dispatch(name, name, "k");
    }
    let results = results(&bed, 4);
    assert_eq!(results["as-sender"]["status"], "sent", "{results:?}");
    for refused in ["as-reader", "as-user", "as-nobody"] {
        assert_eq!(results[refused]["code"], "CREDENTIALS", "{refused}: {results:?}");
        assert_eq!(results[refused]["retryable"], json!(false), "{refused}: {results:?}");
    }
    assert!(!format!("{results:?}").contains("hunter2"));
    let contents = moto.contents().unwrap();
    let roles = contents["sts"]["AssumedRole"].to_string();
    assert!(roles.contains("acteon-test") && roles.contains("acteon-trust"), "{roles}");
    assert_eq!(connectors.stop(PATIENCE), 0);
}

#[test]
fn nobody_there_at_the_start_fails_calls_and_not_the_start() {
    let port = free_port().unwrap();
    let url = format!("http://127.0.0.1:{port}");
    let queue_url = format!("{url}/123456789012/late");
    let bed = Bed::new(&["p", "r"]);
    let with = |name: &str, keys: Value| {
        let mut config = provider(name, "aws-sqs", &url, &keys);
        config.max_retries = Some(1);
        config
    };
    let role = json!({"queue_url": queue_url, "aws_role_arn": "arn:aws:iam::123456789012:role/acteon"});
    let connectors = bed.start(vec![with("p", json!({"queue_url": queue_url})), with("r", role)]);
    bed.dispatch("p", "d-1", "k");
    bed.dispatch("r", "d-2", "k");
    let results_before = results(&bed, 2);
    for id in ["d-1", "d-2"] {
        let result = &results_before[id];
        assert_eq!((&result["code"], &result["retryable"]), (&json!("CONNECTION"), &json!(true)), "{result}");
    }
    let moto = Moto::start_at(port).unwrap();
    let client = aws_sdk_sqs::Client::new(&sdk(&moto.url()));
    super::run(client.create_queue().queue_name("late").send()).unwrap();
    bed.dispatch("p", "d-3", "k");
    assert_eq!(results(&bed, 3)["d-3"]["status"], "sent");
    assert_eq!(connectors.stop(PATIENCE), 0);
}
