use crate::args::Global;
use crate::config::Config;
use crate::exit::Exit;
use crate::output::{Output, count};
use acteon_topology::{self as topology, Applied, BOOTSTRAP_PLACEHOLDER, Plan, Topology as Topics};
use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::json;

/// The topics that Acteon needs on Kafka
#[derive(Debug, Subcommand)]
pub(crate) enum Topology {
    /// Show the topics as the configuration wants them; asks no Kafka
    #[command(after_help = "Examples:\n  acteon topology show\n  acteon topology show --mermaid")]
    Show(Show),
    /// Say what `apply` would do
    #[command(after_help = "Example:\n  acteon topology plan --bootstrap-servers kafka-1:9092")]
    Plan(Format),
    /// Create what is missing and set what differs; never shrinks or deletes, and does nothing twice
    #[command(after_help = "Example:\n  acteon topology apply -c acteon.toml")]
    Apply(Format),
    /// Say whether Acteon can start on the topics as they are; exits with 1 if not
    #[command(after_help = "Example:\n  acteon topology check && acteon run")]
    Check(Format),
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Print a Mermaid diagram of topics, roles and stores
    #[arg(long, conflicts_with = "json")]
    mermaid: bool,
    #[command(flatten)]
    format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct Format {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Topology {
    pub(crate) fn run(&self, global: &Global) -> Result<Exit> {
        let config = global.load_quietly()?;
        let wanted = Topics::of(&config.topology_settings())?;
        let mut output = Output::stdout();
        let exit = match self {
            Self::Show(show) => show.run(&wanted, &mut output)?,
            Self::Plan(format) => {
                let plan = plan(&config, &wanted)?;
                format.plan(&config, &plan, &mut output)?
            }
            Self::Apply(format) => {
                let plan = plan(&config, &wanted)?;
                if plan.conflicts.is_empty() {
                    let applied = topology::apply(&config.kafka, &plan)?;
                    format.applied(&wanted, &applied, &mut output)?
                } else {
                    format.plan(&config, &plan, &mut output)?
                }
            }
            Self::Check(format) => {
                topology::check(&config.kafka, &wanted)?;
                if format.json {
                    output.json(&json!({ "ready": true, "topics": wanted.topics.len() }))?;
                } else {
                    let topics = count(wanted.topics.len(), "topic");
                    output.line(format!("{topics} as wanted on Kafka at {}", config.kafka.bootstrap()))?;
                }
                Exit::Done
            }
        };
        output.flush()?;
        Ok(exit)
    }
}

fn plan(config: &Config, wanted: &Topics) -> Result<Plan> {
    let actual = topology::read_actual(&config.kafka, wanted.topics.iter().map(|topic| topic.name.as_str()))?;
    Ok(topology::plan(wanted, &actual))
}

impl Show {
    fn run(&self, wanted: &Topics, output: &mut Output) -> Result<Exit> {
        if self.mermaid {
            output.line(wanted.mermaid())?;
        } else if self.format.json {
            output.json(wanted)?;
        } else {
            let replication = |factor: i16| if factor < 0 { "default".to_owned() } else { factor.to_string() };
            let parties = |parties: &[topology::Party]| parties.iter().map(word).collect::<Vec<_>>().join(", ");
            output.table(
                &["topic", "partitions", "replication", "cleanup", "key", "written by", "read by"],
                wanted.topics.iter().map(|topic| {
                    vec![
                        topic.name.clone(),
                        topic.partitions.to_string(),
                        replication(topic.replication),
                        topic.cleanup().to_owned(),
                        topic.key.to_owned(),
                        parties(topic.written_by),
                        parties(topic.read_by),
                    ]
                }),
            )?;
        }
        Ok(Exit::Done)
    }
}

/// The name that a value is serialised as.
fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(error) => error.to_string(),
    }
}

impl Format {
    fn plan(&self, config: &Config, plan: &Plan, output: &mut Output) -> Result<Exit> {
        if self.json {
            output.json(plan)?;
        } else {
            for step in &plan.steps {
                output.line(step.to_string())?;
            }
            for conflict in &plan.conflicts {
                let text = conflict.to_string().replace(BOOTSTRAP_PLACEHOLDER, config.kafka.bootstrap());
                output.line(format!("conflict: {text}"))?;
            }
            if plan.is_empty() {
                output.line("nothing to do")?;
            } else if !plan.conflicts.is_empty() {
                output.line("nothing is done while there is a conflict")?;
            }
        }
        Ok(if plan.conflicts.is_empty() { Exit::Done } else { Exit::Failed })
    }

    fn applied(&self, wanted: &Topics, applied: &Applied, output: &mut Output) -> Result<Exit> {
        if self.json {
            output.json(applied)?;
            return Ok(Exit::Done);
        }
        for (verb, topics) in [
            ("created", &applied.created),
            ("grown", &applied.grown),
            ("altered", &applied.altered),
            ("made by another in the meantime", &applied.already),
        ] {
            if !topics.is_empty() {
                output.line(format!("{verb}: {}", topics.join(", ")))?;
            }
        }
        output.line(format!("{} as wanted", count(wanted.topics.len(), "topic")))?;
        Ok(Exit::Done)
    }
}
