//! What is wrong with a chain's definition, taken for itself.

use super::branch;
use super::definition::{all_steps, is_name};
use super::limits::{MAX_BACKOFF_MS, MAX_NAME_BYTES, MAX_PARALLEL, MAX_RETRIES, MAX_STEPS, MAX_WAIT_SECONDS};
use crate::time;
use acteon_schemas::{ChainDefinition, ChainParallel, ChainStep, ChainTimer, StepFailure};
use std::collections::BTreeSet;

/// Checks a chain; `chains` are the names of all of them.
pub(super) fn chain(
    chain: &ChainDefinition,
    providers: &BTreeSet<String>,
    chains: &BTreeSet<String>,
    problems: &mut Vec<String>,
) {
    let mut tell = |what: String| problems.push(format!("chain `{}`: {what}", chain.name));
    if !is_name(&chain.name) {
        tell(format!("its name must be 1 to {MAX_NAME_BYTES} letters, digits, `-` or `_`"));
    }
    if chain.steps.is_empty() {
        tell("it has no steps; add `[[chains.definitions.steps]]`".to_owned());
    }
    let count = all_steps(chain).count();
    if count > MAX_STEPS {
        tell(format!("it has {count} steps; the limit is {MAX_STEPS}, so move some into a sub-chain"));
    }
    check_seconds("timeout_seconds", chain.timeout_seconds, &mut tell);
    if let Some(cancel) = &chain.on_cancel {
        check_provider("on_cancel.provider", &cancel.provider, providers, &mut tell);
        if cancel.action_type.is_empty() {
            tell("`on_cancel.action_type` must not be empty".to_owned());
        }
    }
    let mut names = BTreeSet::new();
    for step in all_steps(chain) {
        if !names.insert(step.name.as_str()) {
            tell(format!("two steps have the name `{}`; rename one", step.name));
        }
    }
    for step in &chain.steps {
        let mut tell = |what: String| problems.push(format!("chain `{}`, step `{}`: {what}", chain.name, step.name));
        check_step(step, providers, &mut tell);
        if let Some(sub) = step.sub_chain.as_ref().filter(|sub| !chains.contains(*sub)) {
            tell(format!("unknown sub-chain `{sub}`; the chains are {}", listed(chains.iter().map(String::as_str))));
        }
        check_targets(chain, step, &mut tell);
    }
}

fn listed<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<String> = names.take(20).map(|name| format!("`{name}`")).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn check_provider(key: &str, provider: &str, providers: &BTreeSet<String>, tell: &mut impl FnMut(String)) {
    if !providers.contains(provider) {
        let known = listed(providers.iter().map(String::as_str));
        tell(format!("`{key}`: no provider named `{provider}` is configured; the providers are {known}"));
    }
}

fn check_seconds(key: &str, seconds: Option<u64>, tell: &mut impl FnMut(String)) {
    match seconds {
        Some(0) => tell(format!("`{key}` must not be 0; leave it away for none")),
        Some(seconds) if seconds > MAX_WAIT_SECONDS => {
            tell(format!("`{key}` is {seconds} s; the limit is {MAX_WAIT_SECONDS} s (366 days)"));
        }
        _ => {}
    }
}

fn check_step(step: &ChainStep, providers: &BTreeSet<String>, tell: &mut impl FnMut(String)) {
    if !is_name(&step.name) {
        tell(format!("its name must be 1 to {MAX_NAME_BYTES} letters, digits, `-` or `_`"));
    }
    check_seconds("delay_seconds", step.delay_seconds, tell);
    let kinds = [
        ("provider", step.provider.is_some()),
        ("sub_chain", step.sub_chain.is_some()),
        ("parallel", step.parallel.is_some()),
        ("timer", step.timer.is_some()),
        ("wait_for_signal", step.wait_for_signal.is_some()),
    ];
    let has: Vec<&str> = kinds.into_iter().filter_map(|(kind, is)| is.then_some(kind)).collect();
    match has.as_slice() {
        ["provider"] => check_call(step, providers, tell),
        [_] => check_no_call(step, tell),
        [] => tell(
            "it does nothing; give it one of `provider`, `sub_chain`, `parallel`, `timer` and \
                    `wait_for_signal`"
                .to_owned(),
        ),
        several => tell(format!("it has {}; keep one of them", listed(several.iter().copied()))),
    }
    if let Some(parallel) = &step.parallel {
        check_parallel(parallel, providers, tell);
    }
    if let Some(timer) = &step.timer {
        check_timer(timer, tell);
    }
    if let Some(wait) = &step.wait_for_signal {
        if wait.signal_name.is_empty() || wait.signal_name.len() > MAX_NAME_BYTES {
            tell(format!("`wait_for_signal.signal_name` must be 1 to {MAX_NAME_BYTES} bytes"));
        }
        check_seconds("wait_for_signal.timeout_seconds", wait.timeout_seconds, tell);
        if wait.on_timeout.is_some() && wait.timeout_seconds.is_none() {
            tell("`wait_for_signal.on_timeout` needs `timeout_seconds`".to_owned());
        }
    }
    for branch in &step.branches {
        if let Some(problem) = branch::problem(branch) {
            tell(format!("a branch to `{}`: {problem}", branch.target));
        }
    }
}

/// A step that calls a provider.
fn check_call(step: &ChainStep, providers: &BTreeSet<String>, tell: &mut impl FnMut(String)) {
    check_provider("provider", step.provider.as_deref().unwrap_or_default(), providers, tell);
    if step.action_type.as_deref().is_none_or(str::is_empty) {
        tell("a step with a `provider` needs an `action_type`".to_owned());
    }
    if let Some(retry) = &step.retry {
        if retry.max_retries > MAX_RETRIES {
            tell(format!("`retry.max_retries` is {}; the limit is {MAX_RETRIES}", retry.max_retries));
        }
        for (key, value) in [("backoff_ms", retry.backoff_ms), ("jitter_ms", retry.jitter_ms)] {
            if let Some(ms) = value.filter(|ms| *ms > MAX_BACKOFF_MS) {
                tell(format!("`retry.{key}` is {ms} ms; the limit is {MAX_BACKOFF_MS} ms (24 hours)"));
            }
        }
    }
}

/// A step that calls no provider can't have what describes a call.
fn check_no_call(step: &ChainStep, tell: &mut impl FnMut(String)) {
    let of_calls = [
        ("action_type", step.action_type.is_some()),
        ("payload_template", step.payload_template.is_some()),
        ("retry", step.retry.is_some()),
        ("on_failure = \"dlq\"", step.on_failure == Some(StepFailure::Dlq)),
    ];
    for (key, _) in of_calls.into_iter().filter(|(_, is)| *is) {
        tell(format!("`{key}` belongs to steps with a `provider`; remove it"));
    }
}

fn check_parallel(parallel: &ChainParallel, providers: &BTreeSet<String>, tell: &mut impl FnMut(String)) {
    if parallel.steps.is_empty() {
        tell("`parallel` has no steps; add some".to_owned());
    }
    if parallel.steps.len() > MAX_PARALLEL {
        tell(format!("`parallel` has {} steps; the limit is {MAX_PARALLEL}", parallel.steps.len()));
    }
    check_seconds("parallel.timeout_seconds", parallel.timeout_seconds, tell);
    if parallel.max_concurrency == Some(0) {
        tell("`parallel.max_concurrency` must not be 0; leave it away for all at once".to_owned());
    }
    for inner in &parallel.steps {
        let mut tell = |what: String| tell(format!("parallel step `{}`: {what}", inner.name));
        if !is_name(&inner.name) {
            tell(format!("its name must be 1 to {MAX_NAME_BYTES} letters, digits, `-` or `_`"));
        }
        if inner.provider.is_none() {
            tell("it must call a `provider`; other kinds of steps can't be parallel".to_owned());
        } else {
            check_call(inner, providers, &mut tell);
        }
        let of_others = [
            ("sub_chain", inner.sub_chain.is_some()),
            ("parallel", inner.parallel.is_some()),
            ("timer", inner.timer.is_some()),
            ("wait_for_signal", inner.wait_for_signal.is_some()),
            ("branches", !inner.branches.is_empty()),
            ("default_next", inner.default_next.is_some()),
            ("delay_seconds", inner.delay_seconds.is_some()),
            ("on_failure", inner.on_failure.is_some()),
        ];
        for (key, _) in of_others.into_iter().filter(|(_, is)| *is) {
            tell(format!("`{key}` does not belong into a parallel step; put it on the step around it"));
        }
    }
}

fn check_timer(timer: &ChainTimer, tell: &mut impl FnMut(String)) {
    match (&timer.duration_seconds, &timer.until) {
        (Some(_), None) => check_seconds("timer.duration_seconds", timer.duration_seconds, tell),
        (None, Some(until)) if until.contains("{{") || time::parse_rfc3339(until).is_some() => {}
        (None, Some(until)) => {
            tell(format!("`timer.until`: `{until}` is neither a time such as 2026-03-02T10:00:00Z nor a template"));
        }
        (Some(_), Some(_)) => tell("`timer` has `duration_seconds` and `until`; keep one".to_owned()),
        (None, None) => tell("`timer` needs `duration_seconds` or `until`".to_owned()),
    }
}

fn check_targets(chain: &ChainDefinition, step: &ChainStep, tell: &mut impl FnMut(String)) {
    let branches = step.branches.iter().map(|branch| ("a branch's target", &branch.target));
    let rest = [
        ("default_next", step.default_next.as_ref()),
        ("wait_for_signal.on_timeout", step.wait_for_signal.as_ref().and_then(|wait| wait.on_timeout.as_ref())),
    ];
    let rest = rest.into_iter().filter_map(|(key, target)| Some((key, target?)));
    for (key, target) in branches.chain(rest) {
        if target.is_empty() {
            tell(format!("`{key}` names no step"));
        } else if !chain.steps.iter().any(|other| other.name == *target) {
            let steps = listed(chain.steps.iter().map(|other| other.name.as_str()));
            tell(format!("`{key}`: the chain has no step `{target}`; its steps are {steps}"));
        }
    }
}
