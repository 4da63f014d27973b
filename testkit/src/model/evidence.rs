//! What a run left in its topics, read into the little that the checker needs.

use super::Violation;
use super::decide::Tenant;
use crate::life;
use acteon_schemas::Coordinates;
use serde_json::Value;
use std::collections::BTreeMap;

/// A topic, by what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Topic {
    /// Actions.
    Actions,
    /// Actions that were re-keyed.
    Repartition,
    /// Commands.
    Commands,
    /// Results.
    Results,
    /// Outcomes.
    Outcomes,
    /// Audit records.
    Audit,
    /// Dispatches to any provider.
    Dispatches,
    /// Dead letters.
    DeadLetters,
    /// Either changelog.
    Changelog,
}

/// A committed record.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value.
    pub value: Option<&'a [u8]>,
    /// Where it was first read, from the header `acteon-origin` (re-keyed actions) or `acteon-dlq-source` (dead letters).
    pub source: Option<&'a str>,
}

/// Where an input stands.
pub(super) type Place = (Topic, i32, i64);

/// An action, or what can't be read as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Input<T> {
    Good(T),
    /// Its bytes, which must be found in the dead-letter topic.
    Broken(Vec<u8>),
}

/// What the model's rules look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ActionBody {
    pub(super) id: Option<String>,
    pub(super) namespace: String,
    pub(super) tenant: String,
    pub(super) provider: String,
    pub(super) action_type: String,
    pub(super) dedup_key: Option<String>,
    pub(super) unsigned: bool,
    pub(super) critical: bool,
    /// Whether `once` looks at it.
    pub(super) deduplicated: bool,
    /// Whether the limits look at it.
    pub(super) limited: bool,
}

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CommandBody {
    pub(super) id: String,
    pub(super) tenant: Tenant,
    pub(super) order: Order,
}

/// What a command asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Order {
    /// Forget a deduplication key.
    Forget(String),
    /// Forget what a rule has counted.
    Reset(String),
    /// Tell something: no audit record is kept of that.
    Look,
}

/// A connector's result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) dispatch_id: String,
    pub(super) delivered: bool,
    /// Whether the dispatch came back with it.
    pub(super) echoed: bool,
}

/// An outcome record.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) source: Place,
    pub(super) action_id: String,
    pub(super) outcome: String,
    pub(super) rule: Option<String>,
    pub(super) provider: String,
    pub(super) decided_at: i64,
    pub(super) retry_after_ms: Option<i64>,
    pub(super) dispatch_id: Option<String>,
    /// Whether it tells of a provider's result rather than of a decision.
    pub(super) completes: bool,
}

impl Told {
    /// Whether it answers a command.
    pub(super) fn is_answer(&self) -> bool {
        self.source.0 == Topic::Commands
    }
}

/// An audit record.
#[derive(Debug, Clone)]
pub(super) struct Audited {
    pub(super) partition: i32,
    pub(super) source: Place,
    pub(super) completed: bool,
    pub(super) outcome: String,
    pub(super) rule: Option<String>,
}

/// A dispatch.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) id: String,
    pub(super) source: Place,
    pub(super) provider: String,
    pub(super) task: i32,
}

/// A dead letter.
#[derive(Debug, Clone)]
pub(super) struct Letter {
    pub(super) source: Place,
    pub(super) value: Vec<u8>,
}

impl Letter {
    /// Whether it holds the dispatch with this id.
    pub(super) fn is_dispatch(&self, id: &str) -> bool {
        serde_json::from_slice::<Value>(&self.value).is_ok_and(|json| json["dispatch_id"] == id)
    }
}

/// The inputs of one topic: by partition, in the order of their offsets.
pub(super) type Inputs<T> = BTreeMap<i32, BTreeMap<i64, T>>;

/// The committed records of a whole run.
#[derive(Debug)]
pub struct Evidence {
    prefix: String,
    pub(super) partitions: i32,
    /// Wall time at the end, in milliseconds since 1970: what has expired by then may be missing from the state.
    pub(super) now: i64,
    pub(super) actions: Inputs<Input<ActionBody>>,
    pub(super) rekeyed: Inputs<(Place, Input<ActionBody>)>,
    pub(super) orders: Inputs<Input<CommandBody>>,
    pub(super) answers: Inputs<Input<Answer>>,
    pub(super) told: BTreeMap<i32, Vec<Told>>,
    pub(super) audited: Vec<Audited>,
    pub(super) sent: Vec<Sent>,
    pub(super) letters: Vec<Letter>,
    pub(super) state: BTreeMap<i32, BTreeMap<Vec<u8>, Vec<u8>>>,
    pub(super) malformed: Vec<Violation>,
}

impl Evidence {
    /// None yet. `prefix` is what topic names begin with, `partitions` the count of the co-partitioned topics, `now` the
    /// wall time at the end of the run (milliseconds since 1970).
    #[must_use]
    pub fn new(prefix: &str, partitions: i32, now: i64) -> Self {
        Self {
            prefix: prefix.to_owned(),
            partitions,
            now,
            actions: Inputs::new(),
            rekeyed: Inputs::new(),
            orders: Inputs::new(),
            answers: Inputs::new(),
            told: BTreeMap::new(),
            audited: Vec::new(),
            sent: Vec::new(),
            letters: Vec::new(),
            state: BTreeMap::new(),
            malformed: Vec::new(),
        }
    }

    /// Takes a record. Records of a partition come in the order of their offsets; of the changelogs, all that are left.
    /// What belongs to the tenants of [`life`](crate::life) is left out.
    pub fn add(&mut self, topic: Topic, record: &Record<'_>) {
        let (partition, offset, value) = (record.partition, record.offset, record.value.unwrap_or_default());
        let json = if topic == Topic::Changelog { None } else { serde_json::from_slice(value).ok() };
        if life::owns(topic, record.key, json.as_ref()) {
            return;
        }
        let taken = match topic {
            Topic::Actions => {
                self.actions.entry(partition).or_default().insert(offset, input(value, json, action));
                Some(())
            }
            Topic::Commands => {
                self.orders.entry(partition).or_default().insert(offset, input(value, json, order));
                Some(())
            }
            Topic::Results => {
                self.answers.entry(partition).or_default().insert(offset, input(value, json, answer));
                Some(())
            }
            Topic::Repartition => self.place(record.source).map(|origin| {
                self.rekeyed.entry(partition).or_default().insert(offset, (origin, input(value, json, action)));
            }),
            Topic::Outcomes => {
                json.and_then(|json| self.told(&json)).map(|told| self.told.entry(partition).or_default().push(told))
            }
            Topic::Audit => json.and_then(|json| self.audited(partition, &json)).map(|line| self.audited.push(line)),
            Topic::Dispatches => json.and_then(|json| self.sent(&json)).map(|sent| self.sent.push(sent)),
            Topic::DeadLetters => {
                self.place(record.source).map(|source| self.letters.push(Letter { source, value: value.to_vec() }))
            }
            Topic::Changelog => record.key.map(|key| {
                let state = self.state.entry(partition).or_default();
                match record.value {
                    Some(value) => state.insert(key.to_vec(), value.to_vec()),
                    None => state.remove(key),
                };
            }),
        };
        if taken.is_none() {
            let text = String::from_utf8_lossy(value);
            self.malformed.push(Violation::new("malformed record", format!("{topic:?}/{partition}/{offset}: {text}")));
        }
    }

    /// Parses coordinates that name one of the input topics.
    fn place(&self, text: Option<&str>) -> Option<Place> {
        let Coordinates { topic, partition, offset } = Coordinates::parse(text?)?;
        let topic = match topic.strip_prefix(&self.prefix)? {
            ".actions" => Topic::Actions,
            ".repartition" => Topic::Repartition,
            ".commands" => Topic::Commands,
            ".results" => Topic::Results,
            _ => return None,
        };
        Some((topic, partition, offset))
    }

    fn source(&self, json: &Value) -> Option<Place> {
        let source = &json["source"];
        let text = format!("{}/{}/{}", source["topic"].as_str()?, source["partition"], source["offset"]);
        self.place(Some(&text))
    }

    fn told(&self, json: &Value) -> Option<Told> {
        let (source, outcome) = (self.source(json)?, text(json, "outcome")?);
        let provider = text(json, "provider").or_else(|| (source.0 == Topic::Commands).then(String::new))?;
        let detail = &json["detail"];
        let retry = &detail["Throttled"]["retry_after"];
        let retry_after_ms =
            retry["secs"].as_i64().and_then(|secs| Some(secs * 1000 + retry["nanos"].as_i64()? / 1_000_000));
        let attempted = detail["Failed"]["attempts"].as_i64().is_some_and(|attempts| attempts > 0);
        Some(Told {
            source,
            action_id: text(json, "action_id")?,
            completes: matches!(outcome.as_str(), "executed" | "rerouted") || attempted,
            outcome,
            rule: text(json, "rule"),
            provider,
            decided_at: json["decided_at"].as_i64()?,
            retry_after_ms,
            dispatch_id: text(&detail["Dispatched"], "dispatch_id"),
        })
    }

    fn audited(&self, partition: i32, json: &Value) -> Option<Audited> {
        Some(Audited {
            partition,
            source: self.source(json)?,
            completed: json["phase"] == "completed",
            outcome: text(json, "outcome")?,
            rule: text(json, "matched_rule"),
        })
    }

    fn sent(&self, json: &Value) -> Option<Sent> {
        Some(Sent {
            id: text(json, "dispatch_id")?,
            source: self.source(json)?,
            provider: text(json, "provider")?,
            task: i32::try_from(json["task"].as_i64()?).ok()?,
        })
    }
}

fn input<T>(value: &[u8], json: Option<Value>, parse: impl Fn(&Value) -> Option<T>) -> Input<T> {
    let parsed = json.and_then(|json| parse(&json));
    parsed.map_or_else(|| Input::Broken(value.to_vec()), Input::Good)
}

fn text(json: &Value, field: &str) -> Option<String> {
    json[field].as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

fn action(json: &Value) -> Option<ActionBody> {
    let payload = json.get("payload")?;
    Some(ActionBody {
        id: text(json, "id"),
        namespace: text(json, "namespace")?,
        tenant: text(json, "tenant")?,
        provider: text(json, "provider")?,
        action_type: text(json, "action_type")?,
        dedup_key: text(json, "dedup_key"),
        unsigned: payload["signed"] == false,
        critical: payload["severity"] == "critical",
        deduplicated: payload["repeats"] != "fine",
        limited: payload["limit"] != "none",
    })
}

fn order(json: &Value) -> Option<CommandBody> {
    let command = &json["command"];
    let order = if let Some(key) = text(&command["forget_dedup_key"], "dedup_key") {
        Order::Forget(key)
    } else if let Some(rule) = text(&command["reset_throttle"], "rule") {
        Order::Reset(rule)
    } else {
        command["list_scheduled"].as_object().map(|_| Order::Look)?
    };
    let tenant = (text(json, "namespace")?, text(json, "tenant")?);
    Some(CommandBody { id: text(json, "id")?, tenant, order })
}

fn answer(json: &Value) -> Option<Answer> {
    let delivered = json["result"].get("delivered").is_some();
    Some(Answer { dispatch_id: text(json, "dispatch_id")?, delivered, echoed: json["dispatch"].is_object() })
}
