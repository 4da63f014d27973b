//! An action, a host that remembers, and ways to compile.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::convert::Infallible;
use std::path::Path;

use acteon_rules::{
    Checked, Decision, Diagnostic, FieldPath, FieldValue, Function, Gate, Host, Options, ResumePoint, RouteCopy, Rule,
    RuleAction, RuleSet, SourceFile, Subject, ThrottleMode, Trace, Verdict, compile, load_dir,
};
use serde_json::{Map, Value, json};

/// Monday 2026-01-05, 15:00 UTC: 10:00 in New York.
pub(crate) const OFFICE_HOURS: i64 = 1_767_625_200_000;
/// Monday 2026-01-05, 03:00 UTC: Sunday, 22:00 in New York.
pub(crate) const AFTER_HOURS: i64 = 1_767_582_000_000;

pub(crate) fn source(text: &str) -> SourceFile {
    SourceFile { name: "rules/a.yaml".to_owned(), text: text.to_owned() }
}

pub(crate) fn checked(text: &str) -> Checked {
    checked_with(text, &Options::default())
}

pub(crate) fn checked_with(text: &str, options: &Options) -> Checked {
    compile(&[source(text)], options).unwrap_or_else(|found| panic!("{}", lines(&found)))
}

pub(crate) fn rules(text: &str) -> RuleSet {
    checked(text).rules
}

/// What is wrong with a rule file, a line each.
pub(crate) fn errors(text: &str) -> String {
    lines(&compile(&[source(text)], &Options::default()).expect_err("must not compile"))
}

pub(crate) fn warnings(text: &str) -> String {
    lines(&checked(text).warnings)
}

pub(crate) fn lines(diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().map(|d| format!("{d}\n")).collect()
}

/// Compiles a directory under `tests/fixtures`; file names are cut to their last part.
pub(crate) fn fixture(name: &str, options: &Options) -> Checked {
    let dir = Path::new("tests/fixtures").join(name);
    let mut files = load_dir(dir).unwrap();
    assert!(!files.is_empty(), "{name} has no rules");
    for file in &mut files {
        file.name = file.name.rsplit('/').next().unwrap().to_owned();
    }
    compile(&files, options).unwrap_or_else(|found| panic!("{}", lines(&found)))
}

/// An action that owns its parts.
#[derive(Clone)]
pub(crate) struct Action {
    pub(crate) id: String,
    pub(crate) namespace: String,
    pub(crate) tenant: String,
    pub(crate) provider: String,
    pub(crate) action_type: String,
    pub(crate) payload: Value,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) dedup_key: Option<String>,
}

impl Action {
    pub(crate) fn new(action_type: &str, payload: Value) -> Self {
        Self {
            id: "action-1".to_owned(),
            namespace: "ns".to_owned(),
            tenant: "t1".to_owned(),
            provider: "email".to_owned(),
            action_type: action_type.to_owned(),
            payload,
            metadata: BTreeMap::new(),
            dedup_key: None,
        }
    }

    pub(crate) fn id(mut self, id: &str) -> Self {
        self.id = id.to_owned();
        self
    }

    pub(crate) fn tenant(mut self, tenant: &str) -> Self {
        self.tenant = tenant.to_owned();
        self
    }

    pub(crate) fn provider(mut self, provider: &str) -> Self {
        self.provider = provider.to_owned();
        self
    }

    pub(crate) fn key(mut self, key: &str) -> Self {
        self.dedup_key = Some(key.to_owned());
        self
    }

    pub(crate) fn label(mut self, name: &str, value: &str) -> Self {
        self.metadata.insert(name.to_owned(), value.to_owned());
        self
    }
}

/// State in memory, as plain as can be: nothing expires.
#[derive(Default)]
pub(crate) struct Memory {
    seen: HashSet<String>,
    counts: HashMap<String, u64>,
    /// Answers to functions, by name and arguments: `has_active_event("a","b")`.
    pub(crate) answers: HashMap<String, Value>,
    /// The gates asked, in order.
    pub(crate) asked: Vec<String>,
    /// The calls of functions that count, in order: `rule: state_counter("k",3600)`.
    pub(crate) counted: Vec<String>,
}

impl Memory {
    pub(crate) fn answering(call: &str, answer: Value) -> Self {
        Self { answers: HashMap::from([(call.to_owned(), answer)]), ..Self::default() }
    }
}

impl Host for Memory {
    type Error = Infallible;

    fn gate(&mut self, rule: &Rule, subject: &Subject<'_>) -> Result<Gate, Infallible> {
        self.asked.push(rule.name.clone());
        let key = |fields: &[FieldPath]| -> String {
            fields.iter().map(|field| format!("|{}", field.read(subject))).collect()
        };
        Ok(match &rule.action {
            RuleAction::Throttle { max_count, key_fields, mode, .. } => {
                let key = format!("{}|{}{}", subject.tenant, rule.name, key(key_fields));
                let count = self.counts.entry(key).or_default();
                if *count < *max_count {
                    *count += 1;
                    Gate::Admit
                } else if *mode == ThrottleMode::Refuse {
                    Gate::Refuse
                } else {
                    Gate::Hold
                }
            }
            RuleAction::Deduplicate { key_fields, .. } => {
                let key = if key_fields.is_empty() {
                    subject.dedup_key.unwrap_or(subject.id).to_owned()
                } else {
                    key(key_fields)
                };
                if self.seen.insert(key) { Gate::Admit } else { Gate::Refuse }
            }
            other => panic!("{other:?} is no gate"),
        })
    }

    fn call(
        &mut self,
        rule: &Rule,
        function: Function,
        args: &[FieldValue<'_>],
        _: &Subject<'_>,
    ) -> Result<Value, Infallible> {
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        let call = format!("{}({})", function.name(), args.join(","));
        if function.counts() {
            self.counted.push(format!("{}: {call}", rule.name));
        }
        Ok(self.answers.get(&call).cloned().unwrap_or(json!(false)))
    }
}

/// What a walk left behind.
#[derive(Debug, PartialEq)]
pub(crate) struct Walked {
    pub(crate) verdict: Verdict,
    pub(crate) tag: &'static str,
    pub(crate) rule: Option<String>,
    pub(crate) provider: String,
    pub(crate) payload: Value,
    pub(crate) admitted_by: Vec<String>,
    pub(crate) rewritten_by: Vec<String>,
    pub(crate) resume: Option<ResumePoint>,
    pub(crate) copies: Vec<String>,
}

impl Walked {
    /// The verdict's name and the deciding rule.
    pub(crate) fn summary(&self) -> String {
        let verdict = match &self.verdict {
            Verdict::Reroute { from } => format!("Reroute {from}→{}", self.provider),
            other => format!("{other:?}"),
        };
        match &self.rule {
            Some(rule) => format!("{verdict} by {rule}"),
            None => verdict,
        }
    }
}

/// A copy, as `rule: verdict on provider with payload`.
fn copy(copy: &RouteCopy<'_>) -> String {
    let verdict = match &copy.verdict {
        Verdict::Reroute { from } => format!("Reroute {from}→"),
        other => format!("{other:?} on "),
    };
    let payload = copy.payload.as_ref().map(|payload| format!(" with {payload}")).unwrap_or_default();
    format!("{}: {verdict}{}{payload}", copy.rule.name, copy.provider)
}

fn walk_once(
    rules: &RuleSet,
    action: &Action,
    now: i64,
    resume: Option<&ResumePoint>,
    host: &mut Memory,
    trace: Option<&mut Trace>,
) -> Walked {
    let extra = Map::new();
    let mut subject = Subject {
        id: &action.id,
        namespace: &action.namespace,
        tenant: &action.tenant,
        provider: Cow::Borrowed(&action.provider),
        action_type: &action.action_type,
        payload: Cow::Borrowed(&action.payload),
        metadata: &action.metadata,
        dedup_key: action.dedup_key.as_deref(),
        status: None,
        fingerprint: None,
        extra: &extra,
    };
    let Ok(decision) = rules.walk(&mut subject, now, resume, host, trace);
    let tag = decision.tag();
    let resume = decision.resume_point();
    let Decision { verdict, rule, admitted_by, rewritten_by, copies, .. } = decision;
    let names = |rules: &[&Rule]| rules.iter().map(|rule| rule.name.clone()).collect();
    Walked {
        resume,
        copies: copies.iter().map(copy).collect(),
        verdict,
        tag,
        rule: rule.map(|rule| rule.name.clone()),
        provider: subject.provider.into_owned(),
        payload: subject.payload.into_owned(),
        admitted_by: names(&admitted_by),
        rewritten_by: names(&rewritten_by),
    }
}

/// Walks without a trace.
pub(crate) fn walk(rules: &RuleSet, action: &Action, now: i64, host: &mut Memory) -> Walked {
    walk_once(rules, action, now, None, host, None)
}

/// Walks on after a capture.
pub(crate) fn resume(rules: &RuleSet, action: &Action, now: i64, after: &ResumePoint, host: &mut Memory) -> Walked {
    walk_once(rules, action, now, Some(after), host, None)
}

/// Walks with a trace.
pub(crate) fn explain(rules: &RuleSet, action: &Action, now: i64, host: &mut Memory) -> (Walked, Trace) {
    let mut trace = Trace::default();
    let walked = walk_once(rules, action, now, None, host, Some(&mut trace));
    (walked, trace)
}

/// Decides about each action in turn, with one memory.
pub(crate) fn summaries(rules: &RuleSet, actions: &[Action], now: i64) -> Vec<String> {
    let mut host = Memory::default();
    actions.iter().map(|action| walk(rules, action, now, &mut host).summary()).collect()
}
