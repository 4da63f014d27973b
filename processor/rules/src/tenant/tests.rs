#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::{Renderer, check, check_text};
use crate::limits;
use crate::subject::Subject;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What a value becomes for an action with this payload.
fn render_with(payload: &Value, source: &Value) -> Result<Value, String> {
    let metadata = BTreeMap::from([("team".to_owned(), "ops".to_owned())]);
    let mut extra = Map::new();
    extra.insert("created_at".to_owned(), json!("2026-01-01T00:00:00Z"));
    let subject = Subject {
        id: "id-1",
        namespace: "ns",
        tenant: "t1",
        provider: Cow::Borrowed("email"),
        action_type: "order",
        payload: Cow::Borrowed(payload),
        metadata: &metadata,
        dedup_key: None,
        status: None,
        fingerprint: None,
        extra: &extra,
    };
    // 2026-01-05 03:00 UTC.
    let mut renderer = Renderer::new(&subject, 1_767_582_000_000)?;
    let named = |name: &str| (name == "greeting").then(|| "Hello {{ customer }}{{ gone }}".to_owned());
    renderer.render(source, &named)
}

fn render(source: &Value) -> Result<Value, String> {
    let payload = json!({
        "customer": "Ann", "total": 1999, "severity": "high", "time": "noon", "html": "<a>", "nothing": null,
        "items": [{"sku": "x", "qty": 2}, {"sku": "y", "qty": 1}], "tags": ["b", "a"],
    });
    render_with(&payload, source)
}

#[test]
fn values_are_made_of_what_the_action_says() {
    for (source, expected) in [
        (json!(7), json!(7)),
        (json!("plain {text}"), json!("plain {text}")),
        (json!("{{ total }}"), json!(1999)),
        (json!(" {{- payload.total -}} "), json!(1999)),
        (json!("{{ items }}"), json!([{"sku": "x", "qty": 2}, {"sku": "y", "qty": 1}])),
        (json!("{{ total }} cents"), json!("1999 cents")),
        (json!("{{ customer }}{{ total }}"), json!("Ann1999")),
        (json!("{{ '%.2f' | format(total / 100) }}"), json!("19.99")),
        (json!("{{ total + 1 }}"), json!(2000)),
        (json!("{{ customer ~ '/' ~ action.tenant ~ '/' ~ metadata.team }}"), json!("Ann/t1/ops")),
        (json!("{{ missing.deeper }}"), json!(null)),
        (json!("{{ missing | default('none') }}"), json!("none")),
        (json!("{% if severity == 'high' %}!{% elif total > 5 %}?{% else %}.{% endif %}"), json!("!")),
        (json!("{% if severity in ['high', 'low'] %}yes{% endif %}"), json!("yes")),
        (json!("{% for item in items %}{{ item.sku }}{% if not loop.last %}, {% endif %}{% endfor %}"), json!("x, y")),
        (json!("{% for n in range(1, 4) %}{{ n }}{% endfor %}"), json!("123")),
        (json!("{% for k, v in items[0]|items %}{{ k }}={{ v }};{% endfor %}"), json!("qty=2;sku=x;")),
        (json!("{{ items | map(attribute='sku') | join('+') }}"), json!("x+y")),
        (json!("{{ items | join(',', attribute='qty') }} {{ tags | sort | first }}"), json!("2,1 a")),
        (json!("{{ html }} {{ html | e }} {{ tags | tojson }}"), json!("<a> &lt;a&gt; [\"b\",\"a\"]")),
        (json!("{{ customer | upper | replace('A', 'O') }}"), json!("ONN")),
        // The four names are Acteon's own.
        (json!("{{ time.hour }} {{ payload.time }} {{ action.created_at }}"), json!("3 noon 2026-01-01T00:00:00Z")),
        (json!({"a": ["{{ total }}", {"$ref": "greeting"}], "b": true}), json!({"a": [1999, "Hello Ann"], "b": true})),
    ] {
        assert_eq!(check(&source).map(|_| ()), Ok(()), "{source}");
        assert_eq!(render(&source), Ok(expected), "{source}");
    }
}

#[test]
fn references_are_collected() {
    let source = json!({"a": {"$ref": "x"}, "b": [{"$ref": "y"}, {"c": {"$ref": "x"}}], "d": "{{ z }}"});
    assert_eq!(check(&source).unwrap().into_iter().collect::<Vec<_>>(), ["x", "y"]);
    for bad in [json!({"$ref": 1}), json!({"$ref": "x", "more": 1}), json!([{"$ref": ["x"]}])] {
        assert!(check(&bad).unwrap_err().contains("`$ref`"), "{bad}");
    }
    assert_eq!(render(&json!({"$ref": "gone"})), Err("there is no template `gone`".to_owned()));
}

#[test]
fn what_could_grow_without_bound_is_no_part_of_the_language() {
    for (text, part) in [
        ("{% set a = 'x' %}{{ a }}", "the statement `set`"),
        ("a\n{%- set a %}x{% endset %}", "the statement `set`"),
        ("{% with a = payload %}{{ a }}{% endwith %}", "the statement `with`"),
        ("{% filter upper %}x{% endfilter %}", "the statement `filter`"),
        ("{% raw %}{{ x }}{% endraw %}{% do x %}", "the statement `do`"),
        ("{{ 'x' * 1000000000 }}", "`*`"),
        ("{{ x ~ x ~ x ~ x ~ x ~ x ~ x ~ x ~ x ~ x ~ x ~ x ~ x ~ x ~ x ~ x ~ x ~ x }}", "more than 16"),
        ("{% for a in [x ~ x] %}{% endfor %}", "items of a loop"),
        ("{% for a in [x, x] %}{% endfor %}", "items of a loop"),
        ("{% for a in (x, x) %}{% endfor %}", "items of a loop"),
        ("{% for a in x, x %}{% endfor %}", "items of a loop"),
        ("{% for a in x|default([x, x]) %}{% endfor %}", "items of a loop"),
        ("{% for a in {'k': x} %}{% endfor %}", "`{` within a tag"),
        ("{{ '{%' }}{% set a = 1 %}", "the statement `set`"),
        ("{{ \"}}\" ~ '{% raw %}' }}{% set a = 1 %}", "the statement `set`"),
        ("{{ x | chain(x) }}", "unknown filter"),
        ("{{ x | zip(x) }}", "unknown filter"),
        ("{{ x | indent(1000000) }}", "unknown filter"),
        ("{{ namespace() }}", "unknown function"),
        ("{{ dict(a=x) }}", "unknown function"),
        ("{{ debug() }}", "unknown function"),
        ("{{ x | shout }}", "unknown filter"),
        ("{{ x", "bad template"),
        ("{% if x %}", "bad template"),
        ("line\n{{ x | }}", "in line 2"),
    ] {
        let problem = check_text(text).expect_err(text);
        assert!(problem.contains(part), "{text}: {problem}");
    }
    let loops = "{% for a in x %}".repeat(9) + &"{% endfor %}".repeat(9);
    assert!(check_text(&loops).unwrap_err().contains("more than 8 loops"));
    let long = "x".repeat(limits::MAX_TENANT_TEMPLATE_BYTES + 1);
    assert!(check_text(&long).unwrap_err().contains("32768 are allowed"));
}

#[test]
fn too_much_work_ends_in_an_error() {
    let payload = json!({"long": "x".repeat(30_000), "list": (0..5_000).collect::<Vec<_>>()});
    for (text, part) in [
        ("{% for i in range(100000) %}{{ i }}{% endfor %}", "more than 50000 steps"),
        ("{% for i in range(2000) %}{% if long|upper %}{% endif %}{% endfor %}", "filters read and write more"),
        ("{% for i in range(2000) %}{% if list|sort %}{% endif %}{% endfor %}", "filters read and write more"),
        ("{{ long }}{{ long }}{{ long }}", "longer than 65536 bytes"),
        ("{{ long ~ long ~ long }}", "longer than 65536 bytes"),
        ("{{ list | join(long) }}", "`join` makes more than"),
        ("{{ long | replace('x', long) }}", "`replace` makes more than"),
        ("{{ [list, list, list, list] | string | string }}", "`string` makes more than"),
        ("{{ [long, long, long] | tojson }}", "`tojson` makes more than"),
        ("{{ '%999s' | format(1) }}", "`format` takes a text"),
        ("{{ '%*s' | format(1000000, 1) }}", "`format` takes a text"),
        ("{{ long | format(1) }}", "`format` takes a text"),
        ("{{ list | map(attribute='a', default=list) }}", "default"),
    ] {
        let problem = render_with(&payload, &json!(text)).expect_err(text);
        assert!(problem.contains(part), "{text}: {problem}");
    }
    let most = limits::MAX_TENANT_TEMPLATE_INPUT_BYTES;
    let problem = render_with(&json!("x".repeat(most)), &json!("x")).unwrap_err();
    assert!(problem.contains("the payload and the labels are longer"), "{problem}");
}

#[test]
fn the_templates_of_an_action_share_their_steps_and_their_work() {
    let some = "{% for i in range(4000) %}{{ i }}{% endfor %}";
    assert!(render(&json!([some])).is_ok());
    assert!(render(&json!(vec![some; 20])).unwrap_err().contains("more than 50000 steps"));
    let silent = format!("{{% if false %}}{}{{% endif %}}", "{{ a }}".repeat(4_000));
    assert!(render(&json!(vec![&silent; 20])).is_ok());
    assert!(render(&json!(vec![&silent; 40])).unwrap_err().contains("more than 50000 steps"), "compiling counts");
    let plain = "x".repeat(30_000);
    assert!(render(&json!(vec![&plain; 9])).unwrap_err().contains("all together than 262144"));
    let payload = json!({"long": "x".repeat(30_000)});
    let texts = render_with(&payload, &json!(vec!["{{ long }}{{ long }}"; 5])).unwrap_err();
    assert!(texts.contains("all together than 262144"), "{texts}");
    let some = "{% for i in range(100) %}{% if long|upper %}{% endif %}{% endfor %}";
    assert!(render_with(&payload, &json!([some])).is_ok());
    assert!(render_with(&payload, &json!([some, some, some])).unwrap_err().contains("filters read and write"));
}
