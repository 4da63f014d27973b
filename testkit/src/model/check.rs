//! Compares what a run left behind with the model.

use super::decide::{State, Tenant};
use super::evidence::{
    ActionBody, Answer, Audited, CommandBody, Evidence, Input, Inputs, Order, Place, Sent, Told, Topic,
};
use super::{SEEN_TTL_MS, state};
use acteon_schemas::{partition_of, tenant_key};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

/// Most violations kept.
const MAX_VIOLATIONS: usize = 50;

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// What is violated, in constant words.
    pub what: &'static str,
    /// Where, and what was found.
    pub detail: String,
}

impl Violation {
    pub(crate) fn new(what: &'static str, detail: String) -> Self {
        Self { what, detail }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.detail)
    }
}

/// What was checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Decisions by their outcome.
    pub decisions: BTreeMap<String, usize>,
    /// Commands that were answered.
    pub commands: usize,
    /// Last outcomes that tell of results.
    pub completions: usize,
    /// Dead letters.
    pub dead_letters: usize,
    /// Actions that were sent on to their tenant's partition.
    pub rekeyed: usize,
    /// Entries of state compared.
    pub state_entries: usize,
}

/// What each tenant's state has come to.
type States = BTreeMap<Tenant, State>;
/// When each dispatch's result came in, by tenant.
type Seen = BTreeMap<Tenant, BTreeMap<String, i64>>;

struct Checker<'e> {
    evidence: &'e Evidence,
    report: Report,
    violations: Vec<Violation>,
    /// Dispatches by the action they came from.
    sent: HashMap<Place, &'e Sent>,
}

/// Compares a run's records with the model.
///
/// # Errors
/// Everything that does not fit, at most 50 of it.
pub fn check(evidence: &Evidence) -> Result<Report, Vec<Violation>> {
    let mut checker =
        Checker { evidence, report: Report::default(), violations: evidence.malformed.clone(), sent: HashMap::new() };
    checker.rekeyed();
    checker.dispatches();
    for partition in 0..evidence.partitions {
        checker.partition(partition);
    }
    checker.decided_once();
    checker.audit();
    checker.dead_letters();
    let Checker { report, mut violations, .. } = checker;
    violations.truncate(MAX_VIOLATIONS);
    if violations.is_empty() { Ok(report) } else { Err(violations) }
}

impl<'e> Checker<'e> {
    fn violation(&mut self, what: &'static str, detail: impl Into<String>) {
        if self.violations.len() < MAX_VIOLATIONS {
            self.violations.push(Violation::new(what, detail.into()));
        }
    }

    fn home(&self, action: &ActionBody) -> i32 {
        partition_of(tenant_key(&action.namespace, &action.tenant).as_bytes(), self.evidence.partitions)
    }

    fn action_at(&self, place: Place) -> Option<&'e Input<ActionBody>> {
        self.evidence.actions.get(&place.1)?.get(&place.2)
    }

    /// Each action in another partition than its tenant's was sent on once, as it was, to that one.
    fn rekeyed(&mut self) {
        let mut seen = HashSet::new();
        for (partition, offset, (origin, action)) in each(&self.evidence.rekeyed) {
            let place = format!("acteon.repartition/{partition}/{offset} from {origin:?}");
            if !seen.insert(*origin) {
                self.violation("re-keyed twice", &place);
            }
            if self.action_at(*origin) != Some(action) {
                self.violation("re-keyed record is not its origin", &place);
            }
            let right = matches!(action, Input::Good(body) if self.home(body) == partition && origin.1 != partition);
            if !right {
                self.violation("re-keyed to a wrong partition", &place);
            }
        }
        for (partition, offset, action) in each(&self.evidence.actions) {
            let foreign = matches!(action, Input::Good(body) if self.home(body) != partition);
            if foreign && !seen.contains(&(Topic::Actions, partition, offset)) {
                self.violation("not re-keyed", format!("actions/{partition}/{offset}"));
            }
        }
        self.report.rekeyed = seen.len();
    }

    fn dispatches(&mut self) {
        let mut ids = HashSet::new();
        for sent in &self.evidence.sent {
            if !ids.insert(&sent.id) || self.sent.insert(sent.source, sent).is_some() {
                self.violation("dispatched twice", format!("{sent:?}"));
            }
        }
    }

    fn partition(&mut self, partition: i32) {
        let evidence = self.evidence;
        let told = evidence.told.get(&partition).map_or(&[][..], Vec::as_slice);
        for pair in told.windows(2) {
            if pair[1].decided_at < pair[0].decided_at {
                self.violation("time went backwards", format!("partition {partition}: {pair:?}"));
            }
        }
        self.order(partition, told);
        let seen = self.completions(partition, told);
        if let Some(states) = self.decisions(partition, told) {
            self.state(partition, told, states, &seen);
        }
    }

    /// Decisions follow the order of each topic that they were made about.
    fn order(&mut self, partition: i32, told: &[Told]) {
        let moved: HashMap<Place, i64> = self
            .evidence
            .rekeyed
            .get(&partition)
            .into_iter()
            .flatten()
            .map(|(offset, (origin, _))| (*origin, *offset))
            .collect();
        let mut last = [-1, -1, -1];
        for told in told.iter().filter(|told| !told.completes) {
            let (topic, offset) = match moved.get(&told.source) {
                Some(offset) => (1, *offset),
                None => (if told.is_answer() { 2 } else { 0 }, told.source.2),
            };
            if topic != 1 && told.source.1 != partition {
                self.violation("decided in another partition", format!("{told:?}"));
            }
            if offset <= last[topic] {
                self.violation("decided twice or out of order", format!("partition {partition}: {told:?}"));
            }
            last[topic] = last[topic].max(offset);
        }
    }

    /// Follows the decisions and commands of a partition; returns the state that each tenant comes to.
    fn decisions(&mut self, partition: i32, told: &[Told]) -> Option<States> {
        let mut states = States::new();
        for told in told.iter().filter(|told| !told.completes) {
            if told.is_answer() {
                self.perform(told, &mut states);
                continue;
            }
            let Some(Input::Good(action)) = self.action_at(told.source) else {
                self.violation("decision about no action", format!("{told:?}"));
                continue;
            };
            if action.id.as_ref().is_some_and(|id| *id != told.action_id) {
                self.violation("decision names another action", format!("{told:?}"));
            }
            *self.report.decisions.entry(told.outcome.clone()).or_default() += 1;
            let state = states.entry((action.namespace.clone(), action.tenant.clone())).or_default();
            let model = state.decide(action, &told.action_id, told.decided_at);
            let same = model.outcome == told.outcome
                && model.rule == told.rule.as_deref()
                && model.provider == told.provider
                && model.retry_after_ms == told.retry_after_ms;
            if !same {
                let found = format!("partition {partition}: {told:?}\n  action {action:?}\n  the model says {model:?}");
                self.violation("decision differs from the model", found);
                return None;
            }
            self.sent_as_told(told);
        }
        Some(states)
    }

    fn command_at(&self, place: Place) -> Option<&'e CommandBody> {
        match self.evidence.orders.get(&place.1)?.get(&place.2)? {
            Input::Good(command) if place.0 == Topic::Commands => Some(command),
            _ => None,
        }
    }

    /// Carries out a command where it was answered.
    fn perform(&mut self, told: &Told, states: &mut States) {
        let fits = |command: &&CommandBody| command.id == told.action_id && told.outcome == "command_done";
        let Some(command) = self.command_at(told.source).filter(fits) else {
            self.violation("answer to no such command", format!("{told:?}"));
            return;
        };
        states.entry(command.tenant.clone()).or_default().perform(&command.order);
        self.report.commands += 1;
    }

    /// An admitted action has its dispatch, any other has none.
    fn sent_as_told(&mut self, told: &Told) {
        let sent = self.sent.get(&told.source);
        let fits = match (&told.dispatch_id, sent) {
            (None, None) => told.outcome != "dispatched",
            (Some(id), Some(sent)) => told.outcome == "dispatched" && sent.id == *id && sent.provider == told.provider,
            _ => false,
        };
        if !fits {
            let detail = format!("{told:?}, {sent:?}");
            self.violation("dispatch and outcome don't fit", detail);
        }
    }

    /// Each result sent became one last outcome; returns when each was told.
    fn completions(&mut self, partition: i32, told: &[Told]) -> Seen {
        let mut answers: HashMap<&str, Vec<&Answer>> = HashMap::new();
        for answer in self.evidence.answers.get(&partition).into_iter().flat_map(BTreeMap::values) {
            if let Input::Good(answer) = answer {
                answers.entry(&answer.dispatch_id).or_default().push(answer);
            }
        }
        let mut seen = Seen::new();
        let mut completed: HashMap<&str, (usize, i64)> = HashMap::new();
        for told in told.iter().filter(|told| told.completes) {
            let sent = self.sent.get(&told.source).copied();
            let Some((sent, answers)) = sent.and_then(|sent| Some((sent, answers.get(sent.id.as_str())?))) else {
                self.violation("completion without a result", format!("{told:?}"));
                continue;
            };
            let known = completed.insert(&sent.id, (0, told.decided_at));
            // A result that is sent again after the first was forgotten counts as a new one.
            let again = known.is_some_and(|(_, at)| told.decided_at < at + SEEN_TTL_MS);
            if again || sent.task != partition {
                self.violation("completed twice or elsewhere", format!("partition {partition}: {told:?}"));
            }
            let delivered = answers.iter().any(|answer| answer.delivered == (told.outcome != "failed"));
            if !delivered {
                self.violation("completion differs from its result", format!("{told:?}"));
            }
            if let Some(Input::Good(action)) = self.action_at(told.source) {
                let tenant = (action.namespace.clone(), action.tenant.clone());
                seen.entry(tenant).or_default().insert(sent.id.clone(), told.decided_at);
            }
            self.report.completions += 1;
        }
        for id in answers.keys().filter(|id| !completed.contains_key(*id)) {
            self.violation("result without a completion", format!("partition {partition}: {id}"));
        }
        seen
    }

    /// The state in the changelogs is one that the model can have come to.
    fn state(&mut self, partition: i32, told: &[Told], mut all: States, seen: &Seen) {
        let empty = BTreeMap::new();
        let logged = self.evidence.state.get(&partition).unwrap_or(&empty);
        let (clock, last) = (state::clock(logged).unwrap_or(0), told.last().map_or(0, |told| told.decided_at));
        // A time that no state is left from may be forgotten with it.
        if clock < last && last + SEEN_TTL_MS > self.evidence.now {
            self.violation("clock behind the last decision", format!("partition {partition}: {clock} < {last}"));
        }
        let now = self.evidence.now.max(clock);
        let mut found = state::of_changelog(logged, now);
        for tenant in found.keys() {
            all.entry(tenant.clone()).or_default();
        }
        for (tenant, state) in all {
            let found = found.remove(&tenant).unwrap_or_default();
            self.report.state_entries += found.len();
            let wanted = state::of_model(&state, seen.get(&tenant), now);
            let missing: Vec<_> = wanted.iter().filter(|entry| found.get(entry.0) != Some(entry.1)).collect();
            let extra: Vec<_> = found.iter().filter(|entry| wanted.get(entry.0) != Some(entry.1)).collect();
            if !missing.is_empty() || !extra.is_empty() {
                let detail = format!("partition {partition}, {tenant:?}: missing {missing:?}, extra {extra:?}");
                self.violation("state differs from the model", detail);
            }
        }
    }

    /// Each good action was decided, and each good command answered. That none was decided twice follows from the order of each partition, and from
    /// each having one partition.
    fn decided_once(&mut self) {
        let decided: HashSet<Place> =
            self.evidence.told.values().flatten().filter(|told| !told.completes).map(|told| told.source).collect();
        for (partition, offset, action) in each(&self.evidence.actions) {
            if matches!(action, Input::Good(_)) && !decided.contains(&(Topic::Actions, partition, offset)) {
                self.violation("not decided", format!("actions/{partition}/{offset}"));
            }
        }
        for (partition, offset, command) in each(&self.evidence.orders) {
            if matches!(command, Input::Good(_)) && !decided.contains(&(Topic::Commands, partition, offset)) {
                self.violation("not answered", format!("commands/{partition}/{offset}"));
            }
        }
    }

    /// Audit records are the outcomes' own, one each; commands that only ask for something have none.
    fn audit(&mut self) {
        type Line<'l> = (Place, i32, bool, &'l str, Option<&'l str>);
        let mut counts: BTreeMap<Line<'e>, i64> = BTreeMap::new();
        for (partition, told) in &self.evidence.told {
            let is_look =
                |told: &Told| self.command_at(told.source).is_some_and(|command| command.order == Order::Look);
            for told in told.iter().filter(|told| !is_look(told)) {
                let line = (told.source, *partition, told.completes, told.outcome.as_str(), told.rule.as_deref());
                *counts.entry(line).or_default() += 1;
            }
        }
        for Audited { partition, source, completed, outcome, rule } in &self.evidence.audited {
            *counts.entry((*source, *partition, *completed, outcome, rule.as_deref())).or_default() -= 1;
        }
        for (line, count) in counts.into_iter().filter(|(_, count)| *count != 0) {
            let what = if count > 0 { "audit record missing" } else { "audit record too many" };
            self.violation(what, format!("{line:?}"));
        }
    }

    /// Each input that can't be read is in the dead-letter topic once, as it was; so is each dispatch that failed for good
    /// and came back with its result, and nothing else is.
    fn dead_letters(&mut self) {
        let evidence = self.evidence;
        let mut wanted: HashMap<Place, &Vec<u8>> = HashMap::new();
        wanted.extend(broken(Topic::Actions, &evidence.actions));
        wanted.extend(broken(Topic::Commands, &evidence.orders));
        wanted.extend(broken(Topic::Results, &evidence.answers));
        let mut given_up = self.given_up();
        for letter in &evidence.letters {
            let is_input = wanted.remove(&letter.source) == Some(&letter.value);
            self.report.dead_letters += usize::from(is_input);
            if !is_input && !given_up.remove(&letter.source).is_some_and(|id| letter.is_dispatch(id)) {
                self.violation("dead letter too many, or changed", format!("{letter:?}"));
            }
        }
        for place in wanted.keys().chain(given_up.keys()) {
            self.violation("not in the dead-letter topic", format!("{place:?}"));
        }
    }

    /// The dispatches that failed for good and came back, by their actions' places.
    fn given_up(&self) -> HashMap<Place, &'e str> {
        let answers = self.evidence.answers.values().flat_map(BTreeMap::values);
        let echoed: HashSet<&str> = answers
            .filter_map(|answer| match answer {
                Input::Good(answer) if answer.echoed => Some(answer.dispatch_id.as_str()),
                _ => None,
            })
            .collect();
        let failed = self.evidence.told.values().flatten().filter(|told| told.completes && told.outcome == "failed");
        let dispatches = failed.filter_map(|told| Some((told.source, self.sent.get(&told.source)?.id.as_str())));
        dispatches.filter(|(_, id)| echoed.contains(id)).collect()
    }
}

fn each<T>(inputs: &Inputs<T>) -> impl Iterator<Item = (i32, i64, &T)> {
    inputs.iter().flat_map(|(partition, records)| records.iter().map(|(offset, input)| (*partition, *offset, input)))
}

fn broken<T>(topic: Topic, inputs: &Inputs<Input<T>>) -> impl Iterator<Item = (Place, &Vec<u8>)> {
    each(inputs).filter_map(move |(partition, offset, input)| match input {
        Input::Broken(bytes) => Some(((topic, partition, offset), bytes)),
        Input::Good(_) => None,
    })
}
