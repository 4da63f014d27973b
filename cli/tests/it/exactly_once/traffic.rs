//! What is sent: actions of many tenants, with everything in them that a decision can turn on, and some commands.

use super::fleet::PARTITIONS;
use super::outlet::{Outlet, due};
use super::plan::Plan;
use acteon_schemas::{partition_of, tenant_key};
use acteon_testkit::clock;
use serde_json::{Value, json};
use std::time::Duration;

const NAMESPACE: &str = "n";
/// Actions that a busy tenant sends until another one is.
const BUSY_FOR: usize = 300;
/// Deduplication keys of a tenant.
const KEYS: u32 = 200;
/// One tenant in so many gets commands; the others show that nothing but a command makes anyone forget.
const COMMANDED: usize = 4;
/// Actions to one command.
const ACTIONS_A_COMMAND: usize = 100;
/// Bytes that are no action. `None` is a tombstone.
const BROKEN: [Option<&[u8]>; 5] = [
    None,
    Some(b"not json"),
    Some(b"\x00\x00\x00\x00\x01framed"),
    Some(br#"{"namespace":"n","tenant":"t0","provider":"email","action_type":"a"}"#),
    Some(br#"{"namespace":"n","tenant":7,"provider":"email","action_type":"a","payload":{}}"#),
];

/// What was sent, and acknowledged.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sent {
    /// Good actions.
    pub(crate) actions: usize,
    /// Those of them that went to another partition than their tenant's.
    pub(crate) misplaced: usize,
    /// Records of the actions and commands topics that must end as dead letters.
    pub(crate) broken: usize,
    /// Good commands.
    pub(crate) commands: usize,
}

/// Sends all of a plan, as evenly as it goes, and waits until the broker has it.
pub(crate) fn send(bootstrap: &str, plan: &Plan) -> Sent {
    let mut sender = Sender {
        outlet: Outlet::new(bootstrap),
        rng: fastrand::Rng::with_seed(plan.traffic_seed),
        tenants: plan.scale.tenants,
        busy: 0,
        sent: Sent::default(),
    };
    let (began, whole) = (clock::now(), Duration::from_secs(plan.scale.seconds));
    let mut number = 0;
    while number < plan.scale.actions {
        while number < due(began.elapsed(), whole, plan.scale.actions) {
            sender.next(number);
            number += 1;
        }
        sender.outlet.poll();
    }
    sender.outlet.finish();
    sender.sent
}

struct Sender {
    outlet: Outlet,
    rng: fastrand::Rng,
    tenants: usize,
    /// The tenant that sends more than its limit allows.
    busy: usize,
    sent: Sent,
}

impl Sender {
    fn next(&mut self, number: usize) {
        if number.is_multiple_of(BUSY_FOR) {
            self.busy = self.rng.usize(0..self.tenants);
        }
        if number % ACTIONS_A_COMMAND == ACTIONS_A_COMMAND / 2 {
            self.command(number);
        }
        let tenant = if self.rng.u32(0..100) < 15 { self.busy } else { self.rng.usize(0..self.tenants) };
        match self.rng.u32(0..1_000) {
            0 => {
                let value = BROKEN[self.rng.usize(0..BROKEN.len())];
                let partition = self.rng.i32(0..PARTITIONS);
                self.sent.broken += 1;
                self.outlet.produce("actions", Some(partition), None, value);
            }
            1..6 => {
                let key = tenant_key(NAMESPACE, &format!("t{tenant}"));
                let home = partition_of(key.as_bytes(), PARTITIONS);
                let partition = (home + self.rng.i32(1..PARTITIONS)) % PARTITIONS;
                let key = self.rng.bool().then_some("elsewhere");
                let action = self.action(number, tenant).to_string();
                self.sent.actions += 1;
                self.sent.misplaced += 1;
                self.outlet.produce("actions", Some(partition), key, Some(action.as_bytes()));
            }
            _ => {
                let key = tenant_key(NAMESPACE, &format!("t{tenant}"));
                let action = self.action(number, tenant).to_string();
                self.sent.actions += 1;
                self.outlet.produce("actions", None, Some(&key), Some(action.as_bytes()));
            }
        }
    }

    fn action(&mut self, number: usize, tenant: usize) -> Value {
        let rng = &mut self.rng;
        let mut payload = json!({"number": number});
        for (percent, field, value) in [
            (3, "signed", json!(false)),
            (8, "severity", json!("critical")),
            (60, "limit", json!("none")),
            (15, "repeats", json!("fine")),
        ] {
            if rng.u32(0..100) < percent {
                payload[field] = value;
            }
        }
        let action_type = match rng.u32(0..100) {
            0..3 => "test".to_owned(),
            kind => format!("type{}", kind % 3),
        };
        let provider = match rng.u32(0..100) {
            0 => "nobody",
            1..10 => "webhook",
            _ => "email",
        };
        let mut action = json!({
            "namespace": NAMESPACE, "tenant": format!("t{tenant}"), "provider": provider, "action_type": action_type,
            "payload": payload,
        });
        if rng.u32(0..100) < 80 {
            // Ids repeat now and then.
            let id = if rng.u32(0..50) == 0 { number / 2 } else { number };
            action["id"] = json!(format!("a{id}"));
        }
        if rng.bool() {
            action["dedup_key"] = json!(format!("k{}", rng.u32(0..KEYS)));
        }
        action
    }

    fn command(&mut self, number: usize) {
        let tenant = format!("t{}", number / ACTIONS_A_COMMAND * COMMANDED % self.tenants);
        let rule = ["tenant-limit", "type-limit"][self.rng.usize(0..2)];
        let command = match self.rng.u32(0..10) {
            0..5 => json!({"forget_dedup_key": {"dedup_key": format!("k{}", self.rng.u32(0..KEYS))}}),
            5..9 => json!({"reset_throttle": {"rule": rule}}),
            _ => json!("nonsense"),
        };
        *if command.is_string() { &mut self.sent.broken } else { &mut self.sent.commands } += 1;
        let value = json!({
            "id": format!("c{number}"), "namespace": NAMESPACE, "tenant": tenant, "issued_at": 0, "command": command,
        });
        self.outlet.produce(
            "commands",
            None,
            Some(&tenant_key(NAMESPACE, &tenant)),
            Some(value.to_string().as_bytes()),
        );
    }
}
