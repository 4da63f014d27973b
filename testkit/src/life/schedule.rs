//! Held until a time: let go at that time or later, and gone from the state.

use super::Faults;
use super::course::courses;
use super::evidence::Evidence;
use super::time;

/// Tag of held actions in the state.
const SCHEDULED: u8 = 0x20;

pub(super) fn check(evidence: &Evidence, faults: &mut Faults) {
    for course in courses(evidence).values() {
        for pair in course.windows(2).filter(|pair| pair[0].outcome() == "scheduled") {
            let due = pair[0].detail("Scheduled", "scheduled_for").and_then(time::parse);
            let is_early = due.is_none_or(|due| pair[1].at() < due);
            if is_early && pair[1].outcome() != "cancelled" {
                faults.add("let go before its time", format!("{pair:?}"));
            }
        }
    }
    for ((partition, key), _) in evidence.stored(SCHEDULED) {
        faults.add("left in the state", format!("task {partition}: {}", String::from_utf8_lossy(key)));
    }
}
