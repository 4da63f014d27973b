//! What a throttle delays leaves in the order in which it came and at the rule's rate, and none of it is refused while the
//! queue has room.

use super::Faults;
use super::evidence::{Evidence, coordinates};
use serde_json::Value;
use std::collections::BTreeMap;

/// The rule that delays, and what it asks for.
const RULE: &str = "pace";
const MAX_COUNT: usize = 2;
const WINDOW_SECONDS: u64 = 4;
const MAX_QUEUE: usize = 4;
/// How long a queue is remembered, in milliseconds: what waits for longer, since nothing ran, leaves all at once.
const REMEMBERED_MS: i64 = 24 * 3600 * 1000;

/// What went through the queue of one tenant so far.
#[derive(Debug, Default)]
struct Queue {
    /// Of those that wait: their places, and since when.
    waiting: BTreeMap<(String, String), (usize, i64)>,
    /// Places given so far.
    given: usize,
    /// The place behind the last one that has left.
    left: usize,
    /// When those went that it let pass, at once or in their turn.
    passed: Vec<i64>,
}

pub(super) fn check(evidence: &Evidence, faults: &mut Faults) {
    let window_ms = evidence.pace.milliseconds(WINDOW_SECONDS);
    let mut queues: BTreeMap<&str, Queue> = BTreeMap::new();
    for audit in evidence.audits.iter().filter(|audit| audit["phase"] == "decided") {
        let queue = queues.entry(audit["tenant"].as_str().unwrap_or_default()).or_default();
        if let Err(what) = queue.follow(audit) {
            faults.add(what, format!("{audit}, {queue:?}"));
        }
    }
    for (tenant, queue) in queues {
        let too_fast = |times: &&[i64]| times[MAX_COUNT] - times[0] < window_ms;
        if let Some(times) = queue.passed.windows(MAX_COUNT + 1).find(too_fast) {
            faults.add("faster than its throttle allows", format!("{tenant}: {times:?}"));
        }
    }
}

impl Queue {
    /// Follows a decision.
    fn follow(&mut self, audit: &Value) -> Result<(), &'static str> {
        let name = (coordinates(&audit["source"]), audit["action_id"].as_str().unwrap_or_default().to_owned());
        let at = audit["dispatched_at"].as_i64().unwrap_or_default();
        let (is_its, outcome) = (audit["matched_rule"] == RULE, audit["outcome"].as_str().unwrap_or_default());
        let place = self.waiting.remove(&name);
        match (place, outcome) {
            (Some(_), "cancelled") => {}
            (Some((place, since)), _) => return self.leave(place, at - since < REMEMBERED_MS, audit),
            (None, _) if audit["released_by"] == "throttle" => return Err("let go by a throttle that did not hold it"),
            (None, "scheduled") if is_its => {
                self.waiting.insert(name, (self.given, at));
                self.given += 1;
            }
            // Those called off may keep their places until the next one leaves.
            (None, "throttled") if is_its && self.given - self.left < MAX_QUEUE => {
                return Err("refused by a queue that has room");
            }
            (None, "dispatched") if is_admitted(audit) => {
                self.passed.push(at);
                if self.waiting.values().any(|(_, since)| at - since < REMEMBERED_MS) {
                    return Err("overtook a queue");
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn leave(&mut self, place: usize, is_in_turn: bool, audit: &Value) -> Result<(), &'static str> {
        if is_in_turn {
            self.passed.push(audit["dispatched_at"].as_i64().unwrap_or_default());
        }
        let is_next = self.waiting.values().all(|(other, _)| *other > place);
        self.left = self.left.max(place + 1);
        if audit["released_by"] != "throttle" {
            return Err("left its queue by another way");
        }
        if is_next { Ok(()) } else { Err("left its queue out of order") }
    }
}

fn is_admitted(audit: &Value) -> bool {
    audit["admitted_by"].as_array().is_some_and(|rules| rules.iter().any(|rule| rule == RULE))
}
