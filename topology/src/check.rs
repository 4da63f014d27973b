use crate::actual::read_actual;
use crate::apply::conflict_lines;
use crate::plan::{Step, plan};
use crate::topology::Topology;
use crate::{Error, KafkaConfig};

/// The command that makes the topics as they are wanted.
pub const APPLY_COMMAND: &str = "acteon topology apply";

/// Refuses to start on topics that are missing or have wrong partition counts. Other properties that differ are logged
/// as a warning.
///
/// # Errors
/// [`Error::NotReady`] lists the differences and says what to run; [`Error::Unreachable`] and [`Error::Refused`] as
/// [`read_actual`].
pub fn check(kafka: &KafkaConfig, wanted: &Topology) -> Result<(), Error> {
    let actual = read_actual(kafka, wanted.topics.iter().map(|topic| topic.name.as_str()))?;
    let plan = plan(wanted, &actual);
    let mut differences = conflict_lines(kafka, &plan.conflicts);
    for step in &plan.steps {
        match step {
            Step::Create { topic } => differences.push(format!("{} does not exist", topic.name)),
            Step::GrowPartitions { topic, from, to } => {
                differences.push(format!("{topic} has {from} partitions and needs {to}"));
            }
            Step::AlterConfig { topic, .. } => {
                tracing::warn!(topic, %step, command = APPLY_COMMAND, "topic properties differ");
            }
        }
    }
    if differences.is_empty() {
        return Ok(());
    }
    let remedy = if plan.conflicts.is_empty() {
        format!("run: {APPLY_COMMAND}")
    } else {
        format!("do what is said above, then run: {APPLY_COMMAND}")
    };
    Err(Error::NotReady { bootstrap: kafka.bootstrap().to_owned(), differences, remedy })
}
