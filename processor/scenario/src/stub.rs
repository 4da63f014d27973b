//! Providers that answer as a scenario says.

use crate::fields::File;
use acteon_rules::yaml::Node;
use acteon_rules::{Diagnostic, nearest};
use acteon_schemas::{Dispatch, ProviderError, ProviderResponse, ProviderResult, ResponseStatus, ResultStatus};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Codes of a failed call, and whether the same call could succeed later.
const CODES: [(&str, bool); 12] = [
    ("EXECUTION_FAILED", false),
    ("TIMEOUT", true),
    ("CONNECTION", true),
    ("CONFIGURATION", false),
    ("RATE_LIMITED", true),
    ("SERIALIZATION", false),
    ("ATTACHMENT_ERROR", false),
    ("NOT_FOUND", false),
    ("PROVIDER_NOT_FOUND", false),
    ("CREDENTIALS", false),
    ("VALIDATION", false),
    ("CIRCUIT_OPEN", true),
];
/// Most calls that a stub may be for.
pub(crate) const MAX_TIMES: u32 = 1_000_000;

/// How a provider answers.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Respond { status: ResponseStatus, body: Value },
    Fail { code: String, message: String, retryable: bool },
}

/// A `provider` step.
#[derive(Debug, Clone)]
pub(crate) struct Stub {
    pub(crate) name: String,
    answer: Answer,
    /// `None`: from now on.
    times: Option<u32>,
}

impl Stub {
    pub(crate) fn parse(file: File<'_>, node: &Node) -> Result<Self, Diagnostic> {
        file.mapping(node, "provider", &["name", "respond", "fail", "times"])?;
        let Some(name) = node.get("name") else { return file.error(node.place, "provider: `name` is missing") };
        let answer = match (node.get("respond"), node.get("fail")) {
            (Some(respond), None) => Answer::respond(file, respond)?,
            (None, Some(fail)) => Answer::fail(file, fail)?,
            _ => return file.error(node.place, "provider: write either `respond` or `fail`"),
        };
        let times = node.get("times").map(|times| file.number(times, "times", 1, MAX_TIMES)).transpose()?;
        Ok(Self { name: file.text(name, "name")?, answer, times })
    }
}

impl Answer {
    fn respond(file: File<'_>, node: &Node) -> Result<Self, Diagnostic> {
        file.mapping(node, "respond", &["body", "status"])?;
        let body = node.get("body").map_or_else(|| Ok(json!({})), |body| file.json(body))?;
        let status = node.get("status").map(|status| file.shaped(status, "status")).transpose()?;
        Ok(Self::Respond { status: status.unwrap_or(ResponseStatus::Success), body })
    }

    fn fail(file: File<'_>, node: &Node) -> Result<Self, Diagnostic> {
        file.mapping(node, "fail", &["code", "message", "retryable"])?;
        let (code, place) = match node.get("code") {
            Some(code) => (file.text(code, "code")?, code.place),
            None => ("EXECUTION_FAILED".to_owned(), node.place),
        };
        let Some((_, usual)) = CODES.iter().find(|(known, _)| *known == code) else {
            let names: Vec<&str> = CODES.iter().map(|(name, _)| *name).collect();
            let lower: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
            let suggestion = nearest(&code, lower.iter().map(String::as_str)).map(|name| name.to_uppercase());
            let message = format!("unknown code `{code}` of a failed call; there are {}", names.join(", "));
            return Err(Diagnostic::error(file.0, place, message).suggest(suggestion));
        };
        let message = node.get("message").map(|message| file.text(message, "message")).transpose()?;
        let retryable = node.get("retryable").map(|flag| file.flag(flag, "retryable")).transpose()?;
        let message = message.unwrap_or_else(|| format!("{code}, as the scenario says"));
        Ok(Self::Fail { code, message, retryable: retryable.unwrap_or(*usual) })
    }

    fn result(&self) -> ResultStatus<'static> {
        match self {
            Self::Respond { status, body } => ResultStatus::Delivered(ProviderResponse {
                status: *status,
                body: Cow::Owned(to_raw_value(body).unwrap_or_else(|_| RawValue::NULL.to_owned())),
                headers: BTreeMap::new(),
            }),
            Self::Fail { code, message, retryable } => ResultStatus::Failed(ProviderError {
                code: Cow::Owned(code.clone()),
                message: Cow::Owned(message.clone()),
                retryable: *retryable,
                retry_after_ms: None,
            }),
        }
    }
}

/// All providers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Providers {
    logs: BTreeSet<String>,
    /// For so many calls, in the order written.
    next: BTreeMap<String, VecDeque<(Answer, u32)>>,
    /// After those.
    then: BTreeMap<String, Answer>,
}

impl Providers {
    pub(crate) fn new(logs: BTreeSet<String>) -> Self {
        Self { logs, ..Self::default() }
    }

    pub(crate) fn set(&mut self, stub: &Stub) {
        match stub.times {
            Some(times) => {
                self.next.entry(stub.name.clone()).or_default().push_back((stub.answer.clone(), times));
            }
            None => {
                self.then.insert(stub.name.clone(), stub.answer.clone());
            }
        }
    }

    /// Calls the provider of a dispatch.
    pub(crate) fn call(&mut self, dispatch: &Dispatch<'_>, now: i64) -> Vec<u8> {
        let result = self.answer(&dispatch.provider).result();
        let record = ProviderResult {
            dispatch_id: dispatch.dispatch_id.clone(),
            action_id: dispatch.action_id.clone(),
            namespace: dispatch.namespace.clone(),
            tenant: dispatch.tenant.clone(),
            provider: dispatch.provider.clone(),
            original_provider: dispatch.original_provider.clone(),
            action_type: dispatch.action_type.clone(),
            rule: dispatch.rule.clone(),
            context: dispatch.context.clone(),
            released_by: dispatch.released_by.clone(),
            attempts: 1,
            started_at: now,
            duration_ms: 0,
            passed_over: dispatch.passed_over.clone(),
            retry: dispatch.retry,
            probe: dispatch.probe,
            dispatch: matches!(result, ResultStatus::Failed(_))
                .then(|| to_raw_value(dispatch).ok())
                .flatten()
                .map(Cow::Owned),
            result,
            decided_at: dispatch.decided_at,
            source: dispatch.source.clone(),
        };
        // Strings, numbers and JSON text always serialise.
        serde_json::to_vec(&record).unwrap_or_default()
    }

    fn answer(&mut self, name: &str) -> Answer {
        if let Some(queue) = self.next.get_mut(name)
            && let Some((answer, left)) = queue.front_mut()
        {
            let answer = answer.clone();
            *left -= 1;
            if *left == 0 {
                queue.pop_front();
            }
            return answer;
        }
        if let Some(answer) = self.then.get(name) {
            return answer.clone();
        }
        let body = if self.logs.contains(name) { json!({"provider": name, "logged": true}) } else { json!({}) };
        Answer::Respond { status: ResponseStatus::Success, body }
    }
}
