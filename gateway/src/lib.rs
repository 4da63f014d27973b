//! The HTTP side of Acteon. So far: what operators and orchestrators ask for.
//!
//! | Path | Answer |
//! |---|---|
//! | `GET /health` | 200 while the process serves: `{"status":"ok","metrics":{…}}` |
//! | `GET /ready` | 200 when everything is caught up, else 503; either way with the reasons |
//! | `GET /metrics` | the counters as JSON |
//! | `GET /metrics/prometheus` | all metrics as Prometheus text |
//!
//! The gateway knows nothing of the rest of the process: it asks [`Probes`] and reads the metrics registry.

mod clock;
mod counters;
mod error;
mod metrics;
mod probe;
mod routes;
mod server;
pub mod view;

pub use error::Error;
pub use metrics::Metrics;
pub use probe::{Component, Probes, Readiness, TaskReadiness};
pub use server::Gateway;
