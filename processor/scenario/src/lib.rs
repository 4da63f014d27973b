//! Scenario files: what shall become of actions, written down and tried without a broker.
//!
//! [`parse`] reads a file, [`Setup::new`] brings the definitions together that it runs on, and [`run`] performs its steps
//! on [`acteon_core::step`], the function that decides in production: some partitions with their state in memory, a clock
//! that moves only by `advance`, and providers that answer at once. [`Mode`] says over how many partitions, and whether
//! state is written out and read back after every single input; a scenario has the same [`Report`] in all of them.
//!
//! # The format
//! ```yaml
//! name: low-severity alerts are grouped by service
//! config: ../acteon.toml              # optional; paths are relative to the file
//! rules: ../rules                     # a folder, a file or a list of them; in place of the configuration's
//! start: 2026-03-02T10:00:00-05:00    # the clock; 2026-01-01T00:00:00Z where absent
//! defaults: {namespace: incidents, tenant: ops-team}   # fields of every action and scope of every command
//! providers: [slack, {name: pagerduty, type: log}]     # beside the configuration's; also chains, state_machines and
//!                                                      # time_intervals, as definitions
//! steps:
//!   - provider: {name: pagerduty, fail: {code: TIMEOUT, retryable: true}, times: 2}
//!   - dispatch: {provider: slack, action_type: alert, payload: {severity: low}}
//!     expect: {outcome: grouped, rule: group-low-severity}
//!   - advance: 30s
//!     expect: {dispatched: [{provider: slack, payload: {}}]}
//!   - command: {transition: {fingerprint: f, to: resolved}}
//! ```
//! **Steps.** Each does one thing and may have a `name` and an `expect`; one with an `expect` alone looks at the state.
//! - `provider`: how a provider answers from now on, or for `times` calls: `respond: {body, status}` or
//!   `fail: {code, message, retryable}`. Without a word, a provider of type `log` answers
//!   `{"provider": <name>, "logged": true}` and any other `{}`, both with success.
//! - `dispatch`: an action or a list of them, each sent `times` times. An action without an `id` gets one made from its
//!   place. A text instead of a mapping is sent as it is, which is how a bad record is written.
//! - `advance`: `30s`, `5m`, `1h30m`, `2d`, or `{to: <RFC 3339>}`. Timers fire on the way, in the order in which they come
//!   due, each at its own time.
//! - `command`: one command of the commands topic. The id of an approval, chain, scheduled action, group, event or
//!   recurring action may be left out where the tenant has one that is open; `chain`, `rule`, `action_id`, `provider` and
//!   `action_type` choose among several.
//!
//! **Expectations.** Mappings match partly: what is not written is not looked at, and `null` is a missing field. Lists
//! inside them match as a whole.
//! - `outcome`, `rule`, `detail`: of each action of a `dispatch`, once its provider has answered. `denied` is `suppressed`
//!   by a `deny` rule. In other steps: of each action that was released and of each chain that ended.
//! - `outcomes: {grouped: 2, suppressed: 1}`: how many of each; in a `dispatch` all of them, else of the kinds written.
//! - `dispatched`, `dead_letters`: what the step sent there: all of it, in order.
//! - `audit`: records that the step wrote, among others, in any order.
//! - `chains`, `events`, `groups`, `approvals`, `scheduled`, `recurring`: what the state holds after the step, among
//!   others, in any order; `[]` is none. `name` and `path` of a chain, `size` of a group are short for the long names.
//! - `count: {groups: 2}`: how many there are of any of those lists.
//! - `circuits: {name: open}`: how circuits stand: `closed`, `open` or `half_open`. Those of a configuration follow what
//!   providers answer at once.
//! - `refused: CODE`, `result`: what came of a command. A refused command that is not expected fails the step.
//!
//! What is not played: a connector's own retries (`[executor] max_retries`). A `fail` is what is left after them.

mod answers;
mod check;
mod command;
mod duration;
mod engine;
mod expect;
mod fields;
mod junit;
mod matching;
mod parse;
mod query;
mod report;
mod run;
mod scenario;
mod setup;
mod snapshot;
mod stub;

pub use engine::Mode;
pub use junit::{Case, junit};
pub use parse::{MAX_FILE_BYTES, parse, read};
pub use report::{Failure, Report};
pub use run::{RunError, run};
pub use scenario::Scenario;
pub use setup::{Setup, SetupError};
