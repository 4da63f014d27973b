use super::{Endpoint, Filter, block_on};
use crate::exit::Exit;
use crate::output::Output;
use acteon_client::{AuditRecord, MAX_PAGE};
use anyhow::Result;
use clap::Args;
use futures::StreamExt as _;
use std::pin::pin;

/// Show audit records, the newest first: what was decided about actions, and what became of them
///
/// They are asked of a gateway, whose view goes back as far as records are kept; `acteon tail audit` follows Kafka itself.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  acteon audit --namespace shop --tenant acme --outcome suppressed
  acteon audit --provider alert-fanout --from 2026-03-02T10:00:00Z --limit 5000 --json
  acteon audit 50a8eff9-0400-4fa5-89e2-b7411656b3c7")]
pub(crate) struct Audit {
    /// The newest record of this action alone, with everything in it
    #[arg(value_name = "ACTION ID")]
    action_id: Option<String>,
    #[command(flatten)]
    filter: Filter,
    /// Most records
    #[arg(long, default_value_t = 50, value_name = "N")]
    limit: u32,
    #[command(flatten)]
    endpoint: Endpoint,
    /// Print JSON: one object a record
    #[arg(long)]
    json: bool,
}

impl Audit {
    pub(crate) fn run(&self) -> Result<Exit> {
        let client = self.endpoint.client()?;
        let mut output = Output::stdout();
        block_on(async {
            if let Some(action_id) = &self.action_id {
                let record = client.audit_record(action_id).await?;
                if self.json {
                    output.json(&record)?;
                } else {
                    output.line(serde_json::to_string_pretty(&record)?)?;
                }
                output.flush()?;
                return Ok(Exit::Done);
            }
            if !self.json {
                output.line(HEADER.map(|(name, width)| format!("{name:<width$}")).join("  "))?;
            }
            let records = client.audit_records(self.filter.query(self.limit.clamp(1, MAX_PAGE)));
            let mut records = pin!(records.take(usize::try_from(self.limit).unwrap_or(usize::MAX)));
            while let Some(record) = records.next().await {
                let record = record?;
                if self.json {
                    output.json(&record)?;
                } else {
                    output.line(row(&record))?;
                }
            }
            output.flush()?;
            Ok(Exit::Done)
        })
    }
}

/// The columns and their widths; what is too long moves the rest of its row.
const HEADER: [(&str, usize); 7] = [
    ("DECIDED AT", 24),
    ("NAMESPACE:TENANT", 24),
    ("ACTION TYPE", 20),
    ("OUTCOME", 17),
    ("PROVIDER", 16),
    ("RULE", 26),
    ("ACTION ID", 36),
];

fn row(record: &AuditRecord) -> String {
    let scope = format!("{}:{}", record.namespace, record.tenant);
    let cells = [
        record.dispatched_at.as_str(),
        &scope,
        &record.action_type,
        &record.outcome,
        &record.provider,
        record.matched_rule.as_deref().unwrap_or("-"),
        &record.action_id,
    ];
    let cells = cells.into_iter().zip(HEADER).map(|(cell, (_, width))| format!("{cell:<width$}"));
    cells.collect::<Vec<_>>().join("  ")
}
