//! The gate workload: makes the actions and loads them.

use std::fmt::Write as _;

use anyhow::{Result, ensure};
use fastrand::Rng;
use rdkafka::producer::BaseRecord;
use uuid::Uuid;

use crate::bulk::Bulk;
use crate::kafka::Reader;

/// The same actions at every run.
const SEED: u64 = 42;
const TENANTS: u32 = 64;
const DEVICES: u32 = 200_000;
/// Devices that repeated dedup keys are drawn from.
const REPEATED_DEVICES: u32 = 2_000;

/// One action, ready to be produced.
#[derive(Debug, PartialEq)]
pub(crate) struct Action<'a> {
    /// Its place in the stream, from 0; also the low bits of its id.
    pub(crate) number: u32,
    /// `namespace:tenant`.
    pub(crate) key: &'a str,
    /// The record's value.
    pub(crate) json: &'a str,
}

/// An endless, reproducible stream of actions of about 390 bytes: 64 tenants, 30 % repeated dedup keys, 5 % tests,
/// 5 % firmware updates, 2 % unsigned.
pub(crate) struct Actions {
    rng: Rng,
    next: u32,
    key: String,
    json: String,
}

impl Actions {
    pub(crate) fn new() -> Self {
        Self { rng: Rng::with_seed(SEED), next: 0, key: String::new(), json: String::new() }
    }

    /// The next action.
    pub(crate) fn advance(&mut self) -> Result<Action<'_>> {
        let rng = &mut self.rng;
        let number = self.next;
        self.next += 1;
        let tenant = rng.u32(..TENANTS);
        let device = rng.u32(..DEVICES);
        let repeated = rng.u32(..10) < 3;
        let action_type = match rng.u32(..20) {
            0 => "test",
            1 => "firmware_update",
            _ => "sensor_reading",
        };
        let id = Uuid::from_u64_pair(rng.u64(..), u64::from(number));
        let value = f64::from(rng.u32(..1_200)) / 10.0;
        let signed = rng.u32(..50) != 0;
        let (floor, zone, building) = (rng.u32(..40), rng.u32(..12), rng.u32(..9));
        self.key.clear();
        write!(self.key, "iot:tenant-{tenant}")?;
        let json = &mut self.json;
        json.clear();
        write!(json, r#"{{"id":"{id}","namespace":"iot","tenant":"tenant-{tenant}","provider":"webhook","#)?;
        write!(json, r#""action_type":"{action_type}","payload":{{"device_id":"device-{device}","#)?;
        write!(json, r#""sensor":"temperature","value":{value:.1},"unit":"celsius","signed":{signed},"#)?;
        write!(json, r#""floor":{floor},"zone":"zone-{zone}"}},"#)?;
        write!(json, r#""metadata":{{"building":"hq-{building}","source":"bench"}},"dedup_key":"device-"#)?;
        if repeated {
            write!(json, "{}", device % REPEATED_DEVICES)?;
        } else {
            write!(json, "{device}-{number}")?;
        }
        json.push_str(r#"","created_at":"2026-01-01T00:00:00Z"}"#);
        Ok(Action { number, key: &self.key, json })
    }
}

/// The number of an action of [`Actions`], from its id.
pub(crate) fn number_of(id: &str) -> Option<u32> {
    let (_, low) = Uuid::try_parse(id).ok()?.as_u64_pair();
    u32::try_from(low).ok()
}

/// Produces the first `count` actions to `topic`, which must be empty.
pub(crate) fn load(bootstrap: &str, topic: &str, count: u32) -> Result<()> {
    produce(bootstrap, topic, count, |json| json.to_owned())
}

/// As [`load`], with actions that ask to be held until a time (RFC 3339).
pub(crate) fn load_until(bootstrap: &str, topic: &str, count: u32, at: &str) -> Result<()> {
    produce(bootstrap, topic, count, |json| json.replacen('{', &format!(r#"{{"dispatch_at":"{at}","#), 1))
}

fn produce(bootstrap: &str, topic: &str, count: u32, value: impl Fn(&str) -> String) -> Result<()> {
    let bulk = Bulk::new(bootstrap)?;
    let mut actions = Actions::new();
    for _ in 0..count {
        let Action { key, json, .. } = actions.advance()?;
        bulk.send(BaseRecord::to(topic).key(key.as_bytes()).payload(value(json).as_bytes()))?;
    }
    bulk.flush()?;
    let loaded = Reader::new(bootstrap, topic)?.stable_end()?;
    ensure!(loaded == u64::from(count), "{topic} took {loaded} of {count} actions");
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn the_mix_is_that_of_the_gate_workload() {
        let mut actions = Actions::new();
        let (mut tests, mut unsigned, mut bytes) = (0, 0, 0);
        for number in 0..20_000 {
            let Action { key, json, .. } = actions.advance().unwrap();
            let action: Value = serde_json::from_str(json).unwrap();
            let tenant = action["tenant"].as_str().unwrap();
            assert_eq!(key, format!("iot:{tenant}"));
            assert_eq!(number_of(action["id"].as_str().unwrap()), Some(number));
            tests += u32::from(action["action_type"] == "test");
            unsigned += u32::from(action["payload"]["signed"] == false);
            bytes += json.len();
        }
        assert!((900..1_100).contains(&tests), "{tests} tests");
        assert!((320..480).contains(&unsigned), "{unsigned} unsigned");
        assert!((370..410).contains(&(bytes / 20_000)), "{bytes} bytes in all");
    }

    #[test]
    fn the_stream_is_the_same_every_time() {
        let (mut one, mut two) = (Actions::new(), Actions::new());
        for _ in 0..100 {
            assert_eq!(one.advance().unwrap(), two.advance().unwrap());
        }
    }
}
