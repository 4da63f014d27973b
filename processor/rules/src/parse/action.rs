//! Rule actions.

use super::Reader;
use super::fields::{Fields, backticked};
use crate::diagnostic::{Place, nearest};
use crate::limits;
use crate::rule::{RuleAction, ThrottleMode};
use crate::yaml::{Data, Node};

/// Each action type with the keys that go with it.
const TYPES: &[(&str, &[&str])] = &[
    ("allow", &[]),
    ("deny", &[]),
    ("suppress", &["reason"]),
    ("modify", &["changes", "set", "unset", "rename"]),
    ("deduplicate", &["ttl_seconds", "key_fields"]),
    ("throttle", &["max_count", "window_seconds", "key_fields", "message", "mode", "max_delay_seconds", "max_queue"]),
    ("reroute", &["target_provider", "targets"]),
    ("chain", &["chain", "chain_name"]),
    (
        "group",
        &[
            "group_by",
            "group_wait_seconds",
            "group_interval_seconds",
            "repeat_interval_seconds",
            "max_group_size",
            "template",
        ],
    ),
    ("schedule", &["delay_seconds"]),
    ("request_approval", &["notify_provider", "timeout_seconds", "message"]),
    ("require_approval", &["notify_provider", "ttl_seconds", "message"]),
    ("state_machine", &["state_machine", "fingerprint_fields"]),
];

/// An action, and where it names a provider, a chain or a state machine.
type Read = Option<(RuleAction, Option<Place>)>;

impl Reader<'_> {
    pub(super) fn action(&mut self, node: &Node) -> Read {
        let Data::Map(entries) = &node.data else {
            let mut message = format!("`action` must be a mapping, found {}", node.kind());
            if let Data::Str(text) = &node.data {
                message = format!("{message}: write `action: {{type: {text}}}`");
            }
            self.error(node.place, message);
            return None;
        };
        let Some((_, kind)) = entries.iter().find(|(key, _)| key.text == "type") else {
            self.error(node.place, "`action` has no `type`");
            return None;
        };
        let name = self.string(kind, "type")?;
        let Some((name, keys)) = TYPES.iter().find(|(known, _)| *known == name) else {
            self.unknown_type(kind.place, &name);
            return None;
        };
        let what = format!("`{name}`");
        let known: Vec<&str> = keys.iter().copied().chain(["type", "continue"]).collect();
        let fields = self.fields(node, &what, &known)?;
        self.typed(name, &fields, &what)
    }

    fn unknown_type(&mut self, place: Place, name: &str) {
        if name == "llm_guardrail" {
            let message = "`llm_guardrail` is not supported: a decision must follow from the \
                           action, the state and the time alone";
            self.error(place, message);
            return;
        }
        let known: Vec<&str> = TYPES.iter().map(|(known, _)| *known).collect();
        let near = nearest(name, known.iter().copied());
        let mut message = format!("unknown action type `{name}`");
        if near.is_none() {
            message = format!("{message}; known are {}", backticked(&known));
        }
        self.error_near(place, message, near);
    }

    fn typed(&mut self, name: &str, fields: &Fields<'_>, what: &str) -> Read {
        let place = |key| fields.get(key).map(|node| node.place);
        Some(match name {
            "allow" => (RuleAction::Allow, None),
            "deny" => (RuleAction::Deny, None),
            "suppress" => {
                let reason = self.optional_string(fields, "reason")?;
                (RuleAction::Suppress { reason }, None)
            }
            "modify" => (self.modify(fields, what)?, None),
            "deduplicate" => (self.deduplicate(fields)?, None),
            "throttle" => (self.throttle(fields, what)?, None),
            "reroute" => (self.reroute(fields, what)?, None),
            "chain" => self.chain(fields, what)?,
            "group" => (self.group(fields, what)?, None),
            "schedule" => {
                let max = limits::MAX_SCHEDULE_DELAY_SECONDS;
                let delay_ms = self.required_seconds(fields, "delay_seconds", what, max)?;
                (RuleAction::Schedule { delay_ms }, None)
            }
            "request_approval" | "require_approval" => (self.approval(name, fields, what)?, place("notify_provider")),
            _ => {
                let state_machine = self.required_string(fields, "state_machine", what);
                let fingerprint_fields = self.key_fields(fields, "fingerprint_fields");
                let (state_machine, fingerprint_fields) = (state_machine?, fingerprint_fields?);
                let action = RuleAction::StateMachine { state_machine, fingerprint_fields };
                (action, place("state_machine"))
            }
        })
    }

    fn deduplicate(&mut self, fields: &Fields<'_>) -> Option<RuleAction> {
        let (default, max) = (limits::DEFAULT_DEDUP_TTL_SECONDS, limits::MAX_DEDUP_TTL_SECONDS);
        let ttl_ms = self.seconds_or(fields, "ttl_seconds", default, max);
        let key_fields = self.key_fields(fields, "key_fields");
        Some(RuleAction::Deduplicate { ttl_ms: ttl_ms?, key_fields: key_fields? })
    }

    fn throttle(&mut self, fields: &Fields<'_>, what: &str) -> Option<RuleAction> {
        let max_count = match self.required(fields, "max_count", what) {
            None => None,
            Some(node) => self.whole(node, "max_count", 1..=limits::MAX_THROTTLE_COUNT),
        };
        let max = limits::MAX_THROTTLE_WINDOW_SECONDS;
        let window_ms = self.required_seconds(fields, "window_seconds", what, max);
        let key_fields = self.key_fields(fields, "key_fields");
        let message = self.optional_string(fields, "message");
        let mode = self.throttle_mode(fields);
        Some(RuleAction::Throttle {
            max_count: max_count?,
            window_ms: window_ms?,
            key_fields: key_fields?,
            message: message?,
            mode: mode?,
        })
    }

    fn throttle_mode(&mut self, fields: &Fields<'_>) -> Option<ThrottleMode> {
        let mode = self.optional_string(fields, "mode")?;
        match mode.as_deref() {
            Some("delay") => {
                let (default, max) = (limits::DEFAULT_THROTTLE_DELAY_SECONDS, limits::MAX_THROTTLE_DELAY_SECONDS);
                let max_delay_ms = self.seconds_or(fields, "max_delay_seconds", default, max);
                let max_queue = match fields.get("max_queue") {
                    None => Some(limits::DEFAULT_THROTTLE_QUEUE),
                    Some(node) => self.whole(node, "max_queue", 1..=limits::MAX_THROTTLE_QUEUE),
                };
                Some(ThrottleMode::Delay { max_delay_ms: max_delay_ms?, max_queue: max_queue? })
            }
            None | Some("refuse") => {
                let needless = ["max_delay_seconds", "max_queue"];
                let Some((key, node)) = needless.iter().find_map(|key| fields.get(key).map(|node| (key, node))) else {
                    return Some(ThrottleMode::Refuse);
                };
                self.error(node.place, format!("`{key}` goes with `mode: delay`"));
                None
            }
            Some(other) => {
                let place = fields.get("mode").map_or(fields.place, |node| node.place);
                let near = nearest(other, ["refuse", "delay"]);
                self.error_near(place, format!("`mode` must be `refuse` or `delay`, found `{other}`"), near);
                None
            }
        }
    }

    /// `chain`, or `chain_name` as the original's documents have it.
    fn chain(&mut self, fields: &Fields<'_>, what: &str) -> Read {
        let key =
            if fields.get("chain").is_none() && fields.get("chain_name").is_some() { "chain_name" } else { "chain" };
        if let (Some(_), Some(node)) = (fields.get("chain"), fields.get("chain_name")) {
            self.error(node.place, "`chain_name` is another word for `chain`: leave one out");
            return None;
        }
        let chain = self.required_string(fields, key, what)?;
        Some((RuleAction::Chain { chain }, fields.get(key).map(|node| node.place)))
    }

    fn group(&mut self, fields: &Fields<'_>, what: &str) -> Option<RuleAction> {
        let group_by = match self.required(fields, "group_by", what) {
            None => None,
            Some(_) => self.key_fields(fields, "group_by"),
        };
        let interval_max = limits::MAX_GROUP_INTERVAL_SECONDS;
        let (wait, wait_max) = (limits::DEFAULT_GROUP_WAIT_SECONDS, limits::MAX_GROUP_WAIT_SECONDS);
        let wait_ms = self.seconds_or(fields, "group_wait_seconds", wait, wait_max);
        let interval = limits::DEFAULT_GROUP_INTERVAL_SECONDS;
        let interval_ms = self.seconds_or(fields, "group_interval_seconds", interval, interval_max);
        let repeat = fields.get("repeat_interval_seconds");
        let repeat_interval_ms = match repeat {
            None => Some(None),
            Some(node) => {
                self.whole(node, "repeat_interval_seconds", 1..=interval_max).map(|seconds| Some(seconds * 1_000))
            }
        };
        let max_size = match fields.get("max_group_size") {
            None => Some(limits::DEFAULT_GROUP_SIZE),
            Some(node) => self.whole(node, "max_group_size", 1..=limits::MAX_GROUP_SIZE),
        };
        let template = self.optional_string(fields, "template");
        Some(RuleAction::Group {
            group_by: group_by?,
            wait_ms: wait_ms?,
            interval_ms: interval_ms?,
            repeat_interval_ms: repeat_interval_ms?,
            max_size: usize::try_from(max_size?).ok()?,
            template: template?,
        })
    }

    /// `request_approval`, or `require_approval` as the original's documents have it.
    fn approval(&mut self, name: &str, fields: &Fields<'_>, what: &str) -> Option<RuleAction> {
        let documented = name == "require_approval";
        let notify_provider = if documented {
            self.optional_string(fields, "notify_provider")
        } else {
            self.required_string(fields, "notify_provider", what).map(Some)
        };
        let key = if documented { "ttl_seconds" } else { "timeout_seconds" };
        let default = limits::DEFAULT_APPROVAL_TIMEOUT_SECONDS;
        let timeout_ms = self.seconds_or(fields, key, default, limits::MAX_APPROVAL_TIMEOUT_SECONDS);
        let message = self.optional_string(fields, "message");
        Some(RuleAction::RequestApproval {
            notify_provider: notify_provider?,
            timeout_ms: timeout_ms?,
            message: message?,
        })
    }
}
