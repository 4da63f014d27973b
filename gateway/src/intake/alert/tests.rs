#![allow(clippy::unwrap_used)]

use super::*;
use axum::http::HeaderMap;

/// 2026-03-02T10:00:00Z.
const NOW: i64 = 1_772_445_600_000;

fn actions(body: &Value) -> Result<Vec<Value>, String> {
    let receiver = AlertReceiver::new("monitoring", "{{/labels/team|ops}}", "pager", "alert", None).unwrap();
    let (headers, body) = (HeaderMap::new(), body.to_string());
    let request = Request { headers: &headers, body: body.as_bytes(), now: NOW };
    let made = receiver.actions(request).map_err(|error| error.to_string())?;
    Ok(made.iter().map(|text| serde_json::from_slice(text).unwrap()).collect())
}

#[test]
fn fingerprints_are_those_of_prometheus() {
    let labels = |list: &[(&str, &str)]| {
        list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>()
    };
    // The values of prometheus/common's own tests.
    assert_eq!(fingerprint(&labels(&[])), format!("{:016x}", 14_695_981_039_346_656_037_u64));
    let both = labels(&[("name", "garland, briggs"), ("fear", "love is not enough")]);
    assert_eq!(fingerprint(&both), format!("{:016x}", 5_799_056_148_416_392_346_u64));
}

#[test]
fn alerts_of_prometheus_fire_until_they_have_ended() {
    let alert = |ends_at: &str| {
        json!({"labels": {"alertname": "HighLatency", "cluster": "prod", "service": "api", "empty": ""},
            "annotations": {"summary": "slow"}, "startsAt": "2026-03-02T09:58:00.123Z", "endsAt": ends_at,
            "generatorURL": "http://prometheus/graph"})
    };
    let made = actions(&json!([
        alert("2026-03-02T10:04:00Z"),
        alert("2026-03-02T10:00:00Z"),
        alert("0001-01-01T00:00:00Z"),
        {"labels": {"alertname": "Down", "team": "sre"}},
    ]))
    .unwrap();
    let labels = json!({"alertname": "HighLatency", "cluster": "prod", "service": "api"});
    let expected = json!({
        "namespace": "monitoring", "tenant": "ops", "provider": "pager", "action_type": "alert",
        "dedup_key": "660fa8f73f629686:firing:2026-03-02T09:58:00.123Z",
        "fingerprint": "660fa8f73f629686", "status": "firing", "metadata": labels,
        "starts_at": "2026-03-02T09:58:00.123Z", "ends_at": "2026-03-02T10:04:00Z",
        "payload": {"status": "firing", "fingerprint": "660fa8f73f629686", "labels": labels,
            "annotations": {"summary": "slow"}, "startsAt": "2026-03-02T09:58:00.123Z", "endsAt": "2026-03-02T10:04:00Z",
            "generatorURL": "http://prometheus/graph"},
    });
    assert_eq!(made[0], expected);
    let statuses: Vec<&str> = made.iter().map(|action| action["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["firing", "resolved", "firing", "firing"]);
    assert_eq!(made[2].get("ends_at"), None, "a time that is not set");
    assert_eq!((&made[3]["tenant"], made[3].get("starts_at")), (&json!("sre"), None));
}

#[test]
fn alertmanager_s_webhooks_tell_their_status() {
    let body = json!({
        "version": "4", "groupKey": "{}:{alertname=\"Down\"}", "truncatedAlerts": 0, "status": "firing", "receiver": "acteon",
        "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://alertmanager",
        "alerts": [
            {"status": "firing", "labels": {"alertname": "Down"}, "annotations": {}, "startsAt": "2026-03-02T09:00:00Z",
                "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "", "fingerprint": "x"},
            {"status": "resolved", "labels": {"alertname": "Down"}, "annotations": {}, "startsAt": "2026-03-02T09:00:00Z",
                "endsAt": "2026-03-02T11:00:00Z", "generatorURL": ""},
        ],
    });
    let made = actions(&body).unwrap();
    assert_eq!((&made[0]["status"], &made[1]["status"]), (&json!("firing"), &json!("resolved")));
    assert_eq!(made[0]["fingerprint"], made[1]["fingerprint"], "made of the labels");
    assert_ne!(made[0]["dedup_key"], made[1]["dedup_key"]);
}

#[test]
fn what_is_no_alert_is_refused_with_its_number() {
    let alert = |more: Value| {
        let mut alert = json!({"labels": {"a": "b"}});
        alert.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!([{"labels": {"fine": "yes"}}, alert])
    };
    let cases = [
        (json!({}), "the body is neither a list of alerts"),
        (json!(7), "the body is neither a list of alerts"),
        (json!([{}]), "alert 0: missing field `labels`"),
        (alert(json!({"labels": {"a": ""}})), "alert 1: has no labels"),
        (alert(json!({"labels": {"a": 1}})), "alert 1: invalid type"),
        (alert(json!({"startsAt": "soon"})), "alert 1: `startsAt`: `soon` is not a time"),
        (
            alert(json!({"startsAt": "2026-03-02T10:00:00Z", "endsAt": "2026-03-02T09:00:00Z"})),
            "`endsAt` is before `startsAt`",
        ),
        (alert(json!({"status": "pending"})), "alert 1: `status`: `pending` is neither"),
        (json!(vec![json!({"labels": {"a": "b"}}); MAX_ALERTS + 1]), "there are 1001 alerts; the limit is 1000"),
    ];
    for (body, part) in cases {
        let error = actions(&body).unwrap_err();
        assert!(error.contains(part), "{error}");
    }
    assert_eq!(actions(&json!([])), Ok(Vec::new()));
    let error = AlertReceiver::new("{{x}}", "t", "p", "a", None).unwrap_err();
    assert!(error.to_string().starts_with("`namespace` has the place"));
}
