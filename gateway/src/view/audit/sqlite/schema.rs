use crate::view::audit::StoreError;
use rusqlite::{Connection, OpenFlags, TransactionBehavior, params};
use std::path::Path;
use std::time::Duration;

/// How long a connection waits for a lock that another process holds.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);
/// Memory for pages of the connection that writes, in KiB.
const WRITER_CACHE_KIB: i64 = 64 * 1024;
/// Memory for pages of each connection that reads, in KiB.
const READER_CACHE_KIB: i64 = 8 * 1024;
/// Pages in the write-ahead log (4 KiB each) at which it is written back into the file.
const CHECKPOINT_PAGES: i64 = 16 * 1024;
/// What is kept of the write-ahead log once it was written back, in bytes.
const LOG_BYTES_KEPT: i64 = 128 * 1024 * 1024;

/// What each version adds to the one before; the first one begins with an empty file.
///
/// Of a record, `(dispatched_at, id_key)` tells which row it belongs to: both phases have the same, and new ones stand at the
/// end of that index, so that it stays in memory. The wide columns stand last: what looks at the others alone does not read
/// them.
const VERSIONS: [&str; 2] = [
    "
    CREATE TABLE offsets (
        topic TEXT NOT NULL,
        partition INTEGER NOT NULL,
        next INTEGER NOT NULL,
        PRIMARY KEY (topic, partition)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE audit (
        seq INTEGER PRIMARY KEY,
        id_key INTEGER NOT NULL,
        action_key INTEGER NOT NULL,
        log_partition INTEGER NOT NULL,
        log_offset INTEGER NOT NULL,
        dispatched_at INTEGER NOT NULL,
        completed_at INTEGER,
        duration_ms INTEGER,
        expires_at INTEGER,
        definitions_version INTEGER NOT NULL,
        phase TEXT NOT NULL,
        outcome TEXT NOT NULL,
        verdict TEXT NOT NULL,
        namespace TEXT NOT NULL,
        tenant TEXT NOT NULL,
        provider TEXT NOT NULL,
        original_provider TEXT,
        action_type TEXT NOT NULL,
        matched_rule TEXT,
        chain_id TEXT,
        released_by TEXT,
        id TEXT NOT NULL,
        action_id TEXT NOT NULL,
        source TEXT NOT NULL,
        verdict_details TEXT,
        outcome_details TEXT,
        metadata TEXT,
        action_payload TEXT
    ) STRICT;
    CREATE UNIQUE INDEX audit_record ON audit (dispatched_at, id_key);
",
    "
    ALTER TABLE audit ADD COLUMN caller_id TEXT;
    ALTER TABLE audit ADD COLUMN signer_id TEXT;
    ALTER TABLE audit ADD COLUMN kid TEXT;
",
];

/// The indexes that questions and expiry need, but no write: an empty file is filled without them, since to sort many rows
/// once takes less than to put each into its place. A file that was full before has them already.
pub(super) const INDEXES: &str = "
    CREATE INDEX IF NOT EXISTS audit_tenant ON audit (namespace, tenant, dispatched_at);
    CREATE INDEX IF NOT EXISTS audit_action ON audit (action_key);
    CREATE INDEX IF NOT EXISTS audit_expiry ON audit (expires_at) WHERE expires_at IS NOT NULL;
    CREATE INDEX IF NOT EXISTS audit_chain ON audit (chain_id, dispatched_at) WHERE chain_id IS NOT NULL;
    CREATE INDEX IF NOT EXISTS audit_caller ON audit (caller_id, dispatched_at) WHERE caller_id IS NOT NULL;
    CREATE INDEX IF NOT EXISTS audit_signer ON audit (signer_id, dispatched_at) WHERE signer_id IS NOT NULL;
    CREATE INDEX IF NOT EXISTS audit_kid ON audit (kid, dispatched_at) WHERE kid IS NOT NULL;
";

/// Opens the file to write, brings its tables up to this version, and makes it where it is missing.
pub(super) fn open(path: &Path) -> Result<Connection, StoreError> {
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        std::fs::create_dir_all(directory).map_err(|error| cannot_open(path, &error))?;
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(|error| cannot_open(path, &error))?;
    prepare(&connection).map_err(|error| cannot_open(path, &error))?;
    upgrade(&mut connection, path)?;
    Ok(connection)
}

/// Opens the file to read; it must be there.
pub(super) fn open_to_read(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| cannot_open(path, &error))?;
    connection.busy_timeout(LOCK_TIMEOUT)?;
    connection.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
    Ok(connection)
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(LOCK_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    // A crash of the machine may take the last transactions; they are read from the log again.
    connection.pragma_update(None, "synchronous", "normal")?;
    connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES_KEPT)?;
    Ok(())
}

fn upgrade(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL) STRICT", [])?;
    let found: i64 =
        transaction.query_row("SELECT coalesce(max(version), 0) FROM schema_version", [], |row| row.get(0))?;
    let missing = usize::try_from(found).ok().and_then(|found| VERSIONS.get(found..));
    let Some(missing) = missing else {
        let known = i64::try_from(VERSIONS.len()).unwrap_or(i64::MAX);
        return Err(StoreError::Newer { path: path.display().to_string(), found, known });
    };
    for (version, statements) in (found + 1..).zip(missing) {
        transaction.execute_batch(statements)?;
        transaction.execute("INSERT INTO schema_version (version) VALUES (?1)", params![version])?;
    }
    transaction.commit()?;
    Ok(())
}

fn cannot_open(path: &Path, problem: &dyn std::error::Error) -> StoreError {
    StoreError::Open { path: path.display().to_string(), problem: problem.to_string() }
}
