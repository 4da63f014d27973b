//! The HTTP side of Acteon: the API, and what operators and orchestrators ask for.
//!
//! | Path | Answer |
//! |---|---|
//! | `POST /v1/dispatch` | the outcome of an action; 202 with its id where that takes longer than the request waits |
//! | `POST /v1/dispatch/batch` | the same for an array of up to 1,000 actions, in order |
//! | `POST /v1/dispatch?dry_run=true` | what the rules would decide; nothing is sent |
//! | `/v1/rules…` | the rules in effect, the same with a trace, and loading them anew |
//! | `/v1/events…`, `groups`, `approvals`, `chains`, `scheduled`, `recurring`, `quotas`, `retention`, `silences`, `circuit-breakers` | a tenant's state: told and changed by the processor's commands |
//! | `GET /v1/audit` | audit records by filters, the newest first, with a cursor for the next page |
//! | `GET /v1/audit/{action_id}` | the newest record that tells of an action |
//! | `POST /v1/audit/{action_id}/replay` | the action is sent again, with `replayed_from` among its labels |
//! | `POST /v1/audit/replay` | the same for all of a page |
//! | `GET /v1/analytics` | volume, outcomes, action types, latency or error rate by the hour, day, week or month |
//! | `GET /v1/stream`, `GET /v1/subscribe/{entity}/{id}` | events as they happen, over server-sent events, from any position in the log on |
//! | `GET /v1/providers/health`, `GET /v1/circuit-breakers` | how providers' calls fare, and how their circuits stand |
//! | `/v1/chains/definitions…`, `/v1/chains/{id}/history`, `…/dag` | chains as people look at them |
//! | `POST /v1/ingest/{name}` | a webhook in the shape of others, made actions as configured |
//! | `POST /api/v2/alerts` | alerts, as Prometheus sends them to Alertmanager; `/v1/dispatch/alertmanager` as Alertmanager sends them on |
//! | `GET /health` | 200 while the process serves: `{"status":"ok","metrics":{…}}` |
//! | `GET /ready` | 200 when everything is caught up, else 503; either way with the reasons |
//! | `GET /metrics` | the counters as JSON |
//! | `GET /metrics/prometheus` | all metrics as Prometheus text |
//!
//! The gateway knows nothing of the rest of the process: it asks [`Probes`], reads the metrics registry, and talks to the
//! processors through the log alone, wherever they run. A request becomes a record (`api/send.rs`), one thread follows all
//! outcomes (`log/kafka.rs`), and `log/waiting.rs` brings the two together.

mod api;
mod clock;
mod counters;
mod dead_letters;
mod error;
mod http_metrics;
pub mod intake;
mod log;
mod metrics;
mod probe;
mod routes;
mod rules;
mod server;
mod stream;
mod swagger;
pub mod view;

pub use api::ApiLimits;
pub use dead_letters::{DeadLetterChoice, DeadLetterError, DeadLetterFilter, DeadLetters};
pub use error::Error;
pub use metrics::Metrics;
pub use probe::{Component, Probes, Readiness, TaskReadiness};
pub use rules::{EditError, ReloadError, Reloaded, RuleBook};
pub use server::{Gateway, Sources};
pub use stream::StreamLimits;
