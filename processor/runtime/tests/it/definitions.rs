//! The definitions table read as a whole.

use crate::harness::{Bench, embedded};
use acteon_runtime::definitions;
use std::time::{Duration, Instant};

/// Longest that the quickest of some reads may take on an idle broker.
const READ_LIMIT: Duration = Duration::from_millis(200);

#[test]
fn the_whole_table_is_read_without_waiting_for_more() {
    let (_broker, bootstrap) = embedded();
    let bench = Bench::new(&bootstrap, "table", 1, "rules: []");
    let read = || {
        let start = Instant::now();
        let table = definitions::read(&bench.kafka, &bench.names).unwrap();
        assert!(table.compile(&acteon_core::Secrets::default()).unwrap().is_some());
        start.elapsed()
    };
    // The machine may be busy: what counts is that nothing waits by design.
    let quickest = (0..5).map(|_| read()).min().unwrap();
    assert!(quickest < READ_LIMIT, "{quickest:?}");
}

#[test]
fn processes_that_publish_at_the_same_time_all_get_through() {
    let (_broker, bootstrap) = embedded();
    let bench = Bench::new(&bootstrap, "publishers", 1, "rules: []");
    for round in 0..5 {
        let bench = &bench;
        let publish = move |name: usize| {
            bench.publish(&format!("rules:\n  - {{name: r{round}-{name}, action: {{type: deny}}}}\n"))
        };
        std::thread::scope(|scope| {
            let publishers: Vec<_> = (0..4).map(|name| scope.spawn(move || publish(name))).collect();
            publishers.into_iter().for_each(|publisher| _ = publisher.join().unwrap().unwrap());
        });
        let published = definitions::read(&bench.kafka, &bench.names)
            .unwrap()
            .compile(&acteon_core::Secrets::default())
            .unwrap()
            .unwrap();
        let [rule] = published.rules.rules() else { panic!("one publisher's rules stay") };
        assert!(rule.name.starts_with(&format!("r{round}-")), "{}", rule.name);
    }
}

#[test]
fn a_broker_that_does_not_say_whether_it_committed_is_asked_for_what_there_is() {
    let (broker, bootstrap) = embedded();
    let bench = Bench::new(&bootstrap, "unsaid", 1, "rules: []");
    for (round, refusals) in [1, 3].into_iter().enumerate() {
        broker.faults().fail_end_txn(refusals);
        bench.publish(&format!("rules:\n  - {{name: r{round}, action: {{type: deny}}}}\n")).unwrap();
        let table = definitions::read(&bench.kafka, &bench.names).unwrap();
        let published = table.compile(&acteon_core::Secrets::default()).unwrap().unwrap();
        assert_eq!(published.rules.rules()[0].name, format!("r{round}"));
    }
}
