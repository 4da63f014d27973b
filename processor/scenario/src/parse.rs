use crate::command::CommandStep;
use crate::duration;
use crate::expect;
use crate::fields::File;
use crate::scenario::{Act, Advance, Own, Record, Scenario, Sent, Step};
use crate::stub::{MAX_TIMES, Stub};
use acteon_rules::yaml::{self, Data, Node};
use acteon_rules::{Diagnostic, Place, nearest};
use serde_json::{Map, Value};
use std::io::Read as _;
use std::path::PathBuf;

/// Largest scenario file, in bytes.
pub const MAX_FILE_BYTES: usize = 1024 * 1024;
/// Most steps of a scenario.
const MAX_STEPS: usize = 10_000;
/// Where the clock begins if the scenario does not say: 2026-01-01T00:00:00Z.
const DEFAULT_START_MS: i64 = 1_767_225_600_000;
/// Type of a provider that is named without one.
const DEFAULT_PROVIDER_TYPE: &str = "webhook";

const KEYS: [&str; 11] = [
    "name",
    "description",
    "config",
    "rules",
    "start",
    "defaults",
    "providers",
    "chains",
    "state_machines",
    "time_intervals",
    "steps",
];
const STEP_KEYS: [&str; 7] = ["name", "provider", "dispatch", "times", "advance", "command", "expect"];
const ACTS: [&str; 4] = ["provider", "dispatch", "advance", "command"];
/// Fields of an action. Others are passed on, unless they look like a slip of one of these.
const ACTION_KEYS: [&str; 20] = [
    "id",
    "namespace",
    "tenant",
    "provider",
    "action_type",
    "payload",
    "metadata",
    "dedup_key",
    "status",
    "fingerprint",
    "created_at",
    "dispatch_at",
    "starts_at",
    "ends_at",
    "template",
    "attachments",
    "trace_context",
    "signature",
    "signer_id",
    "kid",
];

/// Reads a scenario from a file.
///
/// # Errors
/// The file can't be read or is too large, or everything that is wrong with it, each with its place.
pub fn read(path: &str) -> Result<Scenario, Vec<Diagnostic>> {
    let whole = |message: String| vec![Diagnostic::error(path, Place { line: 1, column: 1 }, message)];
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(path);
    let read = opened.and_then(|file| file.take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut bytes));
    read.map_err(|error| whole(format!("can't read the file: {error}")))?;
    let text = String::from_utf8(bytes).map_err(|_| whole("the file is not UTF-8".to_owned()))?;
    parse(path, &text)
}

/// Reads a scenario from the text of `file`, which its paths are relative to.
///
/// # Errors
/// Everything that is wrong with it, each with its place and what to do.
pub fn parse(file: &str, text: &str) -> Result<Scenario, Vec<Diagnostic>> {
    let at_start = Place { line: 1, column: 1 };
    if text.len() > MAX_FILE_BYTES {
        let message = format!("more than {MAX_FILE_BYTES} bytes, which is the limit of a scenario file");
        return Err(vec![Diagnostic::error(file, at_start, message)]);
    }
    let root = yaml::parse(file, text).map_err(|error| vec![error])?;
    let Some(root) = root else {
        return Err(vec![Diagnostic::error(file, at_start, "the file is empty: a scenario has `name` and `steps`")]);
    };
    let file = File(file);
    let (head, defaults) = head(file, &root).map_err(|error| vec![error])?;
    let (mut steps, mut problems) = (Vec::new(), Vec::new());
    match step_nodes(file, &root) {
        Err(problem) => problems.push(problem),
        Ok(nodes) => {
            for node in nodes {
                match step(file, node, &defaults) {
                    Ok(step) => steps.push(step),
                    Err(problem) => problems.push(problem),
                }
            }
        }
    }
    if problems.is_empty() { Ok(Scenario { steps, ..head }) } else { Err(problems) }
}

/// Everything but the steps, and the defaults of actions.
fn head(file: File<'_>, root: &Node) -> Result<(Scenario, Map<String, Value>), Diagnostic> {
    file.mapping(root, "a scenario", &KEYS)?;
    let Some(name) = root.get("name") else { return file.error(root.place, "`name` is missing: say what it shows") };
    let name = file.text(name, "name")?;
    if let Some(description) = root.get("description") {
        file.text(description, "description")?;
    }
    let path = |node: &Node, what: &str| Ok(Scenario::beside(file.0, &file.text(node, what)?));
    let config = root.get("config").map(|node| path(node, "config")).transpose()?;
    let rules: Vec<PathBuf> = match root.get("rules") {
        None => Vec::new(),
        Some(Node { data: Data::List(items), .. }) if !items.is_empty() => {
            items.iter().map(|item| path(item, "an entry of rules")).collect::<Result<_, _>>()?
        }
        Some(node) => vec![path(node, "rules")?],
    };
    let start = root.get("start").map(|node| file.moment(node, "start")).transpose()?;
    let defaults = match root.get("defaults") {
        None => Map::new(),
        Some(node) => action(file, node)?,
    };
    let own = Own {
        providers: root.get("providers").map_or_else(|| Ok(Vec::new()), |node| providers(file, node))?,
        chains: definitions(file, root, "chains")?,
        state_machines: definitions(file, root, "state_machines")?,
        time_intervals: definitions(file, root, "time_intervals")?,
    };
    let start = start.unwrap_or(DEFAULT_START_MS);
    Ok((Scenario { name, file: file.0.to_owned(), config, rules, own, start, steps: Vec::new() }, defaults))
}

fn providers(file: File<'_>, node: &Node) -> Result<Vec<(String, String)>, Diagnostic> {
    let one = |item: &Node| {
        if !matches!(item.data, Data::Map(_)) {
            return Ok((file.text(item, "a provider")?, DEFAULT_PROVIDER_TYPE.to_owned()));
        }
        file.mapping(item, "a provider", &["name", "type"])?;
        let Some(name) = item.get("name") else { return file.error(item.place, "a provider: `name` is missing") };
        let provider_type = item.get("type").map(|node| file.text(node, "type")).transpose()?;
        Ok((file.text(name, "name")?, provider_type.unwrap_or_else(|| DEFAULT_PROVIDER_TYPE.to_owned())))
    };
    file.list(node, "providers")?.iter().map(one).collect()
}

/// Definitions of one kind, in the shape that they have on the definitions topic.
fn definitions<T: serde::de::DeserializeOwned>(file: File<'_>, root: &Node, key: &str) -> Result<Vec<T>, Diagnostic> {
    let Some(node) = root.get(key) else { return Ok(Vec::new()) };
    file.list(node, key)?.iter().map(|item| file.shaped(item, key)).collect()
}

fn step_nodes<'n>(file: File<'_>, root: &'n Node) -> Result<&'n [Node], Diagnostic> {
    let Some(steps) = root.get("steps") else { return file.error(root.place, "`steps` is missing: say what is done") };
    let nodes = file.list(steps, "steps")?;
    match nodes.len() {
        0 => file.error(steps.place, "`steps` is empty: say what is done"),
        n if n > MAX_STEPS => file.error(steps.place, format!("{n} steps; a scenario may have {MAX_STEPS}")),
        _ => Ok(nodes),
    }
}

fn step(file: File<'_>, node: &Node, defaults: &Map<String, Value>) -> Result<Step, Diagnostic> {
    file.mapping(node, "a step", &STEP_KEYS)?;
    let name = node.get("name").map(|node| file.text(node, "name")).transpose()?;
    let expect = node.get("expect").map_or_else(|| Ok(Vec::new()), |node| expect::parse(file, node))?;
    let mut acts = ACTS.into_iter().filter_map(|key| Some((key, node.get(key)?)));
    let (first, second) = (acts.next(), acts.next());
    if let (Some((one, _)), Some((other, _))) = (first, second) {
        return file
            .error(node.place, format!("a step does one thing: put `{one}` and `{other}` into steps of their own"));
    }
    let times = node.get("times").map(|node| file.number(node, "times", 1, MAX_TIMES)).transpose()?;
    if times.is_some() && !matches!(first, Some(("dispatch", _))) {
        return file.error(node.place, "`times` belongs to a `dispatch`, or into the mapping of a `provider`");
    }
    let act = match first {
        Some(("provider", node)) => Act::Provider(Stub::parse(file, node)?),
        Some(("dispatch", node)) => Act::Dispatch(sent(file, node, times.unwrap_or(1), defaults)?),
        Some(("advance", node)) => Act::Advance(advance(file, node)?),
        Some((_, node)) => Act::Command(CommandStep::parse(file, node, defaults)?),
        None if expect.is_empty() => {
            let message = format!("the step does nothing: it needs one of {}, or an `expect`", ACTS.join(", "));
            return file.error(node.place, message);
        }
        None => Act::Look,
    };
    let step = Step { place: node.place, name, act, expect };
    check_expectations(file, &step)?;
    Ok(step)
}

/// Refuses expectations that the step can't have.
fn check_expectations(file: File<'_>, step: &Step) -> Result<(), Diagnostic> {
    for expectation in &step.expect {
        let fits = match expectation.key {
            "outcome" | "outcomes" | "rule" | "detail" => !matches!(step.act, Act::Provider(_) | Act::Look),
            "refused" | "result" => matches!(step.act, Act::Command(_)),
            _ => true,
        };
        if !fits {
            let message = format!("a step with `{}` has no `{}`", step.act.key(), expectation.key);
            return file.error(expectation.place, message);
        }
    }
    Ok(())
}

fn sent(file: File<'_>, node: &Node, times: u32, defaults: &Map<String, Value>) -> Result<Vec<Sent>, Diagnostic> {
    let one = |node: &Node| {
        if let Data::Str(text) = &node.data {
            return Ok(Sent { record: Record::Raw(text.clone()), times: 1 });
        }
        let times = node.get("times").map_or(Ok(1), |node| file.number(node, "times", 1, MAX_TIMES))?;
        let mut action = action(file, node)?;
        action.remove("times");
        for (key, value) in defaults {
            action.entry(key.as_str()).or_insert_with(|| value.clone());
        }
        Ok(Sent { record: Record::Action(Value::Object(action)), times })
    };
    let sent: Vec<Sent> = match &node.data {
        Data::List(items) if items.is_empty() => return file.error(node.place, "dispatch: the list is empty"),
        Data::List(items) => items.iter().map(one).collect::<Result<_, _>>()?,
        _ => vec![one(node)?],
    };
    let all: u64 = sent.iter().map(|sent| u64::from(sent.times)).sum::<u64>() * u64::from(times);
    if all > u64::from(MAX_TIMES) {
        return file.error(node.place, format!("dispatch: {all} actions; one step may send {MAX_TIMES}"));
    }
    let repeated = std::iter::repeat_n(sent, times as usize).flatten();
    Ok(repeated.collect())
}

/// The fields of an action.
fn action(file: File<'_>, node: &Node) -> Result<Map<String, Value>, Diagnostic> {
    for (key, _) in file.any_mapping(node, "an action")? {
        if ACTION_KEYS.contains(&key.text.as_str()) || key.text == "times" {
            continue;
        }
        if let Some(suggestion) = nearest(&key.text, ACTION_KEYS) {
            let message = format!("an action has no field `{}`", key.text);
            return Err(Diagnostic::error(file.0, key.place, message).suggest(Some(suggestion)));
        }
    }
    match file.json(node)? {
        Value::Object(action) => Ok(action),
        _ => Ok(Map::new()),
    }
}

fn advance(file: File<'_>, node: &Node) -> Result<Advance, Diagnostic> {
    if !matches!(node.data, Data::Map(_)) {
        let text = file.text(node, "advance")?;
        return match duration::parse(&text) {
            Ok(ms) => Ok(Advance::By(ms)),
            Err(message) => file.error(node.place, format!("advance: {message}")),
        };
    }
    file.mapping(node, "advance", &["to"])?;
    match node.get("to") {
        Some(to) => Ok(Advance::To(file.moment(to, "to")?)),
        None => file.error(node.place, "advance: write a duration such as 30s, or `{to: <time>}`"),
    }
}
