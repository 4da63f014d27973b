//! Rule sets: compiled once, shared, never changed.

use std::collections::BTreeMap;

use chrono_tz::Tz;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::diagnostic::{Diagnostic, Place, Severity};
use crate::index::Index;
use crate::rule::{ResumePoint, Rule};
use crate::{limits, lint, parse};

/// How rules combine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evaluation {
    /// Rewrites, gates, blocks, captures and routes, each with its own effect on the walk.
    #[default]
    Cascade,
    /// The first rule that matches decides alone, as in the original implementation.
    FirstMatch,
}

/// What becomes of an action about which no rule decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DefaultVerdict {
    /// It is executed on its own provider.
    #[default]
    Allow,
    /// It is denied.
    Deny,
}

/// How a rule set is to be compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How rules combine.
    pub evaluation: Evaluation,
    /// What becomes of an action about which no rule decided.
    pub default: DefaultVerdict,
    /// The zone of `time.*` in rules that name none.
    pub default_timezone: Tz,
}

impl Default for Options {
    fn default() -> Self {
        Self { evaluation: Evaluation::default(), default: DefaultVerdict::default(), default_timezone: Tz::UTC }
    }
}

/// A rule file: its name, for messages and for order, and its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// The name: a path, or anything that tells people where to look.
    pub name: String,
    /// The YAML text.
    pub text: String,
}

/// A rule set that compiled, and what is doubtful about it.
#[derive(Debug)]
pub struct Checked {
    /// The rules.
    pub rules: RuleSet,
    /// Warnings, in the order of files and lines.
    pub warnings: Vec<Diagnostic>,
}

/// Compiled rules in evaluation order, with their index. Immutable: share it in an `Arc`.
#[derive(Debug)]
pub struct RuleSet {
    pub(crate) rules: Vec<Rule>,
    pub(crate) index: Index,
    pub(crate) options: Options,
    /// The enabled weighted route rules of each priority, in order.
    splits: FxHashMap<i32, Vec<usize>>,
}

impl RuleSet {
    /// Every rule in evaluation order, disabled ones included.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The rule of this name.
    #[must_use]
    pub fn rule(&self, name: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.name == name)
    }

    /// The same rules, those that `switches` names enabled or disabled whatever their files say. A name that no rule has
    /// means nothing.
    ///
    /// # Errors
    /// A split would be left without a rule that could be drawn.
    pub fn with_switches(mut self, switches: &BTreeMap<String, bool>) -> Result<Self, Vec<Diagnostic>> {
        for rule in &mut self.rules {
            if let Some(enabled) = switches.get(&rule.name) {
                rule.enabled = *enabled;
            }
        }
        let mut diagnostics = Vec::new();
        check_weights(&self.rules, &mut diagnostics);
        if !diagnostics.is_empty() {
            return Err(in_order(diagnostics));
        }
        Ok(Self { index: Index::new(&self.rules), splits: splits(&self.rules), ..self })
    }

    /// What the set was compiled with.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The weighted route rules of a priority, in order.
    pub(crate) fn split(&self, priority: i32) -> impl Iterator<Item = &Rule> {
        let positions = self.splits.get(&priority).map(Vec::as_slice).unwrap_or_default();
        positions.iter().filter_map(|position| self.rules.get(*position))
    }

    /// The index of the first rule behind a resume point.
    pub(crate) fn resume_index(&self, point: &ResumePoint) -> usize {
        match self.rule(&point.rule) {
            Some(rule) => rule.index + 1,
            None => {
                let order = (point.priority, point.file.as_str(), point.line);
                self.rules.partition_point(|rule| rule.order() <= order)
            }
        }
    }
}

/// Compiles rule files, all of them together: names are unique across files.
///
/// # Errors
/// Everything that is wrong with the files, at most [`limits::MAX_DIAGNOSTICS`] of it; warnings
/// are among it.
pub fn compile(files: &[SourceFile], options: &Options) -> Result<Checked, Vec<Diagnostic>> {
    let mut diagnostics = Vec::new();
    let mut rules = Vec::new();
    for file in files {
        rules.extend(parse::file(file, options, &mut diagnostics));
    }
    check_names(&rules, &mut diagnostics);
    if rules.len() > limits::MAX_RULES
        && let Some(rule) = rules.get(limits::MAX_RULES)
    {
        let message = format!("{} rules; {} are allowed", rules.len(), limits::MAX_RULES);
        diagnostics.push(Diagnostic::error(&rule.source.file, rule.source.place, message));
    }
    check_weights(&rules, &mut diagnostics);
    if diagnostics.iter().any(|d| d.severity == Severity::Error) {
        return Err(in_order(diagnostics));
    }
    rules.sort_by(|a, b| a.order().cmp(&b.order()));
    for (index, rule) in rules.iter_mut().enumerate() {
        rule.index = index;
    }
    let rules = RuleSet { index: Index::new(&rules), splits: splits(&rules), rules, options: *options };
    diagnostics.extend(lint::check(&rules));
    Ok(Checked { rules, warnings: in_order(diagnostics) })
}

/// The enabled weighted route rules of each priority, in order.
fn splits(rules: &[Rule]) -> FxHashMap<i32, Vec<usize>> {
    let mut splits: FxHashMap<i32, Vec<usize>> = FxHashMap::default();
    for rule in rules.iter().filter(|rule| rule.split_weight().is_some()) {
        splits.entry(rule.priority).or_default().push(rule.index);
    }
    splits
}

/// An error for each rule whose name another rule has already.
fn check_names(rules: &[Rule], diagnostics: &mut Vec<Diagnostic>) {
    let mut first: FxHashMap<&str, &Rule> = FxHashMap::default();
    for rule in rules {
        let earlier = *first.entry(&rule.name).or_insert(rule);
        if !std::ptr::eq(earlier, rule) {
            let message = format!("rule `{}` is defined twice, first at {}", rule.name, earlier.source);
            diagnostics.push(Diagnostic::error(&rule.source.file, rule.source.place, message));
        }
    }
}

/// An error for each split in which no rule could be drawn.
fn check_weights(rules: &[Rule], diagnostics: &mut Vec<Diagnostic>) {
    let mut splits: FxHashMap<i32, (&Rule, u64)> = FxHashMap::default();
    for rule in rules {
        let Some(weight) = rule.split_weight() else { continue };
        splits.entry(rule.priority).or_insert((rule, 0)).1 += u64::from(weight);
    }
    for (priority, (first, total)) in splits {
        if total == 0 {
            let message = format!("every `weight` of priority {priority} is 0: no rule could be drawn");
            diagnostics.push(Diagnostic::error(&first.source.file, first.source.place, message));
        }
    }
}

/// Sorts by file and place, and cuts the list at its limit.
fn in_order(mut diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let place = |d: &Diagnostic| Place { line: d.line, column: d.column };
    diagnostics.sort_by(|a, b| (&a.file, place(a)).cmp(&(&b.file, place(b))));
    let left = diagnostics.len().saturating_sub(limits::MAX_DIAGNOSTICS);
    if left > 0 {
        // Errors outlive warnings.
        diagnostics.sort_by_key(|d| d.severity);
        diagnostics.truncate(limits::MAX_DIAGNOSTICS);
        if let Some(last) = diagnostics.last_mut() {
            last.message.push_str(&format!("; and {left} more like it"));
        }
    }
    diagnostics
}
