//! Reads the committed outcomes back: how many, when, and what was decided.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use acteon_testkit::clock;
use anyhow::{Context as _, Result, bail, ensure};
use rdkafka::Message as _;
use rdkafka::error::KafkaError;
use serde::Deserialize;

use crate::kafka::Reader;
use crate::load::number_of;

/// Longest wait for the next record: it is all in the log by then.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Silence after the last expected record in which a surplus one would come.
const SURPLUS_WAIT: Duration = Duration::from_secs(1);

/// What of an outcome the harness looks at.
#[derive(Deserialize)]
pub(crate) struct Outcome<'a> {
    #[serde(borrow)]
    pub(crate) action_id: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) outcome: Cow<'a, str>,
}

/// A topic's committed outcomes.
#[derive(Debug)]
pub(crate) struct Drained {
    /// Append time of the first, in milliseconds since 1970.
    pub(crate) first_ms: i64,
    /// Append time of the last.
    pub(crate) last_ms: i64,
    /// How many of each kind; empty where outcomes are padding.
    pub(crate) kinds: BTreeMap<String, u64>,
}

/// Reads all committed outcomes of `reader`'s topic: `count` must be there, one an action if `decided`.
pub(crate) fn drain(reader: &Reader, count: u32, decided: bool) -> Result<Drained> {
    let consumer = reader.start()?;
    let mut drained = Drained { first_ms: i64::MAX, last_ms: 0, kinds: BTreeMap::new() };
    let mut decisions = vec![false; usize::try_from(count)?];
    let mut seen = 0;
    let mut heard = clock::now();
    loop {
        let patience = if seen < count { TIMEOUT } else { SURPLUS_WAIT };
        let record = match consumer.poll(Duration::from_millis(100)) {
            Some(record) => record,
            None if heard.elapsed() < patience => continue,
            None => break,
        };
        let record = match record {
            Ok(record) => record,
            // The client's own log line about a connection; it goes on by itself.
            Err(KafkaError::MessageConsumption(code)) if !code_is_fatal(code) => continue,
            Err(error) => return Err(error.into()),
        };
        heard = clock::now();
        seen += 1;
        let at = record.timestamp().to_millis().context("no timestamp")?;
        drained.first_ms = drained.first_ms.min(at);
        drained.last_ms = drained.last_ms.max(at);
        if decided {
            let payload = record.payload().unwrap_or_default();
            let outcome: Outcome<'_> =
                serde_json::from_slice(payload).with_context(|| String::from_utf8_lossy(payload).into_owned())?;
            let number = number_of(&outcome.action_id).and_then(|n| usize::try_from(n).ok());
            match number.and_then(|number| decisions.get_mut(number)) {
                Some(decision) if !*decision => *decision = true,
                Some(_) => bail!("action {} was decided twice", outcome.action_id),
                None => bail!("action {} was never produced", outcome.action_id),
            }
            *drained.kinds.entry(outcome.outcome.into_owned()).or_default() += 1;
        }
    }
    ensure!(seen == count, "{seen} committed outcomes of {count} actions");
    Ok(drained)
}

fn code_is_fatal(code: rdkafka::types::RDKafkaErrorCode) -> bool {
    use rdkafka::types::RDKafkaErrorCode as Code;
    !matches!(code, Code::BrokerTransportFailure | Code::AllBrokersDown)
}
