//! A store with records, for tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::{AuditBatch, AuditEntry, AuditFilter, AuditPage, AuditQuery, AuditStore as _, SqliteAuditStore};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;

/// The topic that all records of these tests are from.
pub(crate) const TOPIC: &str = "acteon.audit";

/// A store in a directory of its own.
pub(crate) struct Fixture {
    store: Option<Arc<SqliteAuditStore>>,
    directory: TempDir,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let fixture = Self::empty();
        futures::executor::block_on(fixture.store().filled()).unwrap();
        fixture
    }

    /// One that waits to be filled.
    pub(crate) fn empty() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut fixture = Self { store: None, directory };
        fixture.reopen();
        fixture
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("view/audit.sqlite")
    }

    /// As after a crash: what was not committed is gone.
    pub(crate) fn reopen(&mut self) {
        self.store = None;
        self.store = Some(Arc::new(SqliteAuditStore::open(&self.path()).unwrap()));
    }

    /// The names of its indexes.
    pub(crate) fn indexes(&self) -> Vec<String> {
        let connection = Connection::open(self.path()).unwrap();
        let sql = "SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL ORDER BY 1";
        let mut names = connection.prepare(sql).unwrap();
        names.query_map([], |row| row.get(0)).unwrap().collect::<rusqlite::Result<_>>().unwrap()
    }

    pub(crate) fn store(&self) -> &Arc<SqliteAuditStore> {
        self.store.as_ref().unwrap()
    }

    /// Writes records of partition 0, the first one at an offset.
    pub(crate) async fn write(&self, first: i64, records: &[Value]) {
        self.store().append(batch(0, first, records)).await.unwrap();
    }

    pub(crate) async fn page(&self, query: AuditQuery) -> AuditPage {
        self.store().query(query).await.unwrap()
    }

    /// Action ids of all that fit, the newest first.
    pub(crate) async fn found(&self, filter: AuditFilter) -> Vec<String> {
        let page = self.page(AuditQuery { filter, limit: 1000, ..AuditQuery::default() }).await;
        assert_eq!(page.total, Some(page.records.len() as u64), "the total is that of the records");
        ids(&page.records)
    }
}

pub(crate) fn ids(records: &[AuditEntry]) -> Vec<String> {
    records.iter().map(|record| record.action_id.clone()).collect()
}

pub(crate) fn batch(partition: i32, first: i64, records: &[Value]) -> AuditBatch {
    let mut batch = AuditBatch::new(TOPIC);
    for (offset, record) in (first..).zip(records) {
        batch.push(partition, offset, record.to_string().as_bytes()).unwrap();
    }
    batch
}

/// A record of an action that needs no provider, with some fields set otherwise.
pub(crate) fn record(action_id: &str, at: i64, changed: Value) -> Value {
    let mut record = json!({
        "id": format!("audit of {action_id}"), "phase": "decided", "action_id": action_id, "namespace": "n",
        "tenant": "t", "provider": "p", "action_type": "x", "verdict": "suppress", "matched_rule": "r",
        "outcome": "suppressed", "action_payload": {"amount": 1}, "metadata": {"cluster": "prod"},
        "dispatched_at": at, "completed_at": at, "duration_ms": 0, "definitions_version": 3,
        "source": {"topic": "acteon.actions", "partition": 0, "offset": at},
    });
    let Value::Object(changed) = changed else { panic!("no object: {changed}") };
    record.as_object_mut().unwrap().extend(changed);
    record
}

/// The record of an action that was handed to a provider.
pub(crate) fn sent(action_id: &str, at: i64) -> Value {
    let changed = json!({"outcome": "dispatched", "verdict": "modify", "completed_at": null, "duration_ms": null});
    record(action_id, at, changed)
}

/// The record of its result.
pub(crate) fn done(action_id: &str, at: i64, took: i64, changed: Value) -> Value {
    let mut result = record(
        action_id,
        at,
        json!({
            "phase": "completed", "outcome": "executed", "verdict": "allow", "outcome_details": {"status": "success"},
            "metadata": {}, "completed_at": at + took, "duration_ms": took,
        }),
    );
    result.as_object_mut().unwrap().remove("action_payload");
    let Value::Object(changed) = changed else { panic!("no object: {changed}") };
    result.as_object_mut().unwrap().extend(changed);
    result
}
