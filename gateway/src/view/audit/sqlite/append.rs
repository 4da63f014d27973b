use super::key_of;
use crate::view::audit::entry::phase_tag;
use crate::view::audit::{Appended, AuditBatch, AuditEntry, StoreError};
use acteon_schemas::AuditPhase;
use rusqlite::{CachedStatement, Connection, TransactionBehavior, params};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

pub(super) const SET_OFFSET: &str = "INSERT INTO offsets (topic, partition, next) VALUES (?1, ?2, ?3) \
    ON CONFLICT DO UPDATE SET next = excluded.next";
const ADVANCE_OFFSET: &str = "INSERT INTO offsets (topic, partition, next) VALUES (?1, ?2, ?3) \
    ON CONFLICT DO UPDATE SET next = max(next, excluded.next)";
/// A row that is there already changes by a result alone, and by it in the way of [`AuditEntry::complete`].
const UPSERT: &str = "INSERT INTO audit (id_key, action_key, log_partition, log_offset, dispatched_at, completed_at, \
        duration_ms, expires_at, definitions_version, phase, outcome, verdict, namespace, tenant, provider, \
        original_provider, action_type, matched_rule, chain_id, released_by, id, action_id, source, verdict_details, \
        outcome_details, metadata, action_payload, caller_id, signer_id, kid) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, \
        ?24, ?25, ?26, ?27, ?28, ?29, ?30) \
    ON CONFLICT (dispatched_at, id_key) DO UPDATE SET phase = excluded.phase, outcome = excluded.outcome, \
        verdict = iif(excluded.verdict = 'reroute', excluded.verdict, verdict), provider = excluded.provider, \
        original_provider = coalesce(excluded.original_provider, original_provider), \
        completed_at = excluded.completed_at, duration_ms = excluded.duration_ms, expires_at = excluded.expires_at, \
        outcome_details = excluded.outcome_details \
        WHERE excluded.phase = 'completed'";

/// Writes what is new of a batch, and the offsets after it.
pub(super) fn append(connection: &mut Connection, batch: AuditBatch) -> Result<Appended, StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let stored = offsets(&transaction, batch.topic())?;
    {
        let mut advance = transaction.prepare_cached(ADVANCE_OFFSET)?;
        for (partition, next) in batch.next() {
            advance.execute(params![batch.topic(), partition, next])?;
        }
    }
    let given = batch.len();
    let is_new = |entry: &AuditEntry| stored.get(&entry.log_partition).is_none_or(|next| entry.log_offset >= *next);
    let fresh: Vec<AuditEntry> = batch.entries.into_iter().filter(is_new).collect();
    let taken = fresh.len();
    {
        let mut upsert = transaction.prepare_cached(UPSERT)?;
        for row in joined(fresh) {
            write(&mut upsert, &row)?;
        }
    }
    transaction.commit()?;
    Ok(Appended { taken, repeated: given - taken })
}

/// The offsets to read the topic's partitions on from.
pub(super) fn offsets(connection: &Connection, topic: &str) -> Result<BTreeMap<i32, i64>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT partition, next FROM offsets WHERE topic = ?1")?;
    let rows = statement.query_map(params![topic], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Puts both records of an action into one where the batch has both, so that its row is written once.
fn joined(entries: Vec<AuditEntry>) -> Vec<AuditEntry> {
    let mut rows: Vec<AuditEntry> = Vec::with_capacity(entries.len());
    let mut places: FxHashMap<(i64, i64), usize> = FxHashMap::default();
    for entry in entries {
        let key = (entry.dispatched_at, key_of(&entry.id));
        if entry.phase == AuditPhase::Completed
            && let Some(row) = places.get(&key).and_then(|place| rows.get_mut(*place))
        {
            row.complete(entry);
            continue;
        }
        if entry.phase == AuditPhase::Decided {
            places.insert(key, rows.len());
        }
        rows.push(entry);
    }
    rows
}

fn write(upsert: &mut CachedStatement<'_>, row: &AuditEntry) -> rusqlite::Result<()> {
    upsert.execute(params![
        key_of(&row.id),
        key_of(&row.action_id),
        row.log_partition,
        row.log_offset,
        row.dispatched_at,
        row.completed_at,
        row.duration_ms,
        row.expires_at,
        row.definitions_version,
        phase_tag(row.phase),
        row.outcome.as_str(),
        row.verdict,
        row.namespace,
        row.tenant,
        row.provider,
        row.original_provider,
        row.action_type,
        row.matched_rule,
        row.chain_id,
        row.released_by,
        row.id,
        row.action_id,
        row.source.to_string(),
        row.verdict_details.as_ref().map(|json| json.get()),
        row.outcome_details.as_ref().map(|json| json.get()),
        row.metadata.as_ref().map(|json| json.get()),
        row.action_payload.as_ref().map(|json| json.get()),
        row.caller_id,
        row.signer_id,
        row.kid,
    ])?;
    Ok(())
}
