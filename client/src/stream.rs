use crate::sse::{MAX_EVENT_BYTES, Reader, Sent};
use crate::{Client, Error};
use bytes::Bytes;
use futures::future::Either;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _};
use serde::Serialize;
use serde_json::Value;
use std::time::Duration;

/// How long nothing may come until the connection is taken for dead: three times a gateway's keep-alive.
const MAX_SILENCE: Duration = Duration::from_secs(45);
/// Where events come from.
const PATH: [&str; 2] = ["v1", "stream"];

/// Which events are wanted; all that are set must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamFilter {
    /// Scope.
    pub namespace: Option<String>,
    /// Scope.
    pub tenant: Option<String>,
    /// The action's type.
    pub action_type: Option<String>,
    /// What became of it: `executed`, `suppressed`, …
    pub outcome: Option<String>,
    /// The event's type: `action_dispatched`, `chain_completed`, …
    pub event_type: Option<String>,
    /// The chain that it is about.
    pub chain_id: Option<String>,
    /// The group that it is about.
    pub group_id: Option<String>,
    /// The action that it is about.
    pub action_id: Option<String>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StreamEvent {
    /// Where a stream that begins behind it is asked for.
    pub id: Option<String>,
    /// Its type; `lagged` says that some were lost.
    pub event: String,
    /// What is said of it.
    pub data: Value,
}

impl StreamFilter {
    fn pairs(&self) -> Vec<(&'static str, String)> {
        let fields = [
            ("namespace", &self.namespace),
            ("tenant", &self.tenant),
            ("action_type", &self.action_type),
            ("outcome", &self.outcome),
            ("event_type", &self.event_type),
            ("chain_id", &self.chain_id),
            ("group_id", &self.group_id),
            ("action_id", &self.action_id),
        ];
        fields.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect()
    }
}

/// A stream of events under way.
struct Following {
    client: Client,
    query: Vec<(&'static str, String)>,
    /// Of the last event that came.
    last_id: Option<String>,
    open: Option<(BoxStream<'static, Result<Bytes, Error>>, Reader)>,
    /// Attempts that failed since the last event.
    failed: u32,
    ended: bool,
}

impl Client {
    /// Events as they happen, from now on, or from behind the one with the id `after`.
    ///
    /// A connection that breaks is made again, behind the last event that came, so that none is lost or there twice. It ends
    /// only with an error: the gateway refuses, or it can't be reached as often as the client's retries allow.
    pub fn stream(
        &self,
        filter: &StreamFilter,
        after: Option<&str>,
    ) -> impl Stream<Item = Result<StreamEvent, Error>> + Send + use<> {
        let following = Following {
            client: self.clone(),
            query: filter.pairs(),
            last_id: after.map(str::to_owned),
            open: None,
            failed: 0,
            ended: false,
        };
        futures::stream::unfold(following, |mut following| async move {
            let next = following.next().await?;
            Some((next, following))
        })
    }
}

impl Following {
    async fn next(&mut self) -> Option<Result<StreamEvent, Error>> {
        while !self.ended {
            match self.step().await {
                Ok(Some(sent)) => {
                    self.failed = 0;
                    self.last_id.clone_from(&sent.id);
                    return Some(Ok(event(sent)));
                }
                Ok(None) => {}
                Err(error) => {
                    let asked = self.open.take().and_then(|(_, reader)| reader.retry_ms).map(Duration::from_millis);
                    self.failed += 1;
                    let policy = self.client.retry_policy();
                    if !error.is_retryable() || !policy.goes_on_after(self.failed) {
                        self.ended = true;
                        return Some(Err(error));
                    }
                    let asked = error.retry_after().or(asked);
                    tokio::time::sleep(policy.delay(self.failed, asked, fastrand::f64())).await;
                }
            }
        }
        None
    }

    /// Takes an event that is there, or the next bytes.
    async fn step(&mut self) -> Result<Option<Sent>, Error> {
        let Some((bytes, reader)) = &mut self.open else {
            let opened = self.client.open(&PATH, &self.query, self.last_id.as_deref()).await?;
            self.open = Some((opened.boxed(), Reader::default()));
            return Ok(None);
        };
        match reader.next() {
            Ok(None) => {}
            Ok(Some(mut sent)) => {
                // One without an id leaves the place where it was.
                sent.id = sent.id.or_else(|| self.last_id.clone());
                return Ok(Some(sent));
            }
            Err(_) => {
                let problem = format!("an event has more than {MAX_EVENT_BYTES} bytes");
                return Err(Error::Answer { path: "/v1/stream".to_owned(), problem });
            }
        }
        let silence = std::pin::pin!(tokio::time::sleep(MAX_SILENCE));
        match futures::future::select(bytes.next(), silence).await {
            Either::Left((Some(chunk), _)) => {
                reader.push(&chunk?);
                Ok(None)
            }
            Either::Left((None, _)) => Err(self.broken("the stream ended")),
            Either::Right(_) => Err(self.broken("nothing has come for too long")),
        }
    }

    fn broken(&self, problem: &str) -> Error {
        Error::Transport { endpoint: self.client.endpoint().to_owned(), problem: problem.to_owned() }
    }
}

fn event(sent: Sent) -> StreamEvent {
    let Sent { id, event, data } = sent;
    let data = serde_json::from_str(&data).unwrap_or(Value::String(data));
    StreamEvent { id, event, data }
}
