//! Keys of the original Acteon that have no meaning here, or none yet. They are accepted with a warning, so that its
//! configuration files load.

/// State is not a back end that one chooses.
const STATE: &str = "state is kept in [processor] state_dir and restored from Kafka; there is no other store to choose";
const AUDIT: &str = "audit records go to the audit topic of Kafka; read them with `acteon tail audit`";
const QUOTAS: &str = "quotas are set for each tenant: see `acteon quotas set --help`";
const LOCKED: &str = "the owner of a partition is the lock; there is nothing to configure";

/// Whole sections, and what to say about them.
const SECTIONS: &[(&str, &str)] = &[
    ("state", STATE),
    ("lock", LOCKED),
    ("auth", "this version has no access control: keep [server] host on loopback, and use Kafka's ACLs"),
    ("rate_limit", "not part of this version: use `throttle` rules"),
    ("telemetry", "not part of this version: see /metrics/prometheus"),
    ("encryption", "not part of this version: use TLS to Kafka and encrypted disks"),
    ("compliance", "not part of this version"),
    ("tls", "not part of this version: TLS to Kafka is set in [kafka] (security.protocol, ssl.*)"),
    ("signing", "not part of this version: signatures are passed on unchecked"),
    ("llm_guardrail", "not part of this version"),
    ("embedding", "not part of this version"),
    ("wasm", "not part of this version"),
    ("attachments", "not part of this version: a record may have 1 MiB in all"),
    ("enrichments", "not part of this version"),
    ("bus", "Kafka is not an option here: set its properties in [kafka]"),
    ("ui", "not part of this version"),
];

/// Keys inside sections that this version knows.
const KEYS: &[(&str, &str)] = &[
    ("server.cors_allowed_origins", "not part of this version"),
    ("audit.enabled", "every decision is audited"),
    ("audit.backend", AUDIT),
    ("audit.url", AUDIT),
    ("audit.prefix", AUDIT),
    ("audit.region", AUDIT),
    ("audit.table_name", AUDIT),
    ("audit.ssl_mode", AUDIT),
    ("audit.ssl_root_cert", AUDIT),
    ("audit.ssl_cert", AUDIT),
    ("audit.ssl_key", AUDIT),
    ("audit.cleanup_interval_seconds", "Kafka removes old audit records by itself"),
    ("chains.max_concurrent_advances", "chains advance with their partitions: see [processor] workers"),
    ("quotas.default_window", QUOTAS),
    ("quotas.default_overage_behavior", QUOTAS),
    ("quotas.policies_file", QUOTAS),
    ("quotas.watch", QUOTAS),
    ("executor.dlq_enabled", "there is always a dead-letter topic: see `acteon tail dlq`"),
];

/// Sections of the original that are lists here.
const TABLES: &[(&str, &str)] =
    &[("templates", "there is no manifest to name: write [[templates]] and [[profiles]] into this file")];

/// What to say about a key of the original, or `None` if it isn't one.
pub(super) fn advice(path: &str, is_table: bool) -> Option<&'static str> {
    let tables = if is_table { TABLES } else { &[] };
    tables.iter().chain(SECTIONS).chain(KEYS).find(|(known, _)| *known == path).map(|(_, advice)| *advice)
}
