//! What is sent: actions of many tenants, with everything in them that a decision can turn on, and some commands.

use super::fleet::PARTITIONS;
use super::log::PREFIX;
use super::plan::Plan;
use acteon_schemas::{partition_of, tenant_key};
use acteon_testkit::clock;
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};
use rdkafka::types::RDKafkaErrorCode;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const NAMESPACE: &str = "n";
/// Longest wait for the last acknowledgement.
const FLUSH_LIMIT: Duration = Duration::from_secs(120);
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
        producer: producer(bootstrap),
        rng: fastrand::Rng::with_seed(plan.traffic_seed),
        tenants: plan.scale.tenants,
        busy: 0,
        sent: Sent::default(),
    };
    let (began, whole) = (clock::now(), Duration::from_secs(plan.scale.seconds));
    let mut number = 0;
    while number < plan.scale.actions {
        let due = began.elapsed().div_duration_f64(whole).min(1.0);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let due = (due * plan.scale.actions as f64) as usize;
        while number < due {
            sender.next(number);
            number += 1;
        }
        sender.producer.poll(Duration::from_millis(5));
    }
    sender.producer.flush(FLUSH_LIMIT).unwrap();
    assert_eq!(sender.producer.context().refused.load(Ordering::Relaxed), 0, "records were not delivered");
    sender.sent
}

/// Counts what the broker did not take.
#[derive(Default)]
struct Reports {
    refused: AtomicUsize,
}

impl ClientContext for Reports {
    // The broker goes away and comes back.
    fn error(&self, _: KafkaError, _: &str) {}
}

impl ProducerContext for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if result.is_err() {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// An idempotent producer: what it sends again after a lost answer is there once.
fn producer(bootstrap: &str) -> BaseProducer<Reports> {
    ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("enable.idempotence", "true")
        .set("partitioner", "murmur2_random")
        .set("linger.ms", "5")
        .set("reconnect.backoff.max.ms", "500")
        .create_with_context(Reports::default())
        .unwrap()
}

struct Sender {
    producer: BaseProducer<Reports>,
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
                self.produce("actions", Some(partition), None, value);
            }
            1..6 => {
                let key = tenant_key(NAMESPACE, &format!("t{tenant}"));
                let home = partition_of(key.as_bytes(), PARTITIONS);
                let partition = (home + self.rng.i32(1..PARTITIONS)) % PARTITIONS;
                let key = self.rng.bool().then_some("elsewhere");
                let action = self.action(number, tenant).to_string();
                self.sent.actions += 1;
                self.sent.misplaced += 1;
                self.produce("actions", Some(partition), key, Some(action.as_bytes()));
            }
            _ => {
                let key = tenant_key(NAMESPACE, &format!("t{tenant}"));
                let action = self.action(number, tenant).to_string();
                self.sent.actions += 1;
                self.produce("actions", None, Some(&key), Some(action.as_bytes()));
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
        self.produce("commands", None, Some(&tenant_key(NAMESPACE, &tenant)), Some(value.to_string().as_bytes()));
    }

    fn produce(&self, topic: &str, partition: Option<i32>, key: Option<&str>, value: Option<&[u8]>) {
        let topic = format!("{PREFIX}.{topic}");
        let mut record: BaseRecord<'_, str, [u8]> = BaseRecord::to(&topic);
        (record.partition, record.key, record.payload) = (partition, key, value);
        while let Err((error, back)) = self.producer.send(record) {
            assert_eq!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::QueueFull), "{error}");
            self.producer.poll(Duration::from_millis(5));
            record = back;
        }
    }
}
