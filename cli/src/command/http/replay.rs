use super::{Endpoint, Filter, block_on};
use crate::exit::Exit;
use crate::output::{Output, count};
use acteon_client::{Client, MAX_PAGE, Replayed};
use anyhow::Result;
use clap::Args;

/// Send actions once more, made from their audit records
///
/// Each is a new action with an id of its own and the label `replayed_from`; the rules decide about it anew.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  acteon replay 50a8eff9-0400-4fa5-89e2-b7411656b3c7
  acteon replay --all --namespace iot --tenant smartbuilding-hq --outcome failed --from 2026-03-02T10:00:00Z

Exits with 1 if an action could not be sent.")]
pub(crate) struct Replay {
    /// The actions
    #[arg(value_name = "ACTION ID", required_unless_present = "all")]
    action_ids: Vec<String>,
    /// All that the filters mean, the newest first
    #[arg(long, conflicts_with = "action_ids")]
    all: bool,
    #[command(flatten)]
    filter: Filter,
    /// Most records that are looked at with --all
    #[arg(long, default_value_t = 1_000, value_name = "N")]
    limit: u32,
    #[command(flatten)]
    endpoint: Endpoint,
    /// Print JSON: one object an action
    #[arg(long)]
    json: bool,
}

impl Replay {
    pub(crate) fn run(&self) -> Result<Exit> {
        let client = self.endpoint.client()?;
        let mut output = Output::stdout();
        let results = block_on(async { if self.all { self.all_of(&client).await } else { self.each(&client).await } })?;
        for result in &results {
            if self.json {
                output.json(result)?;
            } else {
                let what = match (&result.new_action_id, &result.error) {
                    (Some(id), _) => format!("→ {id}"),
                    (None, Some(error)) => format!("not sent: {error}"),
                    (None, None) => "not sent".to_owned(),
                };
                output.line(format!("{}  {what}", result.original_action_id))?;
            }
        }
        let sent = results.iter().filter(|result| result.success).count();
        if !self.json {
            output.line(format!("{} sent again, {} not", count(sent, "action"), results.len() - sent))?;
        }
        output.flush()?;
        Ok(if sent == results.len() { Exit::Done } else { Exit::Failed })
    }

    async fn each(&self, client: &Client) -> Result<Vec<Replayed>> {
        let mut results = Vec::new();
        for id in &self.action_ids {
            match client.replay(id).await {
                Ok(replayed) => results.push(replayed),
                Err(acteon_client::Error::Api(error)) => results.push(Replayed {
                    original_action_id: id.clone(),
                    new_action_id: None,
                    success: false,
                    error: Some(error.message),
                }),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(results)
    }

    async fn all_of(&self, client: &Client) -> Result<Vec<Replayed>> {
        let mut results = Vec::new();
        let mut cursor = None;
        // Behind the first page there is no newer record than the first of it: what is sent here does not come up again.
        while let Some(left) =
            self.limit.checked_sub(u32::try_from(results.len()).unwrap_or(u32::MAX)).filter(|n| *n > 0)
        {
            let page = client.replay_all(&self.filter.query(left.min(MAX_PAGE)), cursor.as_deref()).await?;
            results.extend(page.results);
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        Ok(results)
    }
}
