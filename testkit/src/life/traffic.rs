//! Actions and commands for the laws to hold for.

use super::recurring::CADENCES;
use super::{NAMESPACE, quota};
use serde_json::{Value, json};
use std::collections::VecDeque;

/// Tenants.
const TENANTS: u32 = 6;
/// Ids of the latest actions that commands are about.
const MAX_KNOWN: usize = 60;
/// How long ago the occurrences that a backfill asks for were, at most, in minutes.
const MAX_BACKFILLED: i64 = 30;
const MINUTE_MS: i64 = 60_000;
/// Farthest that an action asks to be held, in milliseconds.
const MAX_AHEAD_MS: i64 = 8_000;
/// States that events are asked to enter; not all of them can be, and one is none.
const STATES: [&str; 5] = ["firing", "acknowledged", "resolved", "stale", "unheard"];

/// Makes actions and commands. What commands name comes from outcomes that it is shown ([`Traffic::see`]), so some come
/// too late, and some twice.
#[derive(Debug, Default)]
pub struct Traffic {
    actions: u64,
    commands: u64,
    /// Scheduled actions: tenant and id.
    scheduled: VecDeque<(String, String)>,
    /// Recurring actions: tenant and id.
    recurring: VecDeque<(String, String)>,
    /// Groups: tenant and id.
    groups: VecDeque<(String, String)>,
    /// Requests for approval: tenant and id.
    approvals: VecDeque<(String, String)>,
    /// Chains: tenant and id.
    chains: VecDeque<(String, String)>,
    /// Quotas that may be set: tenant and id.
    quotas: VecDeque<(String, String)>,
    /// Events: tenant and fingerprint.
    events: VecDeque<(String, String)>,
    /// When the latest outcome was decided that it was shown, in milliseconds since 1970.
    latest: i64,
    /// All recurring actions that there may be: tenant and id.
    ticking: Vec<(String, String)>,
}

fn keep(known: &mut VecDeque<(String, String)>, entry: (String, String)) {
    if known.len() == MAX_KNOWN {
        known.pop_front();
    }
    known.push_back(entry);
}

impl Traffic {
    /// A tenant: some are busier than others.
    #[must_use]
    pub fn tenant(rng: &mut fastrand::Rng) -> String {
        format!("l{}", rng.u32(0..TENANTS).min(rng.u32(0..TENANTS)))
    }

    /// The next action of a tenant. `now` is the wall time, in milliseconds since 1970.
    pub fn action(&mut self, rng: &mut fastrand::Rng, tenant: &str, now: i64) -> Value {
        self.actions += 1;
        let number = self.actions;
        let mut payload = json!({"number": number});
        let mut extra = json!({});
        match rng.u32(0..26) {
            22..26 => {
                payload["paced"] = json!(true);
                payload["later"] = json!(rng.u32(0..8) == 0);
            }
            10..13 => payload["batch"] = json!(rng.u32(0..3)),
            13..17 => payload["flow"] = json!(true),
            17 => {
                payload["later"] = json!(true);
                payload["flow"] = json!(true);
            }
            18..22 => {
                payload["alert"] = json!(format!("alert-{}", rng.u32(0..4)));
                if let Some(status) = STATES.get(rng.usize(0..2 * STATES.len())) {
                    extra["status"] = json!(status);
                }
            }
            0..3 => payload["later"] = json!(true),
            3..5 => payload["ask"] = json!(true),
            5 => extra["dispatch_at"] = json!(rfc3339(now + rng.i64(-1_000..MAX_AHEAD_MS))),
            6 => {
                payload["later"] = json!(true);
                payload["ask"] = json!(true);
                extra["dispatch_at"] = json!(rfc3339(now + rng.i64(0..MAX_AHEAD_MS)));
            }
            _ => {}
        }
        let provider = ["email", "webhook"][rng.usize(0..2)];
        let mut action = json!({
            "id": format!("life-{number}"), "namespace": NAMESPACE, "tenant": tenant,
            "provider": provider, "action_type": "plain", "payload": payload,
        });
        if let (Some(action), Value::Object(extra)) = (action.as_object_mut(), extra) {
            action.extend(extra);
        }
        if rng.u32(0..10) == 0
            && let Some(action) = action.as_object_mut()
        {
            action.remove("id");
        }
        action
    }

    /// A command, and its tenant.
    pub fn command(&mut self, rng: &mut fastrand::Rng) -> (String, Value) {
        self.commands += 1;
        let (tenant, command) = match rng.u32(0..32) {
            24..28 => self.quota(rng),
            28 => self.start_chain(rng),
            10..14 | 29..32 => self.recurring(rng),
            14..20 => self.chain(rng),
            20..24 => {
                let (tenant, fingerprint) = one(rng, &self.events);
                let to = STATES[rng.usize(0..STATES.len())];
                (tenant, json!({"transition": {"fingerprint": fingerprint, "to": to}}))
            }
            0 => (
                Self::tenant(rng),
                [json!({"list_scheduled": {}}), json!({"list_approvals": {}})][rng.usize(0..2)].clone(),
            ),
            1..3 => {
                let (tenant, id) = one(rng, &self.groups);
                (tenant, json!({"flush_group": {"group": id}}))
            }
            3..7 => {
                let (tenant, id) = one(rng, &self.approvals);
                let name = ["approve", "approve", "reject"][rng.usize(0..3)];
                (tenant, json!({name: {"approval_id": id}}))
            }
            _ => {
                let (tenant, id) = one(rng, &self.scheduled);
                (tenant, json!({"cancel_scheduled": {"action_id": id}}))
            }
        };
        let value = self.envelope(&tenant, &command);
        (tenant, value)
    }

    fn envelope(&self, tenant: &str, command: &Value) -> Value {
        let id = format!("life-command-{}", self.commands);
        json!({"id": id, "namespace": NAMESPACE, "tenant": tenant, "issued_at": 0, "command": command})
    }

    /// Commands, and their tenants, that leave nothing that goes on for ever: each recurring action is paused, so that
    /// what the state has counted of it stays to be compared.
    pub fn settle(&mut self) -> Vec<(String, Value)> {
        let ticking = std::mem::take(&mut self.ticking);
        let pause = |(tenant, id): (String, String)| {
            self.commands += 1;
            let value = self.envelope(&tenant, &json!({"pause_recurring": {"recurring_id": id}}));
            (tenant, value)
        };
        ticking.into_iter().map(pause).collect()
    }

    /// Does something to a chain.
    fn chain(&mut self, rng: &mut fastrand::Rng) -> (String, Value) {
        let (tenant, id) = one(rng, &self.chains);
        let command = match rng.u32(0..6) {
            0 => json!({"cancel_chain": {"chain_id": id, "reason": "not wanted"}}),
            1 => json!({"pause_chain": {"chain_id": id}}),
            2 => json!({"resume_chain": {"chain_id": id}}),
            3 => json!({"show_chain": {"chain_id": id}}),
            _ => json!({"signal": {"chain_id": id, "signal": "go", "payload": {"by": self.commands}}}),
        };
        (tenant, command)
    }

    /// Sets a quota of a tenant, or ends one.
    fn quota(&mut self, rng: &mut fastrand::Rng) -> (String, Value) {
        if rng.u32(0..3) == 0 {
            let (tenant, id) = one(rng, &self.quotas);
            return (tenant, json!({"delete_quota": {"quota_id": id}}));
        }
        let (tenant, quota) = (Self::tenant(rng), quota::definition(rng.usize(0..4)));
        keep(&mut self.quotas, (tenant.clone(), quota["id"].as_str().unwrap_or_default().to_owned()));
        (tenant, json!({"set_quota": {"quota": quota}}))
    }

    /// Starts a chain; one in eight is one that nobody knows.
    fn start_chain(&mut self, rng: &mut fastrand::Rng) -> (String, Value) {
        self.actions += 1;
        let tenant = Self::tenant(rng);
        let chain = ["unknown", "mend", "flow", "flow", "flow", "flow", "flow", "flow"][rng.usize(0..8)];
        let action = json!({"id": format!("life-{}", self.actions), "namespace": NAMESPACE, "tenant": tenant,
            "provider": "email", "action_type": "asked", "payload": {"number": self.actions}});
        (tenant, json!({"start_chain": {"chain": chain, "action": action}}))
    }

    /// Does something to a recurring action.
    fn alter(&mut self, rng: &mut fastrand::Rng) -> (String, Value) {
        let (tenant, id) = one(rng, &self.recurring);
        let command = match rng.u32(0..8) {
            0 | 1 => json!({"pause_recurring": {"recurring_id": id}}),
            2 | 3 => json!({"resume_recurring": {"recurring_id": id}}),
            4 => json!({"delete_recurring": {"recurring_id": id}}),
            5 => json!({"update_recurring": {"recurring_id": id, "recurring": Self::definition(rng)}}),
            _ => {
                let end = self.latest - rng.i64(0..3) * MINUTE_MS;
                let start = end - rng.i64(1..=MAX_BACKFILLED) * MINUTE_MS;
                let (start, end) = (rfc3339(start), rfc3339(end));
                json!({"backfill_recurring": {"recurring_id": id, "start": start, "end": end, "limit": rng.u32(1..5)}})
            }
        };
        (tenant, command)
    }

    /// Makes a recurring action, or does something to one.
    fn recurring(&mut self, rng: &mut fastrand::Rng) -> (String, Value) {
        if rng.u32(0..3) > 0 {
            return self.alter(rng);
        }
        let (tenant, id) = (Self::tenant(rng), format!("every-{}", self.commands));
        let mut recurring = Self::definition(rng);
        recurring["id"] = json!(id);
        self.ticking.push((tenant.clone(), id.clone()));
        keep(&mut self.recurring, (tenant.clone(), id));
        (tenant, json!({"create_recurring": {"recurring": recurring}}))
    }

    /// A recurring action without an id.
    fn definition(rng: &mut fastrand::Rng) -> Value {
        let mut payload = json!({});
        if let Some(held) = ["later", "ask", "paced", "neither"].get(rng.usize(0..4)) {
            payload[*held] = json!(true);
        }
        let (cron, _) = CADENCES[rng.usize(0..CADENCES.len())];
        let policy = ["allow_all", "skip", "cancel_other"][rng.usize(0..3)];
        let action = json!({"provider": "email", "action_type": "tick", "payload": payload});
        json!({"cron_expression": cron, "action": action, "overlap_policy": policy, "max_executions": rng.u32(1..9)})
    }

    /// Learns from an outcome record what commands can be about.
    pub fn see(&mut self, outcome: &Value) {
        let Some(tenant) = outcome["tenant"].as_str().filter(|_| outcome["namespace"] == NAMESPACE) else { return };
        self.latest = self.latest.max(outcome["decided_at"].as_i64().unwrap_or_default());
        let detail = |kind: &str, field: &str| outcome["detail"][kind][field].as_str().map(str::to_owned);
        if let Some(id) = detail("Scheduled", "action_id") {
            keep(&mut self.scheduled, (tenant.to_owned(), id));
        }
        if let Some(id) = detail("Grouped", "group_id") {
            keep(&mut self.groups, (tenant.to_owned(), id));
        }
        if let Some(id) = detail("PendingApproval", "approval_id") {
            keep(&mut self.approvals, (tenant.to_owned(), id));
        }
        if let Some(id) = detail("ChainStarted", "chain_id") {
            keep(&mut self.chains, (tenant.to_owned(), id));
        }
        if let Some(fingerprint) = detail("StateChanged", "fingerprint") {
            keep(&mut self.events, (tenant.to_owned(), fingerprint));
        }
    }
}

/// One of those known: the latest one, which may go on still, or any; one that nobody knows where none is.
fn one(rng: &mut fastrand::Rng, known: &VecDeque<(String, String)>) -> (String, String) {
    let unknown = || (format!("l{}", TENANTS - 1), "unknown".to_owned());
    let place = rng.usize(0..known.len().max(1));
    let found = if rng.bool() { known.back() } else { known.get(place) };
    found.cloned().unwrap_or_else(unknown)
}

/// A time as actions name it.
fn rfc3339(ms: i64) -> String {
    let (days, in_day) = (ms.div_euclid(86_400_000) + 719_468, ms.rem_euclid(86_400_000));
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, late) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = era * 400 + year_of_era + late;
    let (hour, minute) = (in_day / 3_600_000, in_day / 60_000 % 60);
    let (second, ms) = (in_day / 1000 % 60, in_day % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

#[cfg(test)]
mod tests {
    use super::rfc3339;
    use crate::life::time::parse;

    #[test]
    fn times_are_written_as_they_are_read() {
        for ms in [0, 1_700_000_000_250, 1_709_164_800_500, 1_709_251_199_999, 1_709_251_200_000] {
            assert_eq!(parse(&rfc3339(ms)), Some(ms), "{}", rfc3339(ms));
        }
    }
}
