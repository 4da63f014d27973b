//! Every limit of the rule language, by name.
//!
//! They keep a rule file from being a way to exhaust memory or time, and keep
//! state that rules ask for (dedup keys, windows, held actions) bounded.

/// Largest rule file, in bytes.
pub const MAX_FILE_BYTES: usize = 1024 * 1024;
/// Most rule files in one directory.
pub const MAX_FILES: usize = 1_000;
/// Most rules in one rule set.
pub const MAX_RULES: usize = 10_000;
/// Deepest nesting of `all`, `any` and `not` in one condition.
pub const MAX_CONDITION_DEPTH: usize = 16;
/// Deepest nesting of YAML mappings and lists in one file.
pub const MAX_YAML_DEPTH: usize = 64;
/// Longest list in a rule (`in_list`, `all`, `group_by`, …).
pub const MAX_LIST: usize = 10_000;
/// Longest CEL expression, in bytes.
pub const MAX_CEL_BYTES: usize = 4_096;
/// Deepest nesting of a CEL expression. A chain such as `a + b + c` nests as deep as it is long;
/// chains of `&&` and `||` do not.
pub const MAX_CEL_DEPTH: usize = 64;
/// Most steps of evaluating one CEL expression for one action.
pub const MAX_CEL_STEPS: usize = 1_000_000;
/// Longest field path, in bytes.
pub const MAX_PATH_BYTES: usize = 512;
/// Longest rule name, in bytes. The name is part of state keys.
pub const MAX_NAME_BYTES: usize = 256;
/// Longest regex, in bytes of source text.
pub const MAX_REGEX_BYTES: usize = 4_096;
/// Largest compiled regex, in bytes.
pub const MAX_REGEX_COMPILED_BYTES: usize = 1024 * 1024;
/// Most fields in `key_fields`, `group_by` or `fingerprint_fields`.
pub const MAX_KEY_FIELDS: usize = 16;
/// Longest value shown in a trace, in bytes.
pub const MAX_EXCERPT_BYTES: usize = 256;
/// Most diagnostics returned by one check; the rest is counted.
pub const MAX_DIAGNOSTICS: usize = 100;

/// Longest `ttl_seconds` of a `deduplicate` rule: 30 days.
pub const MAX_DEDUP_TTL_SECONDS: u64 = 30 * 86_400;
/// `ttl_seconds` of a `deduplicate` rule that names none.
pub const DEFAULT_DEDUP_TTL_SECONDS: u64 = 300;
/// Longest `window_seconds` of a `throttle` rule: 30 days.
pub const MAX_THROTTLE_WINDOW_SECONDS: u64 = 30 * 86_400;
/// Largest `max_count` of a `throttle` rule.
pub const MAX_THROTTLE_COUNT: u64 = 1_000_000;
/// Longest `max_delay_seconds` of a `throttle` rule with `mode: delay`: 7 days.
pub const MAX_THROTTLE_DELAY_SECONDS: u64 = 604_800;
/// `max_delay_seconds` of a `throttle` rule that names none.
pub const DEFAULT_THROTTLE_DELAY_SECONDS: u64 = 3_600;
/// Largest `max_queue` of a `throttle` rule with `mode: delay`.
pub const MAX_THROTTLE_QUEUE: u64 = 100_000;
/// `max_queue` of a `throttle` rule that names none.
pub const DEFAULT_THROTTLE_QUEUE: u64 = 1_000;
/// Longest `delay_seconds` of a `schedule` rule: 7 days.
pub const MAX_SCHEDULE_DELAY_SECONDS: u64 = 604_800;
/// Longest `group_wait_seconds` of a `group` rule: 7 days.
pub const MAX_GROUP_WAIT_SECONDS: u64 = 604_800;
/// Longest `group_interval_seconds` or `repeat_interval_seconds` of a `group` rule: 30 days.
pub const MAX_GROUP_INTERVAL_SECONDS: u64 = 30 * 86_400;
/// Largest `max_group_size` of a `group` rule.
pub const MAX_GROUP_SIZE: u64 = 10_000;
/// `group_wait_seconds` of a `group` rule that names none.
pub const DEFAULT_GROUP_WAIT_SECONDS: u64 = 30;
/// `group_interval_seconds` of a `group` rule that names none.
pub const DEFAULT_GROUP_INTERVAL_SECONDS: u64 = 300;
/// `max_group_size` of a `group` rule that names none.
pub const DEFAULT_GROUP_SIZE: u64 = 100;
/// Longest `timeout_seconds` of a `request_approval` rule: 30 days.
pub const MAX_APPROVAL_TIMEOUT_SECONDS: u64 = 30 * 86_400;
/// `timeout_seconds` of a `request_approval` rule that names none.
pub const DEFAULT_APPROVAL_TIMEOUT_SECONDS: u64 = 3_600;
/// Longest `within_seconds` of a `state_seen` or `state_counter` predicate: 7 days.
pub const MAX_WITHIN_SECONDS: u64 = 604_800;
/// `within_seconds` of a predicate that names none.
pub const DEFAULT_WITHIN_SECONDS: u64 = 3_600;
/// Largest `weight` of a rule or of a target.
pub const MAX_WEIGHT: u64 = 1_000_000;
/// Most fields in `set`, `unset` or `rename` of a `modify` rule.
pub const MAX_EDITS: usize = 64;
/// Longest template, in bytes.
pub const MAX_TEMPLATE_BYTES: usize = 8_192;
/// Most steps of one template for one action.
pub const MAX_TEMPLATE_FUEL: u64 = 20_000;
/// Longest result of one template, in bytes of JSON or text.
pub const MAX_TEMPLATE_OUTPUT_BYTES: usize = 65_536;
/// Longest template that a tenant writes, in bytes.
pub const MAX_TENANT_TEMPLATE_BYTES: usize = 32_768;
/// Largest payload and labels, together, that a tenant's templates are rendered with, in bytes of JSON.
pub const MAX_TENANT_TEMPLATE_INPUT_BYTES: usize = 65_536;
/// Most steps of all of a tenant's templates for one action.
pub const MAX_TENANT_TEMPLATE_FUEL: u64 = 50_000;
/// Most bytes that filters of a tenant's templates read and write for one action.
pub const MAX_TENANT_TEMPLATE_WORK: u64 = 16 * 1024 * 1024;
/// Most bytes that all of a tenant's templates make for one action.
pub const MAX_TENANT_OUTPUT_BYTES: usize = 262_144;
/// Deepest nesting of loops in a tenant's template.
pub const MAX_TENANT_TEMPLATE_LOOPS: usize = 8;
/// Most `~` and `+` in one tag of a tenant's template.
pub const MAX_TENANT_TEMPLATE_JOINS: usize = 16;
/// Most `targets` of a `reroute` rule.
pub const MAX_TARGETS: usize = 64;
/// Most copies of one action that rules with `continue: true` send.
pub const MAX_COPIES: usize = 16;
