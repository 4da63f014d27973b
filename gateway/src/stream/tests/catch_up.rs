//! From the log to the live stream, and the ends.

use super::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Stops a writer, also when the test fails: else its end would be waited for in vain.
#[derive(Default)]
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// The ids of so many actions after an id, and the last one's: asked for by a client that comes again when it is told that it
/// is too slow, which a busy machine can make of it.
async fn persistent(streams: &Streams, filter: &Filter, id: &str, count: usize) -> (Vec<i64>, String) {
    let (mut found, mut id) = (Vec::new(), id.to_owned());
    while found.len() < count {
        let mut client = Client::connect(streams, filter.clone(), after(&id)).await;
        while found.len() < count {
            let (event, data) = client.next().await.expect("the stream ended");
            if event == "lagged" {
                assert_eq!(data["after"], client.last_id.as_str());
                break;
            }
            found.push(data["action_id"].as_str().unwrap().parse().unwrap());
        }
        id = client.last_id;
    }
    (found, id)
}

fn sorted(mut found: Vec<i64>) -> Vec<i64> {
    found.sort_unstable();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_begins_where_it_is_opened() {
    let log = Log::new();
    log.write(0..30);
    let streams = log.streams();
    let mut all = Client::connect(&streams, Filter::default(), Begin::Now).await;
    let mut one = Client::connect(&streams, tenant("t3"), Begin::Now).await;
    log.write(30..60);
    assert_eq!(sorted(all.actions(30).await), (30..60).collect::<Vec<_>>());
    assert_eq!(one.actions(3).await, [33, 43, 53], "in the order of its tenant");
}

#[tokio::test(flavor = "multi_thread")]
async fn any_gateway_goes_on_after_any_id_without_a_gap_or_a_double() {
    let log = Log::new();
    log.write(0..10);
    let first = log.streams();
    let mut client = Client::connect(&first, Filter::default(), Begin::Now).await;
    log.write(10..200);
    log.write_and_call_off(0..9);
    let mut found = client.actions(77).await;
    let id = client.last_id.clone();
    drop((client, first));
    log.write(200..2_000);
    // Another gateway, which has never read the log.
    let second = log.streams();
    let mut client = Client::connect(&second, Filter::default(), after(&id)).await;
    log.write(2_000..2_100);
    found.extend(client.actions(2_090 - 77).await);
    assert_eq!(sorted(found), (10..2_100).collect::<Vec<_>>());
    let id = client.last_id.clone();
    // One tenant's alone, from the same id on.
    let mut client = Client::connect(&second, tenant("t4"), after(&id)).await;
    log.write(2_100..2_120);
    assert_eq!(client.actions(2).await, [2_104, 2_114]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_brought_up_while_records_come_misses_none() {
    let log = Arc::new(Log::new());
    let streams = log.streams();
    let begun = Client::connect(&streams, Filter::default(), Begin::Now).await;
    let id = streams.lead.hub().position().unwrap().to_string();
    let stop = Stop::default();
    let (writer_log, writer_stop) = (Arc::clone(&log), Arc::clone(&stop.0));
    let writer = tokio::task::spawn_blocking(move || {
        let mut written = 0;
        while !writer_stop.load(Ordering::SeqCst) {
            writer_log.write(written..written + 100);
            written += 100;
        }
        written
    });
    for round in 0..5 {
        tokio::time::sleep(Duration::from_millis(40)).await;
        let expected: Vec<i64> = (0..60 + round).map(|number| number * 10 + 7).collect();
        let (found, _) = persistent(&streams, &tenant("t7"), &id, expected.len()).await;
        assert_eq!(found, expected, "round {round}");
        let (mut found, cut) = persistent(&streams, &Filter::default(), &id, 3_000).await;
        found.extend(persistent(&streams, &Filter::default(), &cut, 1_000).await.0);
        // How far one partition is read before another is not said; each tenant's are in order.
        for tenant in 0..10 {
            let own: Vec<i64> = found.iter().copied().filter(|number| number % 10 == tenant).collect();
            let expected: Vec<i64> = (0..).map(|number| number * 10 + tenant).take(own.len()).collect();
            assert_eq!(own, expected, "round {round}: t{tenant}");
        }
    }
    drop(stop);
    assert!(writer.await.unwrap() > 0);
    drop(begun);
}

#[tokio::test(flavor = "multi_thread")]
async fn between_two_events_of_one_record_is_a_place_as_well() {
    let log = Log::new();
    let streams = log.streams();
    let mut client = Client::connect(&streams, Filter::default(), Begin::Now).await;
    let grouped = json!({"outcome": "grouped", "outcome_details": {"group_id": "g", "group_size": 1}});
    log.write_one("1", "t1", &grouped);
    assert_eq!(client.next().await.unwrap().0, "action_dispatched");
    let id = client.last_id.clone();
    let mut client = Client::connect(&streams, Filter::default(), after(&id)).await;
    assert_eq!(client.next().await.unwrap().0, "group_event_added");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_is_not_of_this_log_is_told() {
    let log = Log::new();
    log.write(0..30);
    let streams = log.streams();
    // Ahead of the log: it was made anew.
    let mut client = Client::connect(&streams, Filter::default(), after("900-900-900")).await;
    let (event, data) = client.next().await.unwrap();
    assert_eq!((event.as_str(), &data["missed"]), ("lagged", &Value::Null));
    assert!(data["reason"].as_str().unwrap().contains("made anew"), "{data}");
    assert_eq!(sorted(client.actions(30).await), (0..30).collect::<Vec<_>>());
    let request = Request {
        filter: Filter::default(),
        begin: after("1-2"),
        follows: Follows::Nothing,
        party: Party::Peer([10, 0, 0, 1].into()),
    };
    assert!(matches!(streams.open(request).await.err(), Some(Refusal::OtherTopic(2, 3))));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_followed_ends_its_stream_in_the_log_and_live() {
    let log = Log::new();
    let streams = log.streams();
    let request = || {
        let mut filter = tenant("t1");
        filter.chain_id = Some("c".to_owned());
        Request { filter, begin: Begin::Since(0), follows: Follows::Chain, party: Party::Tenant("t1".to_owned()) }
    };
    let step = json!({"chain_id": "c", "outcome": "chain_step_completed", "outcome_details": {"step": "s"}});
    let end = json!({"chain_id": "c", "outcome": "chain_completed", "outcome_details": {"status": "completed"}});
    log.write_one("1", "t1", &step);
    log.write(0..20);
    let mut live = Client::of(&streams, request()).await;
    assert_eq!(live.next().await.unwrap().0, "chain_step_completed");
    log.write_one("1", "t1", &end);
    let mut late = Client::of(&streams, request()).await;
    assert_eq!(late.next().await.unwrap().0, "chain_step_completed");
    for client in [&mut live, &mut late] {
        assert_eq!(client.next().await.unwrap().0, "chain_completed");
        assert_eq!(client.next().await.unwrap().0, "subscription_end");
        assert_eq!(client.next().await, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_stops_ends_all_streams_and_opens_no_more() {
    let log = Log::new();
    let streams = log.streams();
    let mut live = Client::connect(&streams, Filter::default(), Begin::Now).await;
    streams.close();
    let (event, data) = live.next().await.unwrap();
    assert_eq!((event.as_str(), &data["reason"]), ("subscription_end", &json!("the gateway stops")));
    assert_eq!(live.next().await, None);
    let request = Request {
        filter: Filter::default(),
        begin: Begin::Now,
        follows: Follows::Nothing,
        party: Party::Peer([10, 0, 0, 1].into()),
    };
    assert!(matches!(streams.open(request).await.err(), Some(Refusal::Away(_))));
}
