use crate::api::testing::{Fate, Server};
use serde_json::Value;
use std::collections::BTreeSet;

/// Where an answer has no body, as that of those whose clients come here.
const EMPTY: [&str; 2] = ["/api/v2/alerts", "/v1/dispatch/alertmanager"];

async fn document() -> Value {
    let server = Server::start(|_| Fate::Silent).await;
    let answer = server.get(super::DOCUMENT_PATH).await;
    assert_eq!(answer.status, 200);
    answer.body
}

#[tokio::test]
async fn every_route_is_in_the_document() {
    let server = Server::start(|_| Fate::Silent).await;
    let document = server.get(super::DOCUMENT_PATH).await.body;
    let described: BTreeSet<String> = document["paths"].as_object().unwrap().keys().cloned().collect();
    // The router has no list of its routes, but shows them to who debugs it; `/` is the answer to what is unknown.
    let registered: BTreeSet<String> = server
        .routes
        .split('"')
        .filter(|text| text.starts_with('/'))
        .filter(|path| *path != "/" && *path != super::DOCUMENT_PATH && !path.starts_with(super::UI_PATH))
        .filter(|path| !path.contains("__private"))
        .map(str::to_owned)
        .collect();
    // `/-/…` are other names of routes, for Prometheus's tools.
    let registered: BTreeSet<String> = registered.into_iter().filter(|path| !path.starts_with("/-/")).collect();
    assert!(registered.len() > 30, "{registered:?}");
    assert_eq!(registered, described);
}

#[tokio::test]
async fn a_method_is_taken_where_the_document_says_so() {
    let document = document().await;
    let server = Server::starting().await;
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in ["get", "put", "post", "delete", "patch"] {
            let line = format!("{} {}", method.to_uppercase(), path.replace(['{', '}'], ""));
            let request = format!("{line} HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
            let is_refused = server.text(&request).await.starts_with("HTTP/1.1 405");
            assert_eq!(is_refused, item.get(method).is_none(), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn each_operation_has_an_id_a_summary_and_answers_with_shapes() {
    let document = document().await;
    let mut ids = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            assert!(ids.insert(operation["operationId"].to_string()), "{method} {path}: the id is there twice");
            assert!(operation["summary"].is_string(), "{method} {path} has no summary: comment its handler");
            assert!(operation["tags"].is_array(), "{method} {path} has no tag");
            for (status, response) in operation["responses"].as_object().unwrap() {
                let is_empty = EMPTY.contains(&path.as_str()) && status == "200";
                assert!(response["content"].is_object() != is_empty, "{method} {path}: {status} and its body");
            }
        }
    }
    for reference in references(&document) {
        let name = reference.strip_prefix("#/components/schemas/").unwrap();
        assert!(document["components"]["schemas"][name].is_object(), "{reference} leads nowhere");
    }
}

fn references(value: &Value) -> Vec<&str> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, value)| match value.as_str() {
                Some(reference) if name == "$ref" => vec![reference],
                _ => references(value),
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

#[tokio::test]
async fn people_can_read_it() {
    let server = Server::start(|_| Fate::Silent).await;
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
    let page = server.text(&get("/swagger-ui/")).await;
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("swagger-ui-bundle.js"), "{page}");
    let start = server.text(&get("/swagger-ui/swagger-initializer.js")).await;
    assert!(start.contains(super::DOCUMENT_PATH), "{start}");
    assert!(server.text(&get("/swagger-ui")).await.contains("location: /swagger-ui/"));
}
