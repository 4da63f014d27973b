//! A log in memory, and requests to an API on it.

use super::{Api, ApiLimits, Desk};
use crate::log::{Log, Outgoing, SendError, Topic, Trace, Waiting};
use crate::routes;
use crate::rules::{EditError, ReloadError, Reloaded, RuleBook};
use crate::{Metrics, Probes, Readiness};
use acteon_core::{Assembled, Definitions, DefinitionsError, Secrets};
use acteon_schemas::{Definition, ProviderDefinition, RuleFile, RulesDefinition, SettingsDefinition};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A record that was sent.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) topic: Topic,
    pub(crate) key: String,
    pub(crate) value: Value,
    pub(crate) trace: Trace,
}

/// What the log does with a record.
pub(crate) enum Fate {
    /// It is written, and its outcome is this: kind and detail.
    Outcome(&'static str, Value),
    /// It is written, and nothing more comes.
    Written,
    /// It is not written.
    Lost,
    /// Nothing is ever heard of it.
    Silent,
    /// It is not taken.
    Refused(SendError),
}

struct FakeLog {
    waiting: Arc<Waiting>,
    seen: Arc<Mutex<Vec<Seen>>>,
    fate: Box<dyn Fn(&Seen) -> Fate + Send + Sync>,
}

impl Log for FakeLog {
    fn send(&self, record: Outgoing<'_>) -> Result<(), SendError> {
        let value: Value = serde_json::from_slice(record.value).unwrap();
        let seen = Seen { topic: record.topic, key: record.key.to_owned(), value, trace: record.trace.clone() };
        let offset = i64::try_from(self.seen.lock().unwrap().len()).unwrap();
        let fate = (self.fate)(&seen);
        self.seen.lock().unwrap().push(seen.clone());
        match fate {
            Fate::Refused(error) => return Err(error),
            Fate::Silent => {}
            Fate::Lost => self.waiting.delivered(record.ticket, Err("no broker".to_owned())),
            Fate::Written => self.waiting.delivered(record.ticket, Ok((0, offset))),
            Fate::Outcome(kind, detail) => {
                self.waiting.delivered(record.ticket, Ok((0, offset)));
                let topic = if seen.topic == Topic::Actions { "actions" } else { "commands" };
                let outcome = json!({
                    "action_id": seen.value["id"], "namespace": seen.value["namespace"], "tenant": seen.value["tenant"],
                    "provider": "p", "action_type": "a", "outcome": kind, "detail": detail, "is_final": true,
                    "decided_at": 0, "source": {"topic": topic, "partition": 0, "offset": offset},
                });
                self.waiting.heard(outcome.to_string().as_bytes());
            }
        }
        Ok(())
    }

    fn failed(&self) -> Option<String> {
        None
    }
}

/// The rules of all tests.
const RULES: &str = r#"
rules:
  - name: no-tests
    description: Test traffic
    condition: {field: action.payload.environment, eq: test}
    action: {type: suppress}
  - name: shout
    priority: 5
    condition: {field: action.action_type, eq: urgent}
    action: {type: reroute, target_provider: sms}
  - name: mark
    priority: 9
    enabled: false
    condition: {field: action.tenant, eq: t}
    action: {type: modify, changes: {seen: true}}
"#;

/// Rules and what operators have set, as the definitions topic would hold them. A definition named `away` finds no Kafka.
#[derive(Default)]
struct Book(Mutex<BTreeMap<String, Definition>>);

impl Book {
    fn assemble(operators: &BTreeMap<String, Definition>) -> Result<Assembled, DefinitionsError> {
        let rules = RulesDefinition {
            evaluation: "cascade".to_owned(),
            default: "allow".to_owned(),
            default_timezone: "UTC".to_owned(),
            files: vec![RuleFile { name: "rules.yaml".to_owned(), text: RULES.to_owned() }],
        };
        let mut published = vec![Definition::Rules(rules), Definition::Settings(SettingsDefinition::default())];
        published.extend(["email", "sms"].map(|name| Definition::Provider(ProviderDefinition::new(name, "log"))));
        let operators: Vec<Definition> = operators.values().cloned().collect();
        Ok(Definitions::assemble(0, &published, &operators, &Secrets::default())?.expect("rules and settings"))
    }
}

impl RuleBook for Book {
    fn definitions(&self) -> Option<Arc<Definitions>> {
        Self::assemble(&self.0.lock().unwrap()).ok().map(|all| Arc::new(all.definitions))
    }

    fn edit(&self, key: &str, value: Option<&Definition>) -> Result<Arc<Definitions>, EditError> {
        if key.ends_with("/away") {
            return Err(EditError::Failed("Kafka is away".to_owned()));
        }
        let mut operators = self.0.lock().unwrap();
        let mut changed = operators.clone();
        match value {
            Some(value) => changed.insert(key.to_owned(), value.clone()),
            None => changed.remove(key),
        };
        let lines = |text: String| EditError::Refused(text.lines().map(str::to_owned).collect());
        let Assembled { definitions, set_aside } =
            Self::assemble(&changed).map_err(|error| lines(error.to_string()))?;
        match set_aside.into_iter().next() {
            Some(aside) => Err(lines(aside.reason)),
            None => {
                *operators = changed;
                Ok(Arc::new(definitions))
            }
        }
    }

    fn reload(&self, directory: Option<&Path>) -> Result<Reloaded, ReloadError> {
        match directory.and_then(Path::to_str) {
            Some("bad") => Err(ReloadError::Refused(vec!["bad/a.yaml:3:1: error".to_owned()])),
            Some("away") => Err(ReloadError::Failed("Kafka is away".to_owned())),
            _ => Ok(Reloaded { rules: 3, directory: directory.unwrap_or_else(|| Path::new("rules")).to_owned() }),
        }
    }
}

/// An API that listens.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) api: Api,
    /// What the router shows of itself.
    pub(crate) routes: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// Status and body of an answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Value,
}

impl Server {
    pub(crate) async fn start(fate: impl Fn(&Seen) -> Fate + Send + Sync + 'static) -> Self {
        Self::with(ApiLimits { wait: Duration::from_millis(50), ..ApiLimits::default() }, Some(fate)).await
    }

    /// One that has no log yet.
    pub(crate) async fn starting() -> Self {
        Self::with(ApiLimits::default(), None::<fn(&Seen) -> Fate>).await
    }

    pub(crate) async fn with(limits: ApiLimits, fate: Option<impl Fn(&Seen) -> Fate + Send + Sync + 'static>) -> Self {
        let api = Api::new(limits);
        let seen = Arc::new(Mutex::new(Vec::new()));
        if let Some(fate) = fate {
            let waiting = Arc::new(Waiting::new("actions", "results"));
            let log = FakeLog { waiting: Arc::clone(&waiting), seen: Arc::clone(&seen), fate: Box::new(fate) };
            api.open(Desk::new(Box::new(log), waiting, Arc::new(Book::default())));
        }
        let probes = Probes { readiness: Arc::new(|| Readiness::of(Vec::new())) };
        let metrics = Metrics::of(&crate::metrics::recorder().unwrap());
        let router = routes::router(probes, metrics, Some(api.clone()));
        let routes = format!("{router:?}");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(
            async move { axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>()).await },
        );
        Self { address, api, routes, seen }
    }

    /// The records that were sent so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.request("GET", path, "", "").await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        self.request("POST", path, "", body).await
    }

    pub(crate) async fn request(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let length = body.len();
        let text = format!(
            "{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        );
        self.raw(text.as_bytes()).await
    }

    /// Writes bytes, and reads until the other side closes.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> Answer {
        let answer = self.exchange(bytes).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let body = serde_json::from_str(body).unwrap_or_else(|_| panic!("no JSON: {answer}"));
        Answer { status, head: head.to_lowercase(), body }
    }

    /// The answer as text.
    pub(crate) async fn text(&self, request: &str) -> String {
        self.exchange(request.as_bytes()).await
    }

    async fn exchange(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8(answer).unwrap()
    }
}
