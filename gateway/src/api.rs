//! The HTTP API: one file an area, merged in `routes.rs`.
//!
//! All that changes anything is a record of a topic; the answer is the outcome that the log gives back.
//!
//! To add a route:
//! 1. Write the handler under `#[utoipa::path(method, path = "…", tag = "…", params(…), request_body = …, responses(…))]`.
//!    Its first comment line is its summary. Parameters and bodies derive `IntoParams` and `ToSchema`; so does the shape of
//!    the answer, also where the handler passes on the processor's text, with `deny_unknown_fields`. Names of schemas are
//!    unique in the document: where a type's own name isn't, write `#[schema(as = …)]`.
//! 2. Say what else may come: `Refused<404>` and the like; `Question` or `Change` for what goes through `ask`. What may come
//!    of any request (400, 408, 413, 422, 500, 503) is added in `openapi.rs`.
//! 3. Register it with `.routes(routes!(handler))`, and the handlers of other methods of the same path in the same `routes!`.
//!    A test refuses a route that is not in the document. (In a file with `params(…)`, write `utoipa::IntoParams` in full: the
//!    macro does, and the compiler minds what is qualified for nothing.)

mod analytics;
mod audit;
mod body;
mod chain_definitions;
mod chains;
mod commands;
#[cfg(test)]
mod contract;
mod dispatch;
mod dlq;
mod error;
mod ingest;
mod limits;
pub(crate) mod openapi;
mod params;
mod providers;
mod routes;
mod rules;
mod send;
mod stream;
#[cfg(test)]
pub(crate) mod testing;

pub(crate) use error::ApiError;
pub(crate) use limits::method_not_allowed;
pub(crate) use routes::router;
pub(crate) use send::Desk;

use crate::Component;
use crate::clock;
use crate::dead_letters::DeadLetters;
use crate::intake::Intakes;
use crate::stream::{StreamLimits, Streams};
use crate::view::Tables;
use crate::view::audit::{AuditView, rfc3339};
use acteon_topology::KafkaConfig;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Limits of the API.
#[derive(Debug, Clone)]
pub struct ApiLimits {
    /// Most requests that are worked on at a time; above it, requests are answered 503.
    pub max_concurrent: usize,
    /// How long a dispatch waits for its outcome where the request does not say.
    pub wait: Duration,
    /// Most event streams that are open at a time.
    pub streams: StreamLimits,
}

impl Default for ApiLimits {
    fn default() -> Self {
        Self { max_concurrent: 5_000, wait: Duration::from_secs(30), streams: StreamLimits::default() }
    }
}

/// What all requests share. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Api(Arc<Shared>);

struct Shared {
    /// Set once Kafka is there.
    desk: OnceLock<Desk>,
    limits: ApiLimits,
    permits: Semaphore,
    audit: OnceLock<AuditView>,
    streams: OnceLock<Streams>,
    tables: OnceLock<Tables>,
    intakes: OnceLock<Intakes>,
    /// Milliseconds since 1970.
    started_at: i64,
    dead_letters: OnceLock<Arc<dyn DeadLetters>>,
    /// Whose turn it is to read them.
    dead_letter_turn: Arc<Semaphore>,
}

impl Api {
    pub(crate) fn new(limits: ApiLimits) -> Self {
        let permits = Semaphore::new(limits.max_concurrent);
        Self(Arc::new(Shared {
            desk: OnceLock::new(),
            limits,
            permits,
            audit: OnceLock::new(),
            streams: OnceLock::new(),
            tables: OnceLock::new(),
            intakes: OnceLock::new(),
            started_at: clock::now_ms(),
            dead_letters: OnceLock::new(),
            dead_letter_turn: Arc::new(Semaphore::new(1)),
        }))
    }

    /// From now on requests are taken. Only the first call counts.
    pub(crate) fn open(&self, desk: Desk) {
        self.0.desk.set(desk).ok();
    }

    /// The way to the log.
    ///
    /// # Errors
    /// The process is still starting.
    pub(crate) fn desk(&self) -> Result<&Desk, ApiError> {
        self.0.desk.get().ok_or_else(starting)
    }

    /// As [`Api::desk`], for `/ready`.
    pub(crate) fn opened(&self) -> Option<&Desk> {
        self.0.desk.get()
    }

    /// From now on questions for audit records are answered. Only the first call counts.
    pub(crate) fn open_audit(&self, view: AuditView) {
        self.0.audit.set(view).ok();
    }

    /// From now on what these make actions of is taken. Only the first call counts.
    pub(crate) fn open_intakes(&self, intakes: Intakes) {
        self.0.intakes.set(intakes).ok();
    }

    /// When this process began to serve (RFC 3339).
    pub(crate) fn started_at(&self) -> Option<String> {
        rfc3339(self.0.started_at)
    }

    /// From now on questions for dead letters are answered. Only the first call counts.
    pub(crate) fn open_dead_letters(&self, dead_letters: Arc<dyn DeadLetters>) {
        self.0.dead_letters.set(dead_letters).ok();
    }

    /// The audit view, where there is one.
    pub(crate) fn audit_view(&self) -> Option<&AuditView> {
        self.0.audit.get()
    }

    /// From now on streams are opened of what a topic tells. Only the first call counts.
    pub(crate) fn open_streams(&self, kafka: &KafkaConfig, topic: &str) {
        self.0.streams.get_or_init(|| Streams::new(kafka, topic, self.0.limits.streams));
    }

    /// The event streams.
    ///
    /// # Errors
    /// The process is still starting.
    pub(crate) fn streams(&self) -> Result<&Streams, ApiError> {
        self.0.streams.get().ok_or_else(starting)
    }

    /// From now on what the tables hold is told. Only the first call counts.
    pub(crate) fn open_tables(&self, tables: Tables) {
        self.0.tables.set(tables).ok();
    }

    /// The tables in memory.
    ///
    /// # Errors
    /// The process is still starting.
    pub(crate) fn tables(&self) -> Result<&Tables, ApiError> {
        self.0.tables.get().ok_or_else(starting)
    }

    /// How all views are doing, for `/ready`.
    pub(crate) fn view_components(&self) -> Vec<Component> {
        let audit = self.0.audit.get().map(AuditView::component);
        audit.into_iter().chain(self.0.tables.get().into_iter().flat_map(Tables::components)).collect()
    }

    /// Ends all streams.
    pub(crate) fn close_streams(&self) {
        if let Some(streams) = self.0.streams.get() {
            streams.close();
        }
    }
}

fn starting() -> ApiError {
    ApiError::unavailable("STARTING", "this gateway is still starting: see /ready").retry_after(1)
}
