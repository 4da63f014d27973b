use crate::kafka::{QuietContext, REQUEST_TIMEOUT, input_topics, quiet};
use crate::log::LogError;
use crate::worker::TaskState;
use acteon_topology::{KafkaConfig, Names};
use metrics::gauge;
use rdkafka::consumer::{BaseConsumer, Consumer};
use std::collections::BTreeMap;

/// Measures how far tasks are behind.
pub(crate) struct Monitor {
    consumer: BaseConsumer<QuietContext>,
    topics: [String; 4],
}

impl Monitor {
    pub(crate) fn new(kafka: &KafkaConfig, names: &Names) -> Result<Self, LogError> {
        let consumer = quiet(kafka, &[("isolation.level", "read_committed")])?;
        Ok(Self { consumer, topics: input_topics(names) })
    }

    /// Reads the logs' ends and sets the gauges; returns each running task's lag in records, of all its topics.
    #[allow(clippy::cast_precision_loss)]
    pub(crate) fn measure(&self, tasks: &[TaskState]) -> BTreeMap<i32, i64> {
        let mut lags = BTreeMap::new();
        for task in tasks {
            let partition = task.partition.to_string();
            gauge!("acteon_processor_restored_records", "partition" => partition.clone()).set(task.restored as f64);
            gauge!("acteon_processor_store_bytes", "partition" => partition.clone()).set(task.store_bytes as f64);
            if !task.running {
                continue;
            }
            for (topic, position) in self.topics.iter().zip(task.committed) {
                match self.consumer.fetch_watermarks(topic, task.partition, REQUEST_TIMEOUT) {
                    Ok((_, end)) => {
                        let lag = (end - position).max(0);
                        *lags.entry(task.partition).or_insert(0) += lag;
                        let labels = [("topic", topic.clone()), ("partition", partition.clone())];
                        gauge!("acteon_processor_lag", &labels).set(lag as f64);
                    }
                    Err(error) => {
                        tracing::debug!(%topic, partition = task.partition, %error, "lag not measured");
                        return lags;
                    }
                }
            }
        }
        let restoring = tasks.iter().filter(|task| !task.running).count();
        gauge!("acteon_processor_restoring_tasks").set(restoring as f64);
        lags
    }
}
