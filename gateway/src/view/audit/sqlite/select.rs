use super::key_of;
use super::readers::{COUNT_STRIDES, QUESTION_STRIDES, Reader};
use crate::view::audit::{
    ActionKey, AuditEntry, AuditFilter, AuditPage, AuditQuery, MAX_PAGE_BYTES, Position, StoreError,
};
use acteon_schemas::{AuditPhase, Coordinates, Outcome};
use rusqlite::types::{Type, Value};
use rusqlite::{Connection, OptionalExtension as _, Row, params, params_from_iter};
use serde_json::value::RawValue;

const ROW: &str = "SELECT log_partition, log_offset, id, phase, action_id, namespace, tenant, provider, \
    original_provider, action_type, verdict, matched_rule, outcome, chain_id, released_by, dispatched_at, completed_at, \
    duration_ms, expires_at, definitions_version, source, verdict_details, outcome_details, action_payload, metadata, \
    caller_id, signer_id, kid \
    FROM audit WHERE seq = ?1";
/// The order of pages, which is that of [`Position`] the other way round.
const ORDER: &str = "ORDER BY dispatched_at DESC, log_offset DESC, log_partition DESC";

/// A condition with its values.
#[derive(Default)]
pub(super) struct Where {
    sql: String,
    values: Vec<Value>,
}

impl Where {
    pub(super) fn of(filter: &AuditFilter) -> Self {
        let mut all = Self::default();
        let columns = [
            ("namespace = ?", &filter.namespace),
            ("tenant = ?", &filter.tenant),
            ("action_type = ?", &filter.action_type),
            ("outcome = ?", &filter.outcome),
            ("verdict = ?", &filter.verdict),
            ("matched_rule = ?", &filter.matched_rule),
            ("chain_id = ?", &filter.chain_id),
            ("caller_id = ?", &filter.caller_id),
            ("signer_id = ?", &filter.signer_id),
            ("kid = ?", &filter.kid),
        ];
        for (condition, value) in columns {
            if let Some(value) = value {
                all.and(condition, [value.clone().into()]);
            }
        }
        if let Some(provider) = &filter.provider {
            all.and("(provider = ? OR original_provider = ?)", [provider.clone().into(), provider.clone().into()]);
        }
        if let Some(from) = filter.from {
            all.and("dispatched_at >= ?", [from.into()]);
        }
        if let Some(to) = filter.to {
            all.and("dispatched_at <= ?", [to.into()]);
        }
        all
    }

    pub(super) fn and<const N: usize>(&mut self, condition: &str, values: [Value; N]) {
        self.sql.push_str(if self.sql.is_empty() { "WHERE " } else { " AND " });
        self.sql.push_str(condition);
        self.values.extend(values);
    }

    fn behind(&mut self, position: Position) {
        // The first condition is what the index is searched by.
        self.and("dispatched_at <= ?", [position.dispatched_at.into()]);
        self.and(
            "(dispatched_at, log_offset, log_partition) < (?, ?, ?)",
            [position.dispatched_at.into(), position.log_offset.into(), i64::from(position.log_partition).into()],
        );
    }

    /// The condition as SQL.
    pub(super) fn sql(&self) -> &str {
        &self.sql
    }

    /// Its values, in order.
    pub(super) fn values(&self) -> &[Value] {
        &self.values
    }
}

/// A page, from one state of the store.
pub(super) fn page(reader: &Reader, query: &AuditQuery) -> Result<AuditPage, StoreError> {
    let snapshot = reader.connection.unchecked_transaction()?;
    let rows = places(&snapshot, query)?;
    let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
    let mut page = AuditPage::default();
    let mut bytes = 0;
    for seq in rows.iter().take(limit) {
        let entry = row(&snapshot, *seq)?;
        bytes += size(&entry);
        if bytes > MAX_PAGE_BYTES && !page.records.is_empty() {
            break;
        }
        page.records.push(entry);
    }
    if rows.len() > page.records.len() {
        page.next = page.records.last().map(Position::of);
    }
    if query.count {
        reader.allow(COUNT_STRIDES);
        page.total = count(&snapshot, &query.filter)?;
        reader.allow(QUESTION_STRIDES);
    }
    Ok(page)
}

/// The rows of a page, and the one behind it.
fn places(snapshot: &Connection, query: &AuditQuery) -> Result<Vec<i64>, StoreError> {
    let mut condition = Where::of(&query.filter);
    if let Some(position) = query.after {
        condition.behind(position);
    }
    let sql = format!("SELECT seq FROM audit {} {ORDER} LIMIT ? OFFSET ?", condition.sql());
    let offset = i64::try_from(query.offset).unwrap_or(i64::MAX);
    let bounds = [Value::Integer(i64::from(query.limit) + 1), Value::Integer(offset)];
    let mut statement = snapshot.prepare_cached(&sql)?;
    let found = statement.query_map(params_from_iter(condition.values().iter().chain(&bounds)), |row| row.get(0))?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

/// How many fit; none where that takes too long.
fn count(snapshot: &Connection, filter: &AuditFilter) -> Result<Option<u64>, StoreError> {
    let condition = Where::of(filter);
    let sql = format!("SELECT count(*) FROM audit {}", condition.sql());
    let counted: rusqlite::Result<i64> =
        snapshot.prepare_cached(&sql)?.query_row(params_from_iter(condition.values()), |row| row.get(0));
    match counted.map_err(StoreError::from) {
        Ok(total) => Ok(u64::try_from(total).ok()),
        Err(StoreError::TooBroad) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The newest record of an action, one that tells of it as a whole before one of its steps.
pub(super) fn action(reader: &Reader, key: &ActionKey) -> Result<Option<AuditEntry>, StoreError> {
    let mut condition = Where::default();
    condition.and("action_key = ?", [key_of(&key.action_id).into()]);
    condition.and("action_id = ?", [key.action_id.clone().into()]);
    for (column, value) in [("namespace = ?", &key.namespace), ("tenant = ?", &key.tenant)] {
        if let Some(value) = value {
            condition.and(column, [value.clone().into()]);
        }
    }
    let order = ORDER.replacen("ORDER BY", "ORDER BY phase = 'progress',", 1);
    let sql = format!("SELECT seq FROM audit {} {order} LIMIT 1", condition.sql());
    let snapshot = reader.connection.unchecked_transaction()?;
    let found: Option<i64> =
        snapshot.prepare_cached(&sql)?.query_row(params_from_iter(condition.values()), |row| row.get(0)).optional()?;
    found.map(|seq| row(&snapshot, seq)).transpose()
}

fn row(snapshot: &Connection, seq: i64) -> Result<AuditEntry, StoreError> {
    Ok(snapshot.prepare_cached(ROW)?.query_row(params![seq], entry)?)
}

/// About how many bytes of JSON a record is shown as.
fn size(entry: &AuditEntry) -> usize {
    let json = [&entry.verdict_details, &entry.outcome_details, &entry.action_payload, &entry.metadata];
    json.into_iter().flatten().map(|json| json.get().len()).sum::<usize>() + 1024
}

fn entry(row: &Row<'_>) -> rusqlite::Result<AuditEntry> {
    Ok(AuditEntry {
        log_partition: row.get(0)?,
        log_offset: row.get(1)?,
        id: row.get(2)?,
        phase: phase(row, 3)?,
        action_id: row.get(4)?,
        namespace: row.get(5)?,
        tenant: row.get(6)?,
        provider: row.get(7)?,
        original_provider: row.get(8)?,
        action_type: row.get(9)?,
        verdict: row.get(10)?,
        matched_rule: row.get(11)?,
        outcome: outcome(row, 12)?,
        chain_id: row.get(13)?,
        released_by: row.get(14)?,
        dispatched_at: row.get(15)?,
        completed_at: row.get(16)?,
        duration_ms: row.get(17)?,
        expires_at: row.get(18)?,
        definitions_version: row.get(19)?,
        source: source(row, 20)?,
        verdict_details: json(row, 21)?,
        outcome_details: json(row, 22)?,
        action_payload: json(row, 23)?,
        metadata: json(row, 24)?,
        caller_id: row.get(25)?,
        signer_id: row.get(26)?,
        kid: row.get(27)?,
    })
}

fn phase(row: &Row<'_>, column: usize) -> rusqlite::Result<AuditPhase> {
    match row.get_ref(column)?.as_str()? {
        "decided" => Ok(AuditPhase::Decided),
        "completed" => Ok(AuditPhase::Completed),
        "progress" => Ok(AuditPhase::Progress),
        other => Err(unknown(column, other)),
    }
}

fn outcome(row: &Row<'_>, column: usize) -> rusqlite::Result<Outcome> {
    let tag = row.get_ref(column)?.as_str()?;
    let known = Outcome::ALL.into_iter().find(|outcome| outcome.as_str() == tag);
    known.ok_or_else(|| unknown(column, tag))
}

fn source(row: &Row<'_>, column: usize) -> rusqlite::Result<Coordinates<'static>> {
    let text = row.get_ref(column)?.as_str()?;
    Coordinates::parse(text).ok_or_else(|| unknown(column, text))
}

fn json(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Box<RawValue>>> {
    let text: Option<String> = row.get(column)?;
    let parse = |text| {
        RawValue::from_string(text)
            .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
    };
    text.map(parse).transpose()
}

fn unknown(column: usize, text: &str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, format!("{text:?} is not known here").into())
}
