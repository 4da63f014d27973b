#![allow(clippy::unwrap_used)]

use super::*;
use crate::testing::dispatch;
use serde_json::json;

fn context(payload: &Value) -> Context {
    let text = dispatch(payload).to_string();
    Context::of(&serde_json::from_str(&text).unwrap())
}

#[test]
fn a_text_sees_the_action() {
    let context = context(&json!({"name": "Ann", "items": [1, "b"]}));
    for (source, text) in [
        ("Hello {{ payload.name }}, {{ payload.missing.too }}.", "Hello Ann, ."),
        ("{{ action.tenant }}/{{ action.action_type }}/{{ action.dispatch_id }}", "acme/notify/d-1"),
        ("{{ metadata.cluster }} {{ action.template }}", "prod order"),
        ("{% for item in payload['items'] %}<{{ item }}>{% endfor %}", "<1><b>"),
        ("{{ payload | tojson }}", r#"{"items":[1,"b"],"name":"Ann"}"#),
        ("<b>{{ '<' }}", "<b><"),
    ] {
        assert_eq!(Template::text(source).unwrap().render(&context).as_deref(), Ok(text), "{source}");
    }
}

#[test]
fn values_of_a_url_are_escaped_and_can_t_leave_their_place() {
    let render = |source: &str, id: Value| Template::url(source).unwrap().render(&context(&json!({"id": id})));
    let source = "https://h/a/{{ payload.id }}?x=1";
    for (id, text) in [
        (json!("7"), "https://h/a/7?x=1"),
        (json!(7), "https://h/a/7?x=1"),
        (json!("a/b?c#d&e=%2e ü"), "https://h/a/a%2Fb%3Fc%23d%26e%3D%252e%20%C3%BC?x=1"),
        (json!("@evil.example"), "https://h/a/%40evil.example?x=1"),
    ] {
        assert_eq!(render(source, id).as_deref(), Ok(text));
    }
    for id in [json!(".."), json!("."), json!(""), Value::Null] {
        assert!(render(source, id.clone()).is_err(), "{id}");
    }
    assert!(render("https://h/{{ payload.other }}", Value::Null).is_err(), "a missing value is no gap");
}

#[test]
fn values_keep_their_type_where_they_stand_alone() {
    let source = json!({
        "text": "n={{ payload.n }}", "n": "{{ payload.n }}", "list": ["{{ payload.list }}", 5, true, null],
        "both": "{{ payload.n }}{{ payload.n }}", "gone": "{{ payload.gone }}", "ref": {"$ref": "hello"}
    });
    let named = |name: &str| (name == "hello").then(|| Template::text("Hello {{ payload.n }}").unwrap());
    let value = ValueTemplate::compile(&source, &named).unwrap().render(&context(&json!({"n": 7, "list": [1]})));
    let wanted = json!({
        "text": "n=7", "n": 7, "list": [[1], 5, true, null], "both": "77", "gone": null, "ref": "Hello 7"
    });
    assert_eq!(value, Ok(wanted));
}

#[test]
fn bad_ones_are_refused_when_they_are_read() {
    for (source, part) in [
        ("{{ payload.", "bad template"),
        ("a\n{% if %}", "in line 2"),
        ("{{ payload | nosuch }}", "nosuch"),
        ("{{ nosuch() }}", "nosuch"),
    ] {
        let error = Template::text(source).unwrap_err();
        assert!(error.contains(part), "{source}: {error}");
    }
    assert!(Template::text(&"x".repeat(MAX_TEMPLATE_BYTES + 1)).unwrap_err().contains("the limit is"));
    let none = |_: &str| None;
    for (source, part) in [
        (json!({"$ref": "x"}), "\"x\""),
        (json!({"$ref": "x", "y": 1}), "not alone"),
        (json!(["{{ a"]), "bad template"),
    ] {
        let error = ValueTemplate::compile(&source, &none).unwrap_err();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn work_and_result_are_bounded() {
    let context = context(&json!({"x": "y".repeat(1_000)}));
    let endless = "{% for a in range(10000) %}{% for b in range(10000) %}{{ b }}{% endfor %}{% endfor %}";
    let long = "{% for a in range(2000) %}{{ payload.x }}{% endfor %}";
    assert!(Template::text(endless).unwrap().render(&context).is_err());
    assert!(Template::text(long).unwrap().render(&context).unwrap_err().contains("longer than"));
}
