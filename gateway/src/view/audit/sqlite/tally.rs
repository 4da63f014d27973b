use super::readers::Reader;
use super::select::Where;
use crate::view::audit::{MAX_TALLIES, StoreError, Tally, TallyBy, TallyKey, TallyQuery};
use rusqlite::types::Value;
use rusqlite::{Row, params_from_iter};

/// Counts, ordered by time and then by what is told apart.
pub(super) fn tally(reader: &Reader, query: &TallyQuery) -> Result<Vec<Tally>, StoreError> {
    let mut condition = Where::of(&query.filter);
    let column = match query.by {
        TallyBy::Outcome => "outcome",
        TallyBy::ActionType => "action_type",
        TallyBy::Duration => "duration_ms",
    };
    match query.by {
        TallyBy::Outcome | TallyBy::ActionType => condition.and("phase <> 'progress'", []),
        TallyBy::Duration => condition.and("phase = 'completed' AND duration_ms IS NOT NULL", []),
    }
    let limit = i64::try_from(MAX_TALLIES).unwrap_or(i64::MAX - 1) + 1;
    let sql = format!(
        "SELECT (dispatched_at - ?) / ? AS stretch, {column}, count(*) FROM audit {} GROUP BY 1, 2 ORDER BY 1, 2 LIMIT ?",
        condition.sql()
    );
    let stretches = [Value::Integer(query.origin_ms), Value::Integer(query.width_ms)];
    let limit = [Value::Integer(limit)];
    let values = stretches.iter().chain(condition.values()).chain(&limit);
    let mut statement = reader.connection.prepare_cached(&sql)?;
    let tallies =
        statement.query_map(params_from_iter(values), |row| read(row, query))?.collect::<rusqlite::Result<Vec<_>>>()?;
    if tallies.len() > MAX_TALLIES {
        return Err(StoreError::TooBroad);
    }
    Ok(tallies)
}

fn read(row: &Row<'_>, query: &TallyQuery) -> rusqlite::Result<Tally> {
    let stretch: i64 = row.get(0)?;
    let key = match query.by {
        TallyBy::Outcome | TallyBy::ActionType => TallyKey::Label(row.get(1)?),
        TallyBy::Duration => TallyKey::Duration(row.get(1)?),
    };
    let count: i64 = row.get(2)?;
    let start = query.origin_ms.saturating_add(stretch.saturating_mul(query.width_ms));
    Ok(Tally { start, key, count: u64::try_from(count).unwrap_or(0) })
}
