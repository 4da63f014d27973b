//! A quota lets so many actions pass and no more, refuses none within it, and what goes beyond it is told of, once a
//! window.

use super::Faults;
use super::evidence::{Evidence, coordinates};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The window of all quotas, in seconds.
const WINDOW_SECONDS: i64 = 10;
const WINDOW_MS: i64 = WINDOW_SECONDS * 1000;
/// How much longer than that an action may count: actions close to one another cease to count together.
const SHARED_MS: i64 = WINDOW_MS / 32;
/// Where quotas that degrade send actions.
const FALLBACK: &str = "webhook";
/// Whom a quota has told.
const TARGET: &str = "email";
/// The quotas of [`super::Traffic`]: what they are called, how many actions they allow, and what they do beyond that.
const QUOTAS: [(&str, u64, &str); 4] =
    [("blocks", 6, "block"), ("warns", 3, "warn"), ("degrades", 4, "degrade"), ("notifies", 3, "notify")];
/// Outcomes of actions that the rules let go on.
const GOES_ON: [&str; 6] = ["dispatched", "scheduled", "grouped", "pending_approval", "chain_started", "state_changed"];

/// The definition of one of the quotas, as commands set it.
pub(super) fn definition(number: usize) -> Value {
    let (id, most, does) = QUOTAS[number % QUOTAS.len()];
    let mut quota = json!({"id": id, "max_actions": most, "window": WINDOW_SECONDS.to_string()});
    match does {
        // Only what goes to another provider can be sent to this one instead.
        "degrade" => {
            quota["provider"] = json!(TARGET);
            quota["overage_behavior"] = json!({"degrade": {"fallback_provider": FALLBACK}});
        }
        "notify" => quota["overage_behavior"] = json!({"notify": {"target": TARGET}}),
        _ => quota["overage_behavior"] = json!({does: {}}),
    }
    quota
}

/// What is known of a quota since it was set.
#[derive(Default)]
struct Usage {
    counted: Vec<i64>,
    told_at: Option<i64>,
}

impl Usage {
    /// Actions that count at a moment, if they do so for `window_ms`.
    fn within(&self, at: i64, window_ms: i64) -> u64 {
        self.counted.iter().rev().take_while(|counted| **counted > at - window_ms).count() as u64
    }
}

/// What is known of a tenant.
#[derive(Default)]
struct Tenant<'t> {
    /// Quotas in force.
    quotas: BTreeMap<&'static str, Usage>,
    /// Actions that asked to be held before any rule looked at them.
    unwalked: BTreeSet<(String, &'t str)>,
}

pub(super) fn check(evidence: &Evidence, faults: &mut Faults) {
    let mut tenants: BTreeMap<&str, Tenant<'_>> = BTreeMap::new();
    for audit in &evidence.audits {
        let tenant = tenants.entry(audit["tenant"].as_str().unwrap_or_default()).or_default();
        let followed = if audit["verdict"] == "quota" {
            tenant.told(audit)
        } else if audit["outcome"] == "command_done" {
            tenant.commanded(audit, evidence);
            Ok(())
        } else if audit["phase"] == "decided" {
            tenant.decided(audit)
        } else {
            Ok(())
        };
        if let Err(what) = followed {
            faults.add(what, audit.to_string());
        }
    }
    notices(evidence, faults);
}

fn at(audit: &Value) -> i64 {
    audit["dispatched_at"].as_i64().unwrap_or_default()
}

/// The quota that a record names, with what it allows.
fn named(details: &Value) -> Option<(&'static str, u64)> {
    QUOTAS.iter().find(|(id, ..)| details["quota_id"] == *id).map(|(id, most, _)| (*id, *most))
}

impl<'t> Tenant<'t> {
    fn commanded(&mut self, audit: &Value, evidence: &Evidence) {
        let command = evidence.commands.get(&coordinates(&audit["source"]));
        let Some(command) = command else { return };
        let (set, deleted) = (&command["command"]["set_quota"]["quota"]["id"], &command["command"]["delete_quota"]);
        for (id, ..) in QUOTAS {
            if *set == id {
                self.quotas.entry(id).or_default();
            }
            if deleted["quota_id"] == id {
                self.quotas.remove(id);
            }
        }
    }

    /// An action that went beyond a quota, by the record that tells of it.
    fn told(&mut self, audit: &Value) -> Result<(), &'static str> {
        let quota = named(&audit["outcome_details"]).and_then(|(id, _)| self.quotas.get_mut(id));
        let Some(usage) = quota else { return Err("told of a quota that is not set") };
        let before = usage.told_at.replace(at(audit));
        if before.is_some_and(|before| at(audit) - before < WINDOW_MS) {
            return Err("told of a quota twice in its window");
        }
        Ok(())
    }

    fn decided(&mut self, audit: &'t Value) -> Result<(), &'static str> {
        let (outcome, now) = (audit["outcome"].as_str().unwrap_or_default(), at(audit));
        if outcome == "quota_exceeded" {
            let quota = named(&audit["outcome_details"]).and_then(|(id, most)| Some((self.quotas.get(id)?, most)));
            let Some((usage, most)) = quota else { return Err("refused by a quota that is not set") };
            let is_full = usage.within(now, WINDOW_MS + SHARED_MS) >= most;
            return if is_full { Ok(()) } else { Err("refused within its quota") };
        }
        if self.is_first(audit) && GOES_ON.contains(&outcome) { self.counted(audit, outcome, now) } else { Ok(()) }
    }

    /// Whether the rules have looked at an action from the first one on: it counts for quotas then alone.
    fn is_first(&mut self, audit: &'t Value) -> bool {
        let source = coordinates(&audit["source"]);
        let by = audit["released_by"].as_str();
        let by_command = source.contains(".commands/") && by.is_none();
        let name = (source, audit["action_id"].as_str().unwrap_or_default());
        match by {
            None if audit["outcome"] == "scheduled" && audit["matched_rule"].is_null() => {
                self.unwalked.insert(name);
                false
            }
            // A chain that a command starts has passed no rule.
            None => !by_command,
            Some("schedule") => self.unwalked.remove(&name),
            Some(by) => by == "recurring",
        }
    }

    /// An action that counts.
    fn counted(&mut self, audit: &Value, outcome: &str, now: i64) -> Result<(), &'static str> {
        let note = &audit["outcome_details"]["quota"];
        let exceeded = named(note);
        let mut fault = Ok(());
        for (id, most, does) in QUOTAS {
            let Some(usage) = self.quotas.get_mut(id) else { continue };
            let is_over = does != "degrade" && usage.within(now, WINDOW_MS) >= most;
            usage.counted.push(now);
            if is_over && does == "block" {
                fault = Err("passed beyond a quota that blocks");
            } else if is_over && exceeded.is_none() {
                fault = Err("passed beyond a quota, and nothing says so");
            }
        }
        let Some((id, _)) = exceeded else { return fault };
        let told_at = self.quotas.get(id).and_then(|usage| usage.told_at);
        if told_at.is_none_or(|told_at| now - told_at >= WINDOW_MS) {
            fault = Err("passed beyond a quota that nobody was told of");
        }
        // A chain's steps have providers of their own.
        if id == "degrades" && outcome != "chain_started" && audit["provider"] != FALLBACK {
            fault = Err("passed beyond a quota to the provider that it is for");
        }
        fault
    }
}

/// Whom a quota has told is told by one notice each time that it is exceeded anew, and nobody else is.
fn notices(evidence: &Evidence, faults: &mut Faults) {
    let mut counts: BTreeMap<(String, &str, &str), i64> = BTreeMap::new();
    for audit in evidence.audits.iter().filter(|audit| audit["verdict"] == "quota") {
        let details = &audit["outcome_details"];
        if details["quota_id"] == "notifies" {
            let action = audit["action_id"].as_str().unwrap_or_default();
            *counts.entry((coordinates(&audit["source"]), action, "notifies")).or_default() += 1;
        }
    }
    for dispatch in evidence.dispatches.iter().filter(|dispatch| dispatch["context"]["notice"]["of"] == "quota") {
        let (action, id) = (dispatch["action_id"].as_str(), dispatch["payload"]["quota_id"].as_str());
        let key = (coordinates(&dispatch["source"]), action.unwrap_or_default(), id.unwrap_or_default());
        *counts.entry(key).or_default() -= 1;
        if dispatch["provider"] != TARGET {
            faults.add("notice of a quota to somebody else", dispatch.to_string());
        }
    }
    for (notice, count) in counts.into_iter().filter(|(_, count)| *count != 0) {
        let what = if count > 0 { "notice of a quota missing" } else { "notice of a quota too many" };
        faults.add(what, format!("{notice:?}"));
    }
}
