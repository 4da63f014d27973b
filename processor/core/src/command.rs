use crate::effect::Effects;
use crate::input::Input;
use crate::progress::Progress;
use crate::reply::Reply;
use crate::state::{State, StateError};
use crate::step::Stepped;
use crate::turn::Turn;
use crate::{
    approval, chain, circuit, dedup, event, group, ids, policy, queue, recurring, retry, schedule, template, throttle,
};
use acteon_schemas::{
    AuditPhase, AuditRecord, Command, CommandKind, DeadLetterReason, Outcome, OutcomeDetail, OutcomeRecord,
    partition_of, tenant_key,
};
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};
use std::borrow::Cow;

/// Most counters that one `reset_throttle` deletes; a rule with `key_fields` has one for each of their values. What is
/// left after that many is deleted by sending the command again.
const MAX_RESET: usize = 10_000;

/// Carries out an operator's command, and answers it.
pub(crate) fn perform<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    input: &Input<'_>,
) -> Result<Stepped, StateError> {
    let command = match Command::decode(input.value.unwrap_or_default()) {
        Ok(command) => command,
        Err(error) => {
            let code = error.kind.code().to_owned();
            turn.effects.dead_letter(DeadLetterReason { code, message: error.to_string() });
            return Ok(Stepped::DeadLettered);
        }
    };
    let key = tenant_key(&command.namespace, &command.tenant);
    let home = partition_of(key.as_bytes(), turn.task.partitions);
    if home != turn.task.partition {
        let message =
            format!("the command's key must be `{key}`: its partition is {home}, not {}", turn.task.partition);
        turn.effects.dead_letter(DeadLetterReason { code: "WRONG_PARTITION".to_owned(), message });
        return Ok(Stepped::DeadLettered);
    }
    if matches!(command.command, CommandKind::ReportCall { .. }) {
        circuit::take_report(turn, &command)?;
        return Ok(Stepped::Commanded);
    }
    policy::load(turn, &command.namespace, &command.tenant)?;
    let reply = carry_out(turn, &command, input)?;
    answer(turn, &command, input, &reply);
    Ok(Stepped::Commanded)
}

fn carry_out<S: State, E: Effects>(
    turn: &mut Turn<'_, S, E>,
    command: &Command,
    input: &Input<'_>,
) -> Result<Reply, StateError> {
    let (namespace, tenant) = (command.namespace.as_str(), command.tenant.as_str());
    match &command.command {
        CommandKind::ForgetDedupKey { dedup_key } => {
            let mut key = Vec::with_capacity(96);
            dedup::given_key(&mut key, namespace, tenant, dedup_key);
            let known = turn.state.get(&key)?.is_some();
            turn.state.delete(&key);
            Ok(Reply::done(json!({"dedup_key": dedup_key, "known": known})))
        }
        CommandKind::ResetThrottle { rule } => reset_throttle(turn, namespace, tenant, rule),
        CommandKind::CancelScheduled { action_id } => schedule::cancel(turn, namespace, tenant, action_id, &command.id),
        CommandKind::Transition { fingerprint, to } => {
            event::transition(turn, event::Scope { namespace, tenant }, fingerprint, to, input.origin())
        }
        CommandKind::ListEvents { state, page } => {
            event::list(turn.state, event::Scope { namespace, tenant }, state.as_deref(), page)
        }
        CommandKind::ShowEvent { fingerprint } => {
            event::show(turn.state, event::Scope { namespace, tenant }, fingerprint)
        }
        CommandKind::Approve { approval_id, link } => approval::approve(turn, command, approval_id, link.as_ref()),
        CommandKind::Reject { approval_id, link, reason } => {
            approval::reject(turn, command, approval_id, link.as_ref(), reason.as_deref())
        }
        CommandKind::ListApprovals { status, page } => approval::list(turn, namespace, tenant, status.as_deref(), page),
        CommandKind::ShowApproval { approval_id, link } => approval::show(turn, command, approval_id, link.as_ref()),
        CommandKind::CreateRecurring { recurring } => recurring::create(turn, command, input, recurring),
        CommandKind::UpdateRecurring { recurring_id, recurring } => {
            recurring::update(turn, command, recurring_id, recurring)
        }
        CommandKind::DeleteRecurring { recurring_id } => recurring::delete(turn, command, recurring_id),
        CommandKind::PauseRecurring { recurring_id } => recurring::pause(turn, command, recurring_id),
        CommandKind::ResumeRecurring { recurring_id } => recurring::resume(turn, command, recurring_id),
        CommandKind::BackfillRecurring { recurring_id, start, end, limit } => {
            recurring::backfill(turn, command, recurring_id, (start, end), *limit)
        }
        CommandKind::ListRecurring { page } => recurring::list(turn.state, namespace, tenant, page),
        CommandKind::ShowRecurring { recurring_id } => recurring::show(turn, command, recurring_id),
        CommandKind::ListScheduled { page } => schedule::list(turn.state, namespace, tenant, page),
        CommandKind::FlushGroup { group } => group::flush(turn, namespace, tenant, group),
        CommandKind::ListGroups { page } => group::list(turn.state, namespace, tenant, page),
        CommandKind::ShowGroup { group } => group::show(turn.state, namespace, tenant, group),
        CommandKind::StartChain { .. }
        | CommandKind::CancelChain { .. }
        | CommandKind::PauseChain { .. }
        | CommandKind::ResumeChain { .. }
        | CommandKind::Signal { .. }
        | CommandKind::ListChains { .. }
        | CommandKind::ShowChain { .. } => chain::command::carry_out(turn, command, input),
        CommandKind::TripCircuit { .. } | CommandKind::ResetCircuit {} => circuit::command(turn, command),
        CommandKind::ReplayDispatch { dispatch } => retry::replay(turn, namespace, tenant, dispatch),
        CommandKind::ListRetries { page } => retry::list(turn.state, namespace, tenant, page),
        CommandKind::RetryNow { dispatch_id } => retry::now(turn, namespace, tenant, dispatch_id),
        CommandKind::CancelRetry { dispatch_id } => retry::cancel(turn, namespace, tenant, dispatch_id, &command.id),
        _ => of_tenant(turn, command, input),
    }
}

/// Carries out what is about a tenant's own definitions.
fn of_tenant<S: State, E>(
    turn: &mut Turn<'_, S, E>,
    command: &Command,
    input: &Input<'_>,
) -> Result<Reply, StateError> {
    let (scope, asked) = ((command.namespace.as_str(), command.tenant.as_str()), &command.command);
    if let Some(reply) = template::command(turn, scope, asked)? {
        return Ok(reply);
    }
    let identity = ids::identity(scope.0, scope.1, &command.id, input.origin());
    let reply = policy::command(turn, scope, asked, command.issued_by.as_deref(), &identity)?;
    Ok(reply.unwrap_or_else(|| Reply::invalid(format!("`{}` is not performed by this version", asked.name()))))
}

fn reset_throttle<S: State, E>(
    turn: &mut Turn<'_, S, E>,
    namespace: &str,
    tenant: &str,
    rule: &str,
) -> Result<Reply, StateError> {
    let mut key = Vec::with_capacity(96);
    throttle::rule_prefix(&mut key, namespace, tenant, rule);
    let counters = turn.state.scan(&key, MAX_RESET)?;
    for counter in &counters {
        turn.state.delete(counter);
    }
    let queues = match turn.definitions.rules.rule(rule) {
        Some(delaying) => queue::reset(turn.state, turn.now, delaying, (namespace, tenant), MAX_RESET)?,
        None => 0,
    };
    Ok(Reply::done(json!({"rule": rule, "counters": counters.len() + queues})))
}

/// Tells the sender what came of a command, by a record with the command's id.
fn answer<S, E: Effects>(turn: &mut Turn<'_, S, E>, command: &Command, input: &Input<'_>, reply: &Reply) {
    let (outcome, detail) = match reply {
        Reply::Done(result) => {
            let result = to_raw_value(result).unwrap_or_else(|_| RawValue::NULL.to_owned());
            (Outcome::CommandDone, OutcomeDetail::CommandDone { result: Cow::Owned(result) })
        }
        Reply::Refused { code, message } => {
            (Outcome::CommandRefused, OutcomeDetail::CommandRefused { code: (*code).into(), message: message.into() })
        }
    };
    let origin = input.origin();
    let name = command.command.name();
    if !command.command.only_tells() {
        let details = match reply {
            Reply::Done(_) => json!({"command": name, "issued_by": command.issued_by}),
            Reply::Refused { code, message } => {
                json!({"command": name, "issued_by": command.issued_by, "code": code, "message": message})
            }
        };
        let identity = ids::identity(&command.namespace, &command.tenant, &command.id, origin);
        let record = Progress {
            id: identity,
            action_id: &command.id,
            namespace: &command.namespace,
            tenant: &command.tenant,
            provider: "",
            action_type: name,
            verdict: "command",
            rule: None,
            outcome,
            details,
            began: turn.now,
            source: origin,
        };
        // Nothing goes on behind it: the command was decided here and now.
        let record = AuditRecord { phase: AuditPhase::Decided, ..record.record(turn) };
        turn.effects.audit(&record);
    }
    turn.effects.outcome(&OutcomeRecord {
        action_id: Cow::Borrowed(&command.id),
        namespace: Cow::Borrowed(&command.namespace),
        tenant: Cow::Borrowed(&command.tenant),
        provider: Cow::Borrowed(""),
        action_type: Cow::Borrowed(name),
        outcome,
        rule: None,
        detail,
        is_final: true,
        released_by: None,
        chain_id: None,
        decided_at: turn.now,
        source: origin.clone(),
    });
}
