//! Whether a step has led to what was expected of it.

use crate::answers::{self, Answer};
use crate::engine::{Engine, EngineError};
use crate::expect::{DENIED, Expectation, STATE_LISTS, Wanted};
use crate::matching::{Mismatch, assign, closest, compare};
use crate::query::{self, Scope};
use crate::report::Failure;
use crate::run::Done;
use crate::scenario::{Act, Step};
use acteon_rules::Place;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Most failures that one expectation is shown with.
const MAX_SHOWN: usize = 5;

/// A failure, and the action of the step that it is about.
pub(crate) type Found = (Failure, Option<usize>);

/// What became of the actions that a step is about, each with its place in the `dispatch`.
struct Answers {
    of: Vec<(Option<usize>, Option<Answer>)>,
    /// Whether every one of them must be expected.
    complete: bool,
}

/// Everything that is not as expected.
pub(crate) fn check(
    engine: &mut Engine<'_>,
    scopes: &BTreeSet<Scope>,
    step: &Step,
    done: &Done,
) -> Result<Vec<Found>, EngineError> {
    if let Some(failure) = &done.failed {
        return Ok(vec![(failure.clone(), None)]);
    }
    let mut failures = unexpected(engine, step, done);
    if !failures.is_empty() {
        return Ok(failures);
    }
    let answers = Answers::of(engine, step, done);
    for expectation in &step.expect {
        match expectation.key {
            "outcome" | "rule" | "detail" => failures.extend(each(expectation, &answers)),
            "outcomes" => failures.extend(outcomes(expectation, &answers)),
            "refused" | "result" => failures.extend(command(engine, expectation, done)),
            "circuits" => failures.extend(circuits(engine, expectation)),
            "count" => failures.extend(counts(engine, scopes, expectation)?),
            key => failures.extend(lists(engine, scopes, key, expectation)?),
        }
    }
    Ok(failures)
}

/// What fails a step though no expectation is about it: a record that was refused as a whole, a refused command.
fn unexpected(engine: &Engine<'_>, step: &Step, done: &Done) -> Vec<Found> {
    let expects = |keys: &[&str]| step.expect.iter().any(|expectation| keys.contains(&expectation.key));
    let told = &engine.told;
    if let Some(offset) = done.command
        && !expects(&["refused"])
        && let Some(Err((code, message))) = answers::to_command(told, offset)
    {
        let failure = Failure::new(step.place, "command", "a command that is carried out", code);
        return vec![(failure.note(message), None)];
    }
    if expects(&["dead_letters"]) {
        return Vec::new();
    }
    let sent = |offset: i64| done.sent.contains(&offset) || done.command == Some(offset);
    let refused = told.refused.iter().filter(|(offset, _)| sent(*offset)).take(MAX_SHOWN);
    let failures = refused.map(|(_, reason)| {
        let failure = Failure::new(step.place, step.act.key(), "a record that is read", reason.code.as_str());
        let message = format!("{}; a dead letter that is meant is expected by `dead_letters`", reason.message);
        (failure.note(message), None)
    });
    failures.collect()
}

impl Answers {
    fn of(engine: &Engine<'_>, step: &Step, done: &Done) -> Self {
        if matches!(step.act, Act::Dispatch(_)) {
            let sent = done.sent.iter().enumerate();
            let of = sent.map(|(at, offset)| (Some(at), answers::to_sender(&engine.told, *offset)));
            return Self { of: of.collect(), complete: true };
        }
        let others = answers::others(&engine.told).into_iter();
        Self { of: others.map(|answer| (None, Some(answer))).collect(), complete: false }
    }
}

/// `outcome`, `rule` and `detail`: of each action.
fn each(expectation: &Expectation, answers: &Answers) -> Vec<Found> {
    let Expectation { key, place, wanted } = expectation;
    let fail = |at: Option<usize>, path: &str, wanted: Value, found: Value| {
        let path = match at {
            Some(at) if answers.of.len() > 1 => format!("expect.{path} of action {}", at + 1),
            _ => format!("expect.{path}"),
        };
        (Failure::new(*place, path, wanted, found), at)
    };
    if answers.of.is_empty() {
        let failure = Failure::new(*place, format!("expect.{key}"), shown(wanted), Value::Null);
        return vec![(failure.note("no action was released, and nothing ended, in this step"), None)];
    }
    let mut failures = Vec::new();
    for (at, answer) in &answers.of {
        match (wanted, answer) {
            (Wanted::Name(Some(name)), Some(answer)) if *key == "outcome" && answer.is(name) => {}
            (Wanted::Name(name), Some(answer)) if *key == "rule" && answer.rule == *name => {}
            (Wanted::Part(part), Some(answer)) => {
                for Mismatch { path, wanted, found } in compare(part, Some(&answer.detail)) {
                    failures.push(fail(*at, &join("detail", &path), wanted, found.unwrap_or_default()));
                }
            }
            (wanted, answer) => {
                let found = answer.as_ref().map(|answer| match *key {
                    "rule" => json!(answer.rule),
                    _ => json!(answer.name()),
                });
                failures.push(fail(*at, key, shown(wanted), found.unwrap_or_default()));
            }
        }
    }
    failures.truncate(MAX_SHOWN);
    failures
}

fn shown(wanted: &Wanted) -> Value {
    match wanted {
        Wanted::Name(name) => json!(name),
        Wanted::Part(value) => value.clone(),
        Wanted::Counts(counts) => {
            counts.iter().map(|(name, _, n)| (name.clone(), json!(n))).collect::<Map<_, _>>().into()
        }
        Wanted::List(items) => items.iter().map(|(_, value)| value.clone()).collect(),
    }
}

fn join(base: &str, path: &str) -> String {
    match path {
        "" => base.to_owned(),
        path if path.starts_with('[') => format!("{base}{path}"),
        path => format!("{base}.{path}"),
    }
}

/// `outcomes`: how many of each.
fn outcomes(expectation: &Expectation, answers: &Answers) -> Vec<Found> {
    let Wanted::Counts(wanted) = &expectation.wanted else { return Vec::new() };
    let names_denied = wanted.iter().any(|(name, _, _)| name == DENIED);
    let mut found: BTreeMap<&str, u32> = BTreeMap::new();
    for (_, answer) in &answers.of {
        let name = match answer {
            None => "nothing",
            Some(answer) if names_denied => answer.name(),
            Some(answer) => &answer.outcome,
        };
        *found.entry(name).or_default() += 1;
    }
    let wanted: BTreeMap<&str, u32> = wanted.iter().map(|(name, _, n)| (name.as_str(), *n)).collect();
    let differs = |name: &&str| wanted.get(name).copied().unwrap_or(0) != found.get(name).copied().unwrap_or(0);
    let looked_at = wanted.keys().chain(found.keys().filter(|name| answers.complete || wanted.contains_key(*name)));
    let odd: BTreeSet<&str> = looked_at.copied().filter(differs).collect();
    if odd.is_empty() {
        return Vec::new();
    }
    let path = format!("expect.outcomes ({})", odd.iter().copied().collect::<Vec<_>>().join(", "));
    // The first action whose outcome is one of those that there are too many of.
    let surplus = |name: &str| found.get(name) > wanted.get(name);
    let culprit = answers.of.iter().find(|(_, answer)| {
        answer.as_ref().is_some_and(|answer| surplus(if names_denied { answer.name() } else { &answer.outcome }))
    });
    let mut failure = Failure::new(expectation.place, path, json!(wanted), json!(found));
    if let Some((_, Some(answer))) = culprit {
        failure = failure.note(format!("action {} came out as {}", answer.action_id, answer.name()));
    }
    vec![(failure, culprit.and_then(|(at, _)| *at))]
}

/// `refused` and `result`: what came of a command.
fn command(engine: &Engine<'_>, expectation: &Expectation, done: &Done) -> Vec<Found> {
    let answer = done.command.and_then(|offset| answers::to_command(&engine.told, offset));
    let path = format!("expect.{}", expectation.key);
    let place = expectation.place;
    let failures = match (&expectation.wanted, answer) {
        (Wanted::Name(Some(code)), Some(Err((found, _)))) if *code == found => Vec::new(),
        (Wanted::Name(code), Some(Err((found, message)))) => {
            vec![Failure::new(place, path, json!(code), found).note(message)]
        }
        (Wanted::Name(code), Some(Ok(result))) => {
            vec![Failure::new(place, path, json!(code), result).note("the command was carried out")]
        }
        (Wanted::Part(part), Some(Ok(result))) => {
            let mismatches = compare(part, Some(&result)).into_iter();
            mismatches.map(|m| Failure::new(place, join(&path, &m.path), m.wanted, m.found)).collect()
        }
        (wanted, _) => vec![Failure::new(place, path, shown(wanted), Value::Null)],
    };
    failures.into_iter().map(|failure| (failure, None)).collect()
}

/// `circuits`: how they stand; those that are not named may stand as they will.
fn circuits(engine: &Engine<'_>, expectation: &Expectation) -> Vec<Found> {
    let Wanted::Part(wanted) = &expectation.wanted else { return Vec::new() };
    let mismatches = compare(wanted, Some(&json!(engine.circuits()))).into_iter();
    let failures = mismatches.map(|m| {
        let missing = m.found.is_none();
        let failure = Failure::new(expectation.place, join("expect.circuits", &m.path), m.wanted, m.found);
        if missing {
            failure.note("this provider has no circuit: see [circuit_breaker] of the configuration")
        } else {
            failure
        }
    });
    failures.map(|failure| (failure, None)).collect()
}

/// A list as it is found.
fn list(engine: &mut Engine<'_>, scopes: &BTreeSet<Scope>, name: &str) -> Result<Vec<Value>, EngineError> {
    Ok(match name {
        "dispatched" => engine.told.dispatched.clone(),
        "dead_letters" => engine.told.dead_letters.clone(),
        "audit" => engine.told.audit.clone(),
        name => query::all(engine, name, scopes)?.into_iter().map(|entry| entry.value).collect(),
    })
}

fn counts(
    engine: &mut Engine<'_>,
    scopes: &BTreeSet<Scope>,
    expectation: &Expectation,
) -> Result<Vec<Found>, EngineError> {
    let Wanted::Counts(counts) = &expectation.wanted else { return Ok(Vec::new()) };
    let mut failures = Vec::new();
    for (name, place, wanted) in counts {
        let found = list(engine, scopes, name)?;
        if found.len() != *wanted as usize {
            let failure = Failure::new(*place, format!("expect.count.{name}"), *wanted, found.len());
            failures.push((failure.note(entries(&found)), None));
        }
    }
    Ok(failures)
}

/// Lists: `dispatched` and `dead_letters` entry by entry, the others in any order and among others.
fn lists(
    engine: &mut Engine<'_>,
    scopes: &BTreeSet<Scope>,
    key: &str,
    expectation: &Expectation,
) -> Result<Vec<Found>, EngineError> {
    let Wanted::List(wanted) = &expectation.wanted else { return Ok(Vec::new()) };
    let found = list(engine, scopes, key)?;
    let path = format!("expect.{key}");
    let failures = if key == "dispatched" || key == "dead_letters" {
        in_order(&path, expectation.place, wanted, &found)
    } else if wanted.is_empty() && !found.is_empty() && STATE_LISTS.contains(&key) {
        vec![Failure::new(expectation.place, path, json!([]), found.len()).note(entries(&found))]
    } else {
        among(&path, wanted, &found)
    };
    Ok(failures.into_iter().map(|failure| (failure, None)).collect())
}

fn in_order(path: &str, place: Place, wanted: &[(Place, Value)], found: &[Value]) -> Vec<Failure> {
    if wanted.len() != found.len() {
        let failure = Failure::new(place, format!("{path}: number of entries"), wanted.len(), found.len());
        return vec![failure.note(entries(found))];
    }
    let pairs = wanted.iter().zip(found).enumerate();
    let mismatches = pairs.flat_map(|(at, ((place, wanted), found))| {
        let base = format!("{path}[{at}]");
        let parts = compare(wanted, Some(found)).into_iter();
        parts.map(move |m| Failure::new(*place, join(&base, &m.path), m.wanted, m.found)).collect::<Vec<_>>()
    });
    mismatches.take(MAX_SHOWN).collect()
}

fn among(path: &str, wanted: &[(Place, Value)], found: &[Value]) -> Vec<Failure> {
    let values: Vec<&Value> = wanted.iter().map(|(_, value)| value).collect();
    let missing = assign(&values, found).into_iter().take(MAX_SHOWN);
    let failures = missing.map(|at| {
        let (place, wanted) = &wanted[at];
        let base = format!("{path}[{at}]");
        match closest(wanted, found) {
            None => Failure::new(*place, base, wanted.clone(), Value::Null),
            Some((nearest, mismatches)) => match mismatches.into_iter().next() {
                Some(first) => {
                    let failure = Failure::new(*place, join(&base, &first.path), first.wanted, first.found);
                    failure.note(format!("the nearest of {}: {nearest}", found.len()))
                }
                None => Failure::new(*place, base, wanted.clone(), Value::Null)
                    .note("there is one like it, which an entry above has taken"),
            },
        }
    });
    failures.collect()
}

/// Entries, one a line.
fn entries(found: &[Value]) -> String {
    let mut lines: Vec<String> = found.iter().take(MAX_SHOWN).map(|entry| format!("- {entry}")).collect();
    if found.len() > MAX_SHOWN {
        lines.push(format!("… and {} more", found.len() - MAX_SHOWN));
    }
    lines.join("\n")
}
