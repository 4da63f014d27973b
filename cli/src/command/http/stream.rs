use super::{Endpoint, block_on};
use crate::exit::Exit;
use crate::output::Output;
use acteon_client::{StreamEvent, StreamFilter};
use anyhow::Result;
use clap::Args;
use futures::StreamExt as _;
use serde_json::Value;
use std::pin::pin;

/// Show what happens as it happens, asked of a gateway
///
/// A connection that breaks is made again, and goes on behind the last event that came.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  acteon stream --namespace ecommerce
  acteon stream --event-type chain_completed --json
  acteon stream --after 0-1042 --count 10")]
pub(crate) struct Stream {
    /// Of this namespace
    #[arg(long, env = "ACTEON_NAMESPACE")]
    namespace: Option<String>,
    /// Of this tenant
    #[arg(long, env = "ACTEON_TENANT")]
    tenant: Option<String>,
    /// About actions of this type
    #[arg(long)]
    action_type: Option<String>,
    /// About actions that ended so: executed, suppressed, failed, …
    #[arg(long)]
    outcome: Option<String>,
    /// Of this type: action_dispatched, chain_completed, …
    #[arg(long)]
    event_type: Option<String>,
    /// About this chain
    #[arg(long, value_name = "ID")]
    chain: Option<String>,
    /// About this group
    #[arg(long, value_name = "ID")]
    group: Option<String>,
    /// About this action
    #[arg(long, value_name = "ID")]
    action: Option<String>,
    /// Begin behind the event with this id, which --json shows, instead of now
    #[arg(long, value_name = "ID")]
    after: Option<String>,
    /// End after so many events
    #[arg(long, value_name = "N")]
    count: Option<usize>,
    #[command(flatten)]
    endpoint: Endpoint,
    /// Print JSON: one object an event
    #[arg(long)]
    json: bool,
}

impl Stream {
    pub(crate) fn run(&self) -> Result<Exit> {
        let filter = StreamFilter {
            namespace: self.namespace.clone(),
            tenant: self.tenant.clone(),
            action_type: self.action_type.clone(),
            outcome: self.outcome.clone(),
            event_type: self.event_type.clone(),
            chain_id: self.chain.clone(),
            group_id: self.group.clone(),
            action_id: self.action.clone(),
        };
        let client = self.endpoint.client()?;
        let mut output = Output::stdout();
        block_on(async {
            let events = client.stream(&filter, self.after.as_deref()).take(self.count.unwrap_or(usize::MAX));
            let mut events = pin!(events);
            while let Some(event) = events.next().await {
                let event = event?;
                if self.json {
                    output.json(&event)?;
                } else {
                    output.line(row(&event))?;
                }
                output.flush()?;
            }
            Ok(Exit::Done)
        })
    }
}

/// Fields that are told first, in this order; the others follow in theirs.
const FIRST: [&str; 5] = ["namespace", "tenant", "action_type", "action_id", "outcome"];
/// Fields that the line begins with, or has no use for.
const LEFT_OUT: [&str; 3] = ["id", "timestamp", "type"];

fn row(event: &StreamEvent) -> String {
    let data = &event.data;
    let time = data["timestamp"].as_str().unwrap_or("-");
    let Some(fields) = data.as_object() else { return format!("{time:<24}  {:<22}  {data}", event.event) };
    let rest = fields.keys().map(String::as_str).filter(|name| !FIRST.contains(name) && !LEFT_OUT.contains(name));
    let told = FIRST.into_iter().chain(rest).filter_map(|name| match fields.get(name)? {
        Value::Null => None,
        Value::String(text) => Some(format!("{name}={text}")),
        other => Some(format!("{name}={other}")),
    });
    format!("{time:<24}  {:<22}  {}", event.event, told.collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_is_a_line() {
        let data = json!({"id": "x", "timestamp": "2026-03-02T10:00:00Z", "type": "a", "chain_id": null, "provider": "p",
            "tenant": "t", "namespace": "n", "n": 1});
        let event = StreamEvent { id: None, event: "a".to_owned(), data };
        assert_eq!(
            row(&event),
            "2026-03-02T10:00:00Z      a                       namespace=n tenant=t n=1 provider=p"
        );
        let event = StreamEvent { id: None, event: "lagged".to_owned(), data: json!("lost") };
        assert_eq!(row(&event), "-                         lagged                  \"lost\"");
    }
}
