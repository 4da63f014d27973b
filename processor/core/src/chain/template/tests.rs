#![allow(clippy::unwrap_used)]
use super::*;
use std::collections::BTreeMap;

struct Known {
    origin: Origin,
    steps: BTreeMap<&'static str, Value>,
}

impl Source for Known {
    fn origin(&mut self) -> Result<&Origin, StateError> {
        Ok(&self.origin)
    }
    fn step(&mut self, name: &str) -> Result<Option<Cow<'_, Value>>, StateError> {
        Ok(self.steps.get(name).map(Cow::Borrowed))
    }
    fn previous(&mut self) -> Result<Option<Cow<'_, Value>>, StateError> {
        Ok(self.steps.get("charge").map(Cow::Borrowed))
    }
    fn chain_id(&self) -> &str {
        "c-1"
    }
    fn step_index(&self) -> usize {
        2
    }
}

fn known() -> Known {
    let fields = json!({"namespace": "shop", "tenant": "acme", "action_type": "order", "provider": "p", "id": "a-1",
        "metadata": {"region": "eu", "k8s.io/name": "x"}});
    Known {
        origin: Origin {
            payload: json!({"n": 7, "items": [{"sku": "x"}, {"sku": "y"}], "s": "text", "gone": null}),
            fields: fields.as_object().unwrap().clone(),
        },
        steps: BTreeMap::from([
            ("charge", json!({"success": true, "body": {"id": "ch-1", "fee": 1.5}, "error": null})),
            ("failed", json!({"success": false, "body": null, "error": {"code": "TIMEOUT", "message": "late"}})),
        ]),
    }
}

#[test]
fn templates_keep_types_alone_and_become_text_among_others() {
    for (template, expected) in [
        (json!("{{origin.payload.n}}"), json!(7)),
        (json!("{{ origin.payload.items }}"), json!([{"sku": "x"}, {"sku": "y"}])),
        (json!("{{origin.payload.items.1.sku}}"), json!("y")),
        (json!("{{origin.payload}}"), known().origin.payload),
        (json!("{{origin.payload.none.deep}}"), Value::Null),
        (json!("{{origin.tenant}}"), json!("acme")),
        (
            json!("{{origin.namespace}}/{{origin.action_type}}/{{origin.provider}}/{{origin.id}}"),
            json!("shop/order/p/a-1"),
        ),
        (json!("{{origin.metadata.region}}"), json!("eu")),
        (json!("{{origin.metadata.k8s.io/name}}"), json!("x")),
        (json!("{{origin.metadata.none}}"), Value::Null),
        (json!("{{prev.body.id}}"), json!("ch-1")),
        (json!("{{prev.success}}"), json!(true)),
        (json!("{{prev}}"), known().steps["charge"].clone()),
        (json!("{{step_result}}"), json!({"id": "ch-1", "fee": 1.5})),
        (json!("{{step_result.fee}}"), json!(1.5)),
        (json!("{{steps.failed.error.code}}"), json!("TIMEOUT")),
        (json!("{{steps.later.body.x}}"), Value::Null),
        (json!("{{chain_id}}:{{step_index}}"), json!("c-1:2")),
        (json!("{{step_index}}"), json!(2)),
        (
            json!("n={{origin.payload.n}}, items={{origin.payload.items}}, gone={{origin.payload.gone}}."),
            json!("n=7, items=[{\"sku\":\"x\"},{\"sku\":\"y\"}], gone=."),
        ),
        (json!("{{origin.payload.s}}.json"), json!("text.json")),
        (json!("{{unknown.x}}"), Value::Null),
        (json!("open {{origin.payload.s"), json!("open {{origin.payload.s")),
        (json!("plain"), json!("plain")),
        (
            json!({"a": {"b": ["{{origin.payload.n}}", 1, true, null, "x{{origin.tenant}}"]}}),
            json!({"a": {"b": [7, 1, true, null, "xacme"]}}),
        ),
    ] {
        assert_eq!(render(&template, &mut known(), 10_000).unwrap(), expected, "{template}");
    }
}

#[test]
fn what_templates_make_is_limited_before_it_is_made() {
    let template = Value::Array(vec![json!("{{origin.payload}}"); 1000]);
    assert!(matches!(render(&template, &mut known(), 1000), Err(RenderError::TooLarge)));
}

#[test]
fn names_that_can_never_be_are_told_of() {
    let has = |name: &str| name == "charge";
    for (template, expected) in [
        ("{{origin.payload.any.thing}}", None),
        ("{{origin.metadata.any}}", None),
        ("{{prev}} {{prev.body.x}} {{step_result.x}} {{steps.charge.body}} {{steps.charge}}", None),
        ("{{original.payload}}", Some("begins with `origin`")),
        ("{{origin}}", Some("after `origin.` comes")),
        ("{{origin.payloads.x}}", Some("after `origin.` comes")),
        ("{{prev.id}}", Some("after `prev.` comes")),
        ("{{steps.chrage.body.x}}", Some("has no step `chrage`")),
        ("{{steps.charge.id}}", Some("steps.NAME.body")),
        ("{{}}", Some("begins with `origin`")),
        ("a {{origin.tenant", Some("does not close it")),
    ] {
        let mut found = Vec::new();
        problems(&json!({"in": [template]}), &has, &mut found);
        match expected {
            None => assert!(found.is_empty(), "{template}: {found:?}"),
            Some(expected) => assert!(found.len() == 1 && found[0].contains(expected), "{template}: {found:?}"),
        }
    }
}
