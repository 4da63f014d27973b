use crate::view::audit::testing::{Fixture, done, record, sent};
use crate::view::audit::{AuditFilter, AuditStore as _, Tally, TallyBy, TallyKey, TallyQuery};
use serde_json::json;

const HOUR: i64 = 3_600_000;

fn label(start: i64, label: &str, count: u64) -> Tally {
    Tally { start, key: TallyKey::Label(label.to_owned()), count }
}

#[tokio::test]
async fn actions_are_counted_by_time_and_kind() {
    let fixture = Fixture::new();
    fixture
        .write(
            0,
            &[
                record("a", 0, json!({})),
                record("b", HOUR - 1, json!({"outcome": "throttled"})),
                record("c", HOUR, json!({"action_type": "y"})),
                record("step", HOUR, json!({"phase": "progress", "outcome": "chain_completed"})),
                sent("d", 2 * HOUR),
                sent("e", 2 * HOUR),
                done("e", 2 * HOUR, 30, json!({})),
                sent("f", 2 * HOUR + 1),
                done("f", 2 * HOUR + 1, 30, json!({"outcome": "failed"})),
                sent("g", 3 * HOUR),
                done("g", 3 * HOUR, 7, json!({"tenant": "t"})),
            ],
        )
        .await;
    let duration = |start, ms, count| Tally { start, key: TallyKey::Duration(ms), count };
    let all = AuditFilter::default();
    let first_hours = AuditFilter { to: Some(2 * HOUR), ..AuditFilter::default() };
    let cases = [
        (
            all.clone(),
            (HOUR, 0, TallyBy::Outcome),
            vec![
                label(0, "suppressed", 1),
                label(0, "throttled", 1),
                label(HOUR, "suppressed", 1),
                label(2 * HOUR, "dispatched", 1),
                label(2 * HOUR, "executed", 1),
                label(2 * HOUR, "failed", 1),
                label(3 * HOUR, "executed", 1),
            ],
        ),
        (all.clone(), (24 * HOUR, 0, TallyBy::ActionType), vec![label(0, "x", 6), label(0, "y", 1)]),
        (all, (HOUR, 0, TallyBy::Duration), vec![duration(2 * HOUR, 30, 2), duration(3 * HOUR, 7, 1)]),
        (
            first_hours,
            (2 * HOUR, -HOUR, TallyBy::ActionType),
            vec![label(-HOUR, "x", 2), label(HOUR, "x", 2), label(HOUR, "y", 1)],
        ),
        (
            AuditFilter { tenant: Some("nobody".to_owned()), ..AuditFilter::default() },
            (HOUR, 0, TallyBy::Outcome),
            Vec::new(),
        ),
    ];
    for (filter, (width_ms, origin_ms, by), expected) in cases {
        let query = TallyQuery { filter, width_ms, origin_ms, by };
        assert_eq!(fixture.store().tally(query.clone()).await.unwrap(), expected, "{query:?}");
    }
}
