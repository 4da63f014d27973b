//! Quotas: how many actions a tenant may send.

use super::{Ask, Operator, Request, input};
use acteon_schemas::{CommandKind, OverageBehavior, QuotaDefinition};
use anyhow::Result;
use clap::Subcommand;

/// Columns of the list.
const COLUMNS: [&str; 8] =
    ["id", "provider", "window", "max_actions", "used", "overage_behavior", "enabled", "description"];

/// Quotas: how many actions a tenant may send
#[derive(Debug, Subcommand)]
pub(crate) enum Quotas {
    /// List quotas and what they have counted
    #[command(after_help = "Example:\n  acteon quotas list --namespace monitoring --tenant acme-corp")]
    List {
        #[command(flatten)]
        ask: Ask,
    },
    /// Set a quota: a new one, or another in the place of the one with its id
    #[command(
        after_help = "Example:\n  acteon quotas set --max-actions 500 --window hourly --overage degrade:log --namespace monitoring --tenant acme-corp"
    )]
    Set {
        #[command(flatten)]
        ask: Ask,
        /// Actions allowed in a window
        #[arg(long, value_name = "N")]
        max_actions: u64,
        /// hourly, daily, weekly, monthly or a number of seconds
        #[arg(long)]
        window: String,
        /// What happens beyond it: block, warn, degrade:PROVIDER or notify:PROVIDER [default: block]
        #[arg(long, value_parser = overage)]
        overage: Option<OverageBehavior>,
        /// Count only the actions of this provider
        #[arg(long)]
        provider: Option<String>,
        /// The quota's id; made where absent
        #[arg(long)]
        id: Option<String>,
        /// What it is for
        #[arg(long)]
        description: Option<String>,
        /// Keep it without counting
        #[arg(long)]
        disabled: bool,
        /// A free label; may be repeated
        #[arg(long, value_name = "KEY=VALUE", value_parser = input::pair)]
        label: Vec<(String, String)>,
        /// Count only the actions of this sender, by their caller_id
        #[arg(long, value_name = "CALLER", conflicts_with = "per_principal")]
        principal: Option<String>,
        /// Count each sender by itself
        #[arg(long)]
        per_principal: bool,
    },
    /// Remove a quota
    #[command(
        after_help = "Example:\n  acteon quotas delete 5b8f5a4e-52a4-5f0c-9d0a-6f3b4a559a57 --namespace monitoring --tenant acme-corp"
    )]
    Delete {
        #[command(flatten)]
        ask: Ask,
        /// The quota's id
        quota_id: String,
    },
}

impl Operator for Quotas {
    fn request(&self) -> Result<Request<'_>> {
        Ok(match self {
            Self::List { ask } => ask.list(CommandKind::ListQuotas {}, &COLUMNS),
            Self::Set {
                ask,
                max_actions,
                window,
                overage,
                provider,
                id,
                description,
                disabled,
                label,
                principal,
                per_principal,
            } => {
                let quota = QuotaDefinition {
                    id: id.clone(),
                    provider: provider.clone(),
                    max_actions: *max_actions,
                    window: window.clone(),
                    overage_behavior: overage.clone(),
                    enabled: disabled.then_some(false),
                    description: description.clone(),
                    labels: label.iter().cloned().collect(),
                    principal: principal.clone(),
                    per_principal: *per_principal,
                };
                ask.act(CommandKind::SetQuota { quota })
            }
            Self::Delete { ask, quota_id } => ask.act(CommandKind::DeleteQuota { quota_id: quota_id.clone() }),
        })
    }
}

/// Parses what happens beyond a quota.
fn overage(text: &str) -> Result<OverageBehavior, String> {
    match text.split_once(':') {
        None if text == "block" => Ok(OverageBehavior::Block {}),
        None if text == "warn" => Ok(OverageBehavior::Warn {}),
        Some(("degrade", name)) if !name.is_empty() => {
            Ok(OverageBehavior::Degrade { fallback_provider: name.to_owned() })
        }
        Some(("notify", name)) if !name.is_empty() => Ok(OverageBehavior::Notify { target: name.to_owned() }),
        _ => Err("use block, warn, degrade:PROVIDER or notify:PROVIDER".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overage_is_a_word_or_a_word_and_a_provider() {
        let degrade = OverageBehavior::Degrade { fallback_provider: "log".to_owned() };
        assert_eq!(overage("degrade:log"), Ok(degrade));
        assert_eq!(overage("notify:slack:x"), Ok(OverageBehavior::Notify { target: "slack:x".to_owned() }));
        assert_eq!((overage("block"), overage("warn")), (Ok(OverageBehavior::Block {}), Ok(OverageBehavior::Warn {})));
        for bad in ["", "degrade", "degrade:", "warn:log", "drop"] {
            assert!(overage(bad).is_err(), "{bad}");
        }
    }
}
