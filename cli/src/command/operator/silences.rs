//! Silences: times in which actions that match are not executed.

use super::{Ask, Operator, Request};
use crate::duration;
use acteon_schemas::{CommandKind, MatchOperator, SilenceDefinition, SilenceMatcher};
use anyhow::Result;
use clap::Subcommand;
use std::time::Duration;

/// Columns of the list.
const COLUMNS: [&str; 6] = ["id", "matchers", "starts_at", "ends_at", "created_by", "comment"];

/// Silences: times in which actions that match are not executed
#[derive(Debug, Subcommand)]
pub(crate) enum Silences {
    /// List silences
    #[command(
        after_help = "Example:\n  acteon silences list --namespace monitoring --tenant acme-corp --include-expired"
    )]
    List {
        #[command(flatten)]
        ask: Ask,
        /// Those that are over as well
        #[arg(long)]
        include_expired: bool,
    },
    /// Silence actions
    #[command(
        after_help = "Example:\n  acteon silences create --match severity=warning --match 'host=~web-.*' --for 2h --comment maintenance --namespace monitoring --tenant acme-corp"
    )]
    Create {
        #[command(flatten)]
        ask: Ask,
        /// A condition: name=value, name!=value, name=~regex or name!~regex; all have to match
        #[arg(long = "match", value_name = "MATCHER", value_parser = matcher, required = true)]
        matchers: Vec<SilenceMatcher>,
        /// When it begins (RFC 3339) [default: now]
        #[arg(long, value_name = "TIME")]
        starts_at: Option<String>,
        /// When it ends (RFC 3339)
        #[arg(long, value_name = "TIME", conflicts_with = "duration", required_unless_present = "duration")]
        ends_at: Option<String>,
        /// How long it lasts: 30m, 2h
        #[arg(long = "for", value_name = "TIME", value_parser = duration::parse)]
        duration: Option<Duration>,
        /// Why
        #[arg(long, default_value = "")]
        comment: String,
        /// The silence's id; made where absent
        #[arg(long)]
        id: Option<String>,
    },
    /// Change when a silence ends, or its comment
    #[command(
        after_help = "Example:\n  acteon silences update 5b8f5a4e-52a4-5f0c-9d0a-6f3b4a559a57 --ends-at 2026-03-02T13:00:00Z --namespace monitoring --tenant acme-corp"
    )]
    Update {
        #[command(flatten)]
        ask: Ask,
        /// The silence's id
        silence_id: String,
        /// When it shall end (RFC 3339)
        #[arg(long, value_name = "TIME", required_unless_present = "comment")]
        ends_at: Option<String>,
        /// Why it is there
        #[arg(long)]
        comment: Option<String>,
    },
    /// End a silence now
    #[command(
        after_help = "Example:\n  acteon silences delete 5b8f5a4e-52a4-5f0c-9d0a-6f3b4a559a57 --namespace monitoring --tenant acme-corp"
    )]
    Delete {
        #[command(flatten)]
        ask: Ask,
        /// The silence's id
        silence_id: String,
    },
}

impl Operator for Silences {
    fn request(&self) -> Result<Request<'_>> {
        Ok(match self {
            Self::List { ask, include_expired } => {
                ask.list(CommandKind::ListSilences { include_expired: *include_expired }, &COLUMNS)
            }
            Self::Create { ask, matchers, starts_at, ends_at, duration, comment, id } => {
                let silence = SilenceDefinition {
                    id: id.clone(),
                    matchers: matchers.clone(),
                    starts_at: starts_at.clone(),
                    ends_at: ends_at.clone(),
                    duration_seconds: duration.map(|duration| duration.as_secs()),
                    comment: comment.clone(),
                    created_by: ask.by.clone(),
                };
                ask.act(CommandKind::CreateSilence { silence })
            }
            Self::Update { ask, silence_id, ends_at, comment } => ask.act(CommandKind::UpdateSilence {
                silence_id: silence_id.clone(),
                ends_at: ends_at.clone(),
                comment: comment.clone(),
            }),
            Self::Delete { ask, silence_id } => ask.act(CommandKind::DeleteSilence { silence_id: silence_id.clone() }),
        })
    }
}

/// Parses a matcher as Alertmanager writes it.
fn matcher(text: &str) -> Result<SilenceMatcher, String> {
    let usage = || "use name=value, name!=value, name=~regex or name!~regex".to_owned();
    let at = text.find(['=', '!']).filter(|at| *at > 0).ok_or_else(usage)?;
    let (name, rest) = text.split_at(at);
    let operators = [
        ("=~", MatchOperator::Regex),
        ("!~", MatchOperator::NotRegex),
        ("!=", MatchOperator::NotEqual),
        ("=", MatchOperator::Equal),
    ];
    let found = operators.into_iter().find_map(|(sign, op)| Some((rest.strip_prefix(sign)?, op)));
    let (value, op) = found.ok_or_else(usage)?;
    Ok(SilenceMatcher { name: name.to_owned(), value: value.to_owned(), op: Some(op) })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn matchers_have_four_operators() {
        let cases = [
            ("severity=warning", "severity", "warning", MatchOperator::Equal),
            ("a=", "a", "", MatchOperator::Equal),
            ("a!=b=c", "a", "b=c", MatchOperator::NotEqual),
            ("payload.host=~web-.*", "payload.host", "web-.*", MatchOperator::Regex),
            ("a!~b|c", "a", "b|c", MatchOperator::NotRegex),
        ];
        for (text, name, value, op) in cases {
            let found = matcher(text).unwrap();
            assert_eq!((found.name.as_str(), found.value.as_str(), found.op), (name, value, Some(op)), "{text}");
        }
        for bad in ["", "a", "=b", "a!b"] {
            assert!(matcher(bad).is_err(), "{bad}");
        }
    }
}
