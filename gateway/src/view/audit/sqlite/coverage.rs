use super::readers::Reader;
use super::select::Where;
use crate::view::audit::{CoverageQuery, CoverageRow, MAX_COVERAGE_ROWS, StoreError};
use rusqlite::types::{Type, Value};
use rusqlite::{Row, params_from_iter};
use serde::Deserialize;

/// The rules that an action passed on its way, as rows keep them.
#[derive(Default, Deserialize)]
struct Passed {
    #[serde(default)]
    admitted_by: Vec<String>,
    #[serde(default)]
    rewritten_by: Vec<String>,
}

/// Counts by kind of action and rules.
pub(super) fn coverage(reader: &Reader, query: &CoverageQuery) -> Result<Vec<CoverageRow>, StoreError> {
    let mut condition = Where::of(&query.filter);
    // What operators ask for and what chains and groups call is decided by no rule.
    condition.and("phase <> 'progress' AND verdict <> 'command'", []);
    let sql = format!(
        "SELECT namespace, tenant, coalesce(original_provider, provider), action_type, matched_rule, verdict_details, \
         count(*) FROM audit {} GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6 LIMIT ?",
        condition.sql()
    );
    let limit = [Value::Integer(i64::try_from(MAX_COVERAGE_ROWS).unwrap_or(i64::MAX - 1) + 1)];
    let values = condition.values().iter().chain(&limit);
    let mut statement = reader.connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(values), read)?.collect::<rusqlite::Result<Vec<_>>>()?;
    if rows.len() > MAX_COVERAGE_ROWS {
        return Err(StoreError::TooBroad);
    }
    Ok(rows)
}

fn read(row: &Row<'_>) -> rusqlite::Result<CoverageRow> {
    let details: Option<String> = row.get(5)?;
    let passed: Passed = details
        .map(|text| serde_json::from_str(&text))
        .transpose()
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(5, Type::Text, Box::new(error)))?
        .unwrap_or_default();
    let decided: Option<String> = row.get(4)?;
    let count: i64 = row.get(6)?;
    Ok(CoverageRow {
        namespace: row.get(0)?,
        tenant: row.get(1)?,
        provider: row.get(2)?,
        action_type: row.get(3)?,
        rules: decided.into_iter().chain(passed.admitted_by).chain(passed.rewritten_by).collect(),
        count: u64::try_from(count).unwrap_or(0),
    })
}
