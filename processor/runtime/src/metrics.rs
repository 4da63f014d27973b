//! What a processor counts. Names are those of the original where it has them.

use crate::clock::Clock;
use crate::commit::Transaction;
use crate::outbox::CircuitCounts;
use acteon_core::Stepped;
use acteon_schemas::Outcome;
use metrics::{Counter, Histogram, counter, describe_counter, describe_gauge, describe_histogram, histogram};
use std::time::Duration;

/// One step in so many is timed: reading the clock twice costs as much as a rule.
const TIMED_STEPS: u32 = 64;

/// Registers the help texts of all metrics of this crate.
pub fn describe() {
    for outcome in Outcome::ALL {
        describe_counter!(action_counter(outcome), format!("Actions with outcome {}", outcome.as_str()));
    }
    describe_counter!("acteon_circuit_open_total", "Actions that were not dispatched since the circuits were open");
    describe_counter!("acteon_circuit_transitions_total", "Circuits that opened or closed");
    describe_counter!("acteon_circuit_fallbacks_total", "Dispatches to a fallback since a circuit was open");
    describe_gauge!("acteon_circuit_state", "How a provider's circuit stands: 0 closed, 1 half open, 2 open");
    describe_counter!("acteon_results_repeated_total", "Results dropped because their dispatch had one already");
    describe_counter!("acteon_commands_total", "Commands carried out");
    describe_counter!("acteon_actions_repartitioned_total", "Actions sent on to their tenant's partition");
    describe_counter!("acteon_dead_letters_total", "Inputs put into the dead-letter topic by the processor");
    describe_counter!("acteon_timers_fired_total", "Timers that fired");
    describe_counter!("acteon_timers_stale_total", "Timers whose entry had gone or moved when they came due");
    describe_counter!("acteon_processor_recoveries_total", "Transactions dropped and tasks restored");
    describe_histogram!("acteon_timers_lag_seconds", "Time from when a timer was due to its firing");
    describe_histogram!("acteon_processor_step_seconds", "Time of a decision, sampled");
    describe_histogram!("acteon_processor_commit_seconds", "Time of a commit");
    describe_histogram!("acteon_processor_commit_records", "Inputs in a transaction");
    describe_histogram!("acteon_processor_commit_bytes", "Bytes written by a transaction, state included");
    describe_gauge!("acteon_processor_lag", "Records of a topic not yet processed, by topic and partition");
    describe_gauge!("acteon_processor_restored_records", "Changelog records read since assignment, by partition");
    describe_gauge!("acteon_processor_restoring_tasks", "Tasks that are being restored");
    describe_gauge!("acteon_processor_store_bytes", "Size of a task's store, by partition");
}

fn action_counter(outcome: Outcome) -> String {
    format!("acteon_actions_{}_total", outcome.as_str())
}

/// Counts of transactions, made public when they have been committed: what is counted has happened.
pub(crate) struct Tally {
    open: Counts,
    /// Of the transaction that is being committed.
    sealed: Counts,
    counters: Vec<Counter>,
    steps: u32,
    step_seconds: Histogram,
    commit_seconds: Histogram,
    commit_records: Histogram,
    commit_bytes: Histogram,
    timers_lag_seconds: Histogram,
}

/// Counts of a transaction.
struct Counts {
    /// Of outcomes, and of [`OTHERS`].
    steps: [u64; Outcome::ALL.len() + OTHERS.len()],
    /// By how much each timer was late, in milliseconds.
    lags: Vec<i64>,
}

impl Default for Counts {
    fn default() -> Self {
        Self { steps: [0; Outcome::ALL.len() + OTHERS.len()], lags: Vec::new() }
    }
}

impl Counts {
    fn clear(&mut self) {
        self.steps.fill(0);
        self.lags.clear();
    }
}

/// Counters beside those of outcomes, in the order of [`other_index`].
const OTHERS: [&str; 9] = [
    "acteon_results_repeated_total",
    "acteon_commands_total",
    "acteon_actions_repartitioned_total",
    "acteon_dead_letters_total",
    "acteon_timers_fired_total",
    "acteon_timers_stale_total",
    "acteon_circuit_open_total",
    "acteon_circuit_transitions_total",
    "acteon_circuit_fallbacks_total",
];

impl Default for Tally {
    fn default() -> Self {
        let names = Outcome::ALL.into_iter().map(action_counter).chain(OTHERS.map(str::to_owned));
        Self {
            open: Counts::default(),
            sealed: Counts::default(),
            counters: names.map(|name| counter!(name)).collect(),
            steps: 0,
            step_seconds: histogram!("acteon_processor_step_seconds"),
            commit_seconds: histogram!("acteon_processor_commit_seconds"),
            commit_records: histogram!("acteon_processor_commit_records"),
            commit_bytes: histogram!("acteon_processor_commit_bytes"),
            timers_lag_seconds: histogram!("acteon_timers_lag_seconds"),
        }
    }
}

/// Place of the first counter about circuits.
const CIRCUITS: usize = Outcome::ALL.len() + 6;

/// The counter of a step; `None` where it counts under none.
fn index(stepped: Stepped) -> Option<usize> {
    let others = Outcome::ALL.len();
    Some(match stepped {
        // `ALL` is in the order of the variants.
        Stepped::Decided(outcome) | Stepped::Completed(outcome) | Stepped::Fired(Some(outcome)) => outcome as usize,
        Stepped::Repeated => others,
        Stepped::Commanded => others + 1,
        Stepped::Repartitioned => others + 2,
        Stepped::DeadLettered => others + 3,
        Stepped::Fired(None) => others + 4,
        Stepped::Stale => others + 5,
        // Counted as a dispatch to a fallback.
        Stepped::PassedOn => return None,
    })
}

impl Tally {
    pub(crate) fn count(&mut self, stepped: Stepped) {
        if let Some(index) = index(stepped) {
            self.open.steps[index] += 1;
        }
        if let Stepped::Decided(Outcome::CircuitOpen)
        | Stepped::Completed(Outcome::CircuitOpen)
        | Stepped::Fired(Some(Outcome::CircuitOpen)) = stepped
        {
            self.open.steps[CIRCUITS] += 1;
        }
        // An action that a timer released has become something, too.
        if let Stepped::Fired(Some(outcome)) = stepped {
            self.open.steps[outcome as usize] += 1;
        }
    }

    pub(crate) fn count_circuits(&mut self, counts: CircuitCounts) {
        self.open.steps[CIRCUITS + 1] += counts.transitions;
        self.open.steps[CIRCUITS + 2] += counts.fallbacks;
    }

    /// Counts a timer that was late by so many milliseconds.
    pub(crate) fn count_lag(&mut self, lag_ms: i64) {
        self.open.lags.push(lag_ms);
    }

    pub(crate) fn clear(&mut self) {
        self.open.clear();
        self.sealed.clear();
    }

    /// The open transaction is being committed.
    pub(crate) fn seal(&mut self) {
        std::mem::swap(&mut self.open, &mut self.sealed);
    }

    /// Begins to time a step, where it is one of those that are.
    pub(crate) fn start_step(&mut self, clock: &impl Clock) -> Option<Duration> {
        self.steps = self.steps.wrapping_add(1);
        self.steps.is_multiple_of(TIMED_STEPS).then(|| clock.monotonic())
    }

    pub(crate) fn end_step(&self, began: Option<Duration>, clock: &impl Clock) {
        if let Some(began) = began {
            self.step_seconds.record(clock.monotonic().saturating_sub(began).as_secs_f64());
        }
    }

    /// Makes the counts of the sealed transaction public.
    #[allow(clippy::cast_precision_loss)]
    pub(crate) fn committed(&mut self, transaction: Transaction, took: Duration) {
        for (counter, count) in self.counters.iter().zip(&self.sealed.steps) {
            if *count > 0 {
                counter.increment(*count);
            }
        }
        for lag_ms in &self.sealed.lags {
            self.timers_lag_seconds.record(*lag_ms as f64 / 1e3);
        }
        self.sealed.clear();
        self.commit_seconds.record(took.as_secs_f64());
        self.commit_records.record(transaction.records as f64);
        self.commit_bytes.record(transaction.bytes as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_counted_under_their_own_names() {
        for (place, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(index(Stepped::Decided(outcome)), Some(place));
            assert!(action_counter(outcome).contains(outcome.as_str()));
        }
        assert_eq!(OTHERS[CIRCUITS - Outcome::ALL.len()], "acteon_circuit_open_total");
    }
}
