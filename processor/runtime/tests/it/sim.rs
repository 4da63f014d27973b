//! Deterministic simulation of the worker: the loop of production over a log, stores and clocks in memory, with crashes,
//! errors and stand-stills at every call, all of it following from a seed.
//!
//! `SEED=123 cargo test -p acteon-runtime simulation` runs one seed and tells all that happened; `SEEDS=n` runs more or
//! fewer of them.

mod broker;
mod group;
mod hub;
mod life;
mod plant;
mod restorer;
mod sink;
mod source;
mod store;
mod timers;
mod traffic;
mod verdict;
mod world;

use acteon_core::{Definitions, Parts, Secrets};
use acteon_schemas::{RuleFile, RulesDefinition, SettingsDefinition};
use acteon_testkit::{life as laws, model};
use plant::Plant;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use world::run;

/// Seeds run where `SEEDS` says nothing else.
const SEEDS: u64 = 2_000;
/// Most lines of a failing seed's course that are printed.
const TRACE_LINES: usize = 60;

fn definitions() -> Arc<Definitions> {
    let rules = RulesDefinition {
        evaluation: "cascade".into(),
        default: "allow".into(),
        default_timezone: "UTC".into(),
        files: [("model.yaml", model::RULES.to_owned()), ("life.yaml", laws::rules(laws::Pace::AsWritten))]
            .map(|(name, text)| RuleFile { name: name.into(), text })
            .into(),
    };
    let settings = SettingsDefinition {
        audit_store_payload: true,
        audit_redact_fields: Vec::new(),
        audit_redact_placeholder: String::new(),
        ..SettingsDefinition::default()
    };
    let providers = model::PROVIDERS.map(str::to_owned).into();
    let secrets = Secrets { approval_keys: vec![(None, b"signs links".to_vec())] };
    let (chains, state_machines) = (laws::chains(laws::Pace::AsWritten), vec![laws::machine(laws::Pace::AsWritten)]);
    let parts = Parts { rules, settings, providers, chains, state_machines, secrets, ..Parts::default() };
    Arc::new(Definitions::compile(1, parts).unwrap())
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// Fails with what is wrong with a seed, and what happened before.
fn fail(seed: u64, definitions: &Arc<Definitions>, lines: usize) -> ! {
    let course = run(seed, None, true, definitions);
    let trace = &course.trace[course.trace.len().saturating_sub(lines)..];
    panic!("seed {seed} (SEED={seed} tells more)\n{}\n\n{}", trace.join("\n"), course.violations.join("\n"));
}

/// Runs seeds on all cores until one fails; returns that one, and how often each kind of thing happened in the others.
fn sweep(
    seeds: u64,
    plant: Option<Plant>,
    definitions: &Arc<Definitions>,
) -> (Option<u64>, BTreeMap<&'static str, u64>) {
    let (next, failed, counts) = (AtomicU64::new(0), AtomicU64::new(u64::MAX), Mutex::new(BTreeMap::new()));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.min(failed.load(Ordering::Relaxed)) {
                return;
            }
            let course = run(seed, plant, false, definitions);
            let told_as = plant.map_or("", Plant::told_as);
            if course.violations.iter().any(|violation| violation.contains(told_as)) {
                failed.fetch_min(seed, Ordering::Relaxed);
            }
            let mut counts = counts.lock().unwrap();
            for (what, count) in course.counts {
                *counts.entry(what).or_default() += count;
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    (Some(failed.into_inner()).filter(|seed| *seed < u64::MAX), counts.into_inner().unwrap())
}

#[test]
fn simulation() {
    let definitions = definitions();
    if let Some(seed) = number("SEED") {
        let course = run(seed, None, true, &definitions);
        let (trace, violations) = (course.trace.join("\n"), course.violations.join("\n"));
        eprintln!("{trace}\n{:?}\n{violations}", course.counts);
        assert!(violations.is_empty(), "seed {seed}");
        return;
    }
    let (failed, counts) = sweep(number("SEEDS").unwrap_or(SEEDS), None, &definitions);
    if let Some(seed) = failed {
        fail(seed, &definitions, TRACE_LINES);
    }
    eprintln!("{counts:?}");
    let kinds = ["decision", "timer", "crash in a call", "error of a call", "freeze in a call", "delayed commit"];
    for what in kinds.into_iter().chain(["abort", "restore", "store in use"]).chain(life::KINDS) {
        assert!(counts.get(what).is_some_and(|count| *count > 0), "never seen: {what}");
    }
}

#[test]
fn a_seed_always_takes_the_same_course() {
    let definitions = definitions();
    for seed in 0..5 {
        let (first, second) = (run(seed, None, true, &definitions), run(seed, None, true, &definitions));
        assert!(first.digest.is_some());
        assert_eq!((first.digest, first.trace), (second.digest, second.trace), "seed {seed}");
    }
}

#[test]
fn the_simulation_finds_planted_bugs() {
    let definitions = definitions();
    for plant in Plant::ALL {
        let (found, _) = sweep(SEEDS, Some(plant), &definitions);
        eprintln!("{plant:?}: found by seed {found:?}");
        assert!(found.is_some(), "{plant:?} was not found");
    }
}
