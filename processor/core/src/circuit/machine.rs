//! What a circuit makes of what happens to it: a pure function.

use acteon_schemas::{CircuitDefinition, CircuitState};

/// What happens to a circuit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event<'e> {
    /// A call failed, for a reason that counts.
    Failed {
        /// The epoch that it tried, where it was a probe.
        probe: Option<u64>,
        code: &'e str,
    },
    /// A call succeeded.
    Succeeded {
        /// As for a failed one.
        probe: Option<u64>,
    },
    /// An operator opens it, until a time (in milliseconds since 1970) or until it is reset.
    Tripped { until: Option<i64>, reason: &'e str },
    /// An operator closes it.
    Reset,
}

/// A closed circuit that has counted nothing.
pub(super) fn fresh(provider: &str) -> CircuitState {
    CircuitState {
        provider: provider.to_owned(),
        epoch: 0,
        failures: 0,
        successes: 0,
        opened_at: None,
        probe_at: None,
        reason: None,
        changed_at: 0,
    }
}

/// The circuit after an event; `None` where that changes nothing.
///
/// While it is open, only the call that tries it counts: each epoch lets one through, so that the next epoch begins with
/// what that call came to. All others were begun before, and tell nothing new.
pub(super) fn fold(
    state: &CircuitState,
    definition: &CircuitDefinition,
    now: i64,
    event: Event<'_>,
) -> Option<CircuitState> {
    let is_open = state.opened_at.is_some();
    let tries = |probe: Option<u64>| is_open && probe == Some(state.epoch);
    let next = CircuitState { changed_at: now, ..state.clone() };
    match event {
        Event::Tripped { until, reason } => Some(open(next, now, until, reason)),
        Event::Reset => (is_open || state.failures > 0).then(|| close(next)),
        Event::Failed { probe, code } if tries(probe) => {
            let failures = state.failures.saturating_add(1);
            Some(open(CircuitState { failures, ..next }, now, Some(recovery(definition, now)), code))
        }
        Event::Succeeded { probe } if tries(probe) => {
            let successes = state.successes.saturating_add(1);
            Some(if successes >= definition.success_threshold {
                close(next)
            } else {
                CircuitState { epoch: state.epoch + 1, successes, ..next }
            })
        }
        // Of a call that was begun in an earlier epoch, or beside the one that tries this one.
        Event::Failed { .. } | Event::Succeeded { .. } if is_open => None,
        Event::Failed { probe: Some(_), .. } | Event::Succeeded { probe: Some(_) } => None,
        Event::Failed { probe: None, code } => {
            let next = CircuitState { failures: state.failures.saturating_add(1), ..next };
            Some(if next.failures >= definition.failure_threshold {
                open(next, now, Some(recovery(definition, now)), code)
            } else {
                next
            })
        }
        Event::Succeeded { probe: None } => (state.failures > 0).then_some(CircuitState { failures: 0, ..next }),
    }
}

fn recovery(definition: &CircuitDefinition, now: i64) -> i64 {
    now.saturating_add_unsigned(definition.recovery_timeout_ms)
}

fn open(state: CircuitState, now: i64, probe_at: Option<i64>, reason: &str) -> CircuitState {
    CircuitState {
        epoch: state.epoch + 1,
        successes: 0,
        opened_at: Some(now),
        probe_at,
        reason: Some(reason.to_owned()),
        ..state
    }
}

fn close(state: CircuitState) -> CircuitState {
    CircuitState {
        epoch: state.epoch + 1,
        failures: 0,
        successes: 0,
        opened_at: None,
        probe_at: None,
        reason: None,
        ..state
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn definition(failures: u32, successes: u32) -> CircuitDefinition {
        CircuitDefinition {
            failure_threshold: failures,
            success_threshold: successes,
            recovery_timeout_ms: 100,
            fallback_provider: None,
        }
    }

    const FAILED: Event<'_> = Event::Failed { probe: None, code: "TIMEOUT" };
    const SUCCEEDED: Event<'_> = Event::Succeeded { probe: None };

    const fn failed(epoch: u64) -> Event<'static> {
        Event::Failed { probe: Some(epoch), code: "CONNECTION" }
    }

    const fn succeeded(epoch: u64) -> Event<'static> {
        Event::Succeeded { probe: Some(epoch) }
    }

    /// A circuit in short: epoch, failures, successes, when it is tried, why it is open.
    fn short(state: &CircuitState) -> String {
        let probe = match (state.opened_at, state.probe_at) {
            (None, _) => "closed".to_owned(),
            (Some(_), None) => "open".to_owned(),
            (Some(_), Some(at)) => format!("open to {at}"),
        };
        let reason = state.reason.as_deref().map(|reason| format!(" {reason}")).unwrap_or_default();
        format!("#{} {}/{} {probe}{reason}", state.epoch, state.failures, state.successes)
    }

    const TRIPPED: Event<'_> = Event::Tripped { until: None, reason: "deploy" };
    const FOR_A_WHILE: Event<'_> = Event::Tripped { until: Some(70), reason: "deploy" };

    /// Failures and successes that it takes; what happens when; what it comes to, `=` where nothing changes.
    type Story = (u32, u32, &'static [(i64, Event<'static>, &'static str)]);

    const STORIES: [Story; 11] = [
        (2, 1, &[(1, FAILED, "#0 1/0 closed"), (2, FAILED, "#1 2/0 open to 102 TIMEOUT")]),
        (1, 1, &[(1, FAILED, "#1 1/0 open to 101 TIMEOUT"), (102, succeeded(1), "#2 0/0 closed")]),
        // A success between them makes the failures count from the start.
        (2, 1, &[(1, FAILED, "#0 1/0 closed"), (2, SUCCEEDED, "#0 0/0 closed"), (3, FAILED, "#0 1/0 closed")]),
        (2, 1, &[(1, SUCCEEDED, "="), (2, Event::Reset, "=")]),
        // Calls that were under way when it opened change nothing.
        (1, 1, &[(1, FAILED, "#1 1/0 open to 101 TIMEOUT"), (2, FAILED, "="), (3, SUCCEEDED, "=")]),
        // A failed probe opens it again, with an epoch of its own; those of the earlier one come too late.
        (
            1,
            1,
            &[
                (1, FAILED, "#1 1/0 open to 101 TIMEOUT"),
                (150, failed(1), "#2 2/0 open to 250 CONNECTION"),
                (151, succeeded(1), "="),
                (152, failed(1), "="),
                (251, succeeded(2), "#3 0/0 closed"),
                (252, failed(2), "="),
                (253, succeeded(2), "="),
            ],
        ),
        // Several successes, one after the other.
        (
            1,
            3,
            &[
                (1, FAILED, "#1 1/0 open to 101 TIMEOUT"),
                (102, succeeded(1), "#2 1/1 open to 101 TIMEOUT"),
                (103, succeeded(1), "="),
                (104, SUCCEEDED, "="),
                (105, succeeded(2), "#3 1/2 open to 101 TIMEOUT"),
                (106, failed(3), "#4 2/0 open to 206 CONNECTION"),
            ],
        ),
        // An operator's word: until further notice, for a while, and not any more.
        (
            2,
            1,
            &[
                (5, TRIPPED, "#1 0/0 open deploy"),
                (6, FAILED, "="),
                (7, Event::Reset, "#2 0/0 closed"),
                (8, FOR_A_WHILE, "#3 0/0 open to 70 deploy"),
                (71, succeeded(3), "#4 0/0 closed"),
            ],
        ),
        // Tripped again while it is open, even by its own failures.
        (
            1,
            1,
            &[(1, FAILED, "#1 1/0 open to 101 TIMEOUT"), (2, TRIPPED, "#2 1/0 open deploy"), (3, succeeded(1), "=")],
        ),
        (3, 1, &[(1, FAILED, "#0 1/0 closed"), (2, Event::Reset, "#1 0/0 closed")]),
        // A probe's result without a circuit that is tried.
        (2, 1, &[(1, failed(0), "="), (2, succeeded(0), "=")]),
    ];

    #[test]
    fn circuits_open_close_and_open_again() {
        for (failures, successes, story) in STORIES {
            let definition = definition(failures, successes);
            let mut state = fresh("p");
            for (now, event, expected) in story {
                match fold(&state, &definition, *now, *event) {
                    None => assert_eq!(*expected, "=", "{story:?} at {now}"),
                    Some(next) => {
                        assert_eq!(short(&next), *expected, "{story:?} at {now}");
                        assert_eq!(next.changed_at, *now);
                        state = next;
                    }
                }
            }
        }
    }

    #[test]
    fn numbers_at_their_limits_stay_there() {
        let full = CircuitState { failures: u32::MAX, ..fresh("p") };
        let endless = CircuitDefinition { recovery_timeout_ms: u64::MAX, ..definition(u32::MAX, 1) };
        let next = fold(&full, &endless, 1, FAILED).unwrap();
        assert_eq!((next.failures, next.probe_at), (u32::MAX, Some(i64::MAX)));
    }
}
