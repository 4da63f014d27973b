#![allow(clippy::unwrap_used)]

use super::*;
use crate::stream::queue::Item;
use crate::view::audit::testing::record;
use futures::FutureExt as _;
use serde_json::{Value, json};

fn hub() -> Arc<Hub> {
    let hub = Arc::new(Hub::default());
    hub.begin(Position::new(vec![Place::at(10), Place::at(20)]));
    hub
}

fn filter(namespace: Option<&str>, tenant: Option<&str>) -> Filter {
    Filter { namespace: namespace.map(Into::into), tenant: tenant.map(Into::into), ..Filter::default() }
}

fn take(hub: &Hub, offset: i64, changed: Value) {
    hub.take(0, offset, record("a", 1, changed).to_string().as_bytes());
}

/// What waits for a subscriber: places of events, or a gap.
fn waiting(subscription: &Subscription) -> Vec<(i64, u8)> {
    let mut found = Vec::new();
    while let Some(Item::Frame(frame)) = subscription.subscriber.queue.next().now_or_never() {
        found.push((frame.place.next, frame.place.seen));
    }
    found
}

#[test]
fn an_event_goes_to_all_whom_it_fits_and_to_nobody_else() {
    let hub = hub();
    let subscribe = |filter| hub.subscribe(filter).unwrap().0;
    let all = subscribe(Filter::default());
    let namespace = subscribe(filter(Some("n"), None));
    let tenant = subscribe(filter(Some("n"), Some("t")));
    let lone_tenant = subscribe(filter(None, Some("t")));
    let other = subscribe(filter(Some("n"), Some("u")));
    let typed = subscribe(Filter { event_type: Some("group_event_added".into()), ..Filter::default() });
    take(&hub, 10, json!({}));
    take(&hub, 11, json!({"tenant": "u"}));
    take(&hub, 13, json!({"outcome": "grouped", "outcome_details": {"group_id": "g"}}));
    hub.take(0, 14, b"no record");
    assert_eq!(waiting(&all), [(10, 0), (11, 0), (13, 0), (13, 1)]);
    assert_eq!(waiting(&namespace), [(10, 0), (11, 0), (13, 0), (13, 1)]);
    assert_eq!(waiting(&tenant), [(10, 0), (13, 0), (13, 1)]);
    assert_eq!(waiting(&lone_tenant), [(10, 0), (13, 0), (13, 1)]);
    assert_eq!(waiting(&other), [(11, 0)]);
    assert_eq!(waiting(&typed), [(13, 1)]);
    assert_eq!(hub.position().unwrap().to_string(), "15-20");
    drop((all, namespace, tenant, lone_tenant, other, typed));
    let inner = hub.lock();
    let index = &inner.subscribers;
    assert!(index.all.is_empty() && index.by_namespace.is_empty() && index.by_tenant.is_empty());
}

#[test]
fn an_id_is_the_position_after_its_event() {
    let hub = hub();
    let (subscription, from) = hub.subscribe(Filter::default()).unwrap();
    assert_eq!(from.to_string(), "10-20");
    take(&hub, 12, json!({"outcome": "grouped", "outcome_details": {"group_id": "g"}}));
    let mut ids = Vec::new();
    while let Some(Item::Frame(frame)) = subscription.subscriber.queue.next().now_or_never() {
        let text = std::str::from_utf8(&frame.text).unwrap().to_owned();
        ids.push(text.lines().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned());
    }
    assert_eq!(ids, ["12.1-20", "13-20"]);
}

#[test]
fn who_has_been_given_everything_is_where_the_log_was_read_to() {
    let hub = hub();
    let (subscription, _) = hub.subscribe(filter(Some("n"), Some("t"))).unwrap();
    take(&hub, 10, json!({"tenant": "u"}));
    assert_eq!(hub.reached(&subscription.subscriber).unwrap().to_string(), "11-20");
    take(&hub, 11, json!({}));
    assert_eq!(hub.reached(&subscription.subscriber), None, "an event waits");
    assert_eq!(waiting(&subscription), [(11, 0)]);
    assert_eq!(hub.reached(&subscription.subscriber).unwrap().to_string(), "12-20");
    assert_eq!(hub.place(0), Some((Place::at(12), false)));
    assert_eq!(hub.place(1), Some((Place::at(20), true)));
    assert_eq!(hub.place(2), None);
}

#[test]
fn all_streams_end_when_the_log_is_not_read_any_more() {
    let hub = hub();
    let (subscription, _) = hub.subscribe(filter(Some("n"), None)).unwrap();
    hub.end();
    assert_eq!(subscription.subscriber.queue.next().now_or_never(), Some(Item::Closed));
    assert!(hub.subscribe(Filter::default()).is_none());
    take(&hub, 10, json!({}));
    assert_eq!(hub.position(), None);
}
