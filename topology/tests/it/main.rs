//! The topology on real brokers, Apache Kafka and the embedded one: what is planned is applied, once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cases;

/// Every case as a test on each broker.
macro_rules! on_both_brokers {
    ($($case:ident),* $(,)?) => {
        mod kafka {
            use acteon_testkit::kafka::Kafka;

            $(#[test]
            fn $case() {
                crate::cases::$case(Kafka::shared().expect("Kafka starts").bootstrap());
            })*
        }

        mod embedded {
            use acteon_broker::{Broker, Config};

            $(#[test]
            fn $case() {
                let dir = tempfile::tempdir().expect("a directory");
                let broker = Broker::start(Config::new(dir.path())).expect("the embedded broker starts");
                crate::cases::$case(&broker.bootstrap());
            })*
        }
    };
}

on_both_brokers!(
    applying_twice_changes_nothing,
    conflicts_stop_everything,
    what_may_change_is_changed,
    a_new_provider_gets_its_topic,
    a_stale_plan_is_found_out,
    two_at_the_same_time_do_not_fail,
    a_producer_sends_where_the_partitioner_says,
);
