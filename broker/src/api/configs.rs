//! Topic configuration: DescribeConfigs, AlterConfigs, IncrementalAlterConfigs.

use super::{storage, text};
use crate::meta::Entry;
use crate::shared::Shared;
use crate::topic_config::TopicConfig;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::alter_configs_response::AlterConfigsResourceResponse as Altered;
use kafka_protocol::messages::describe_configs_response::{DescribeConfigsResourceResult, DescribeConfigsResult};
use kafka_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse as AlteredIncrementally;
use kafka_protocol::messages::{
    AlterConfigsRequest, AlterConfigsResponse, DescribeConfigsRequest, DescribeConfigsResponse,
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};
use std::collections::BTreeMap;

/// Kinds of resources.
const TOPIC: i8 = 2;
const BROKER: i8 = 4;
/// Where a value comes from.
const FROM_TOPIC: i8 = 1;
const FROM_BROKER: i8 = 4;
const FROM_DEFAULT: i8 = 5;
/// Operations of an incremental change.
const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

type Refused = (ResponseError, String);

fn value(name: &str, value: &str, source: i8) -> DescribeConfigsResourceResult {
    DescribeConfigsResourceResult::default()
        .with_name(text(name))
        .with_value(Some(text(value)))
        .with_config_source(source)
        .with_read_only(source == FROM_BROKER)
}

pub(super) fn describe(shared: &Shared, request: DescribeConfigsRequest) -> DescribeConfigsResponse {
    let results = request.resources.into_iter().map(|resource| {
        let configs = match resource.resource_type {
            TOPIC => match shared.catalog.topic(&resource.resource_name) {
                Some(topic) => {
                    let source = |default| if default { FROM_DEFAULT } else { FROM_TOPIC };
                    Ok(topic.config().all().map(|(k, v, default)| value(k, v, source(default))).collect())
                }
                None => Err(ResponseError::UnknownTopicOrPartition),
            },
            BROKER => Ok(broker_configs(shared)),
            _ => Err(ResponseError::InvalidRequest),
        };
        let wanted = |c: &DescribeConfigsResourceResult| {
            // No list and an empty one both stand for everything.
            resource.configuration_keys.as_ref().is_none_or(|keys| keys.is_empty() || keys.contains(&c.name))
        };
        let answer = DescribeConfigsResult::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name.clone());
        match configs {
            Ok(configs) => answer.with_configs(configs.into_iter().filter(wanted).collect()),
            Err(error) => answer.with_error_code(error.code()).with_error_message(Some(text(error.to_string()))),
        }
    });
    DescribeConfigsResponse::default().with_results(results.collect())
}

fn broker_configs(shared: &Shared) -> Vec<DescribeConfigsResourceResult> {
    let auto_create = shared.config.auto_create_partitions;
    vec![
        value("auto.create.topics.enable", if auto_create.is_some() { "true" } else { "false" }, FROM_BROKER),
        value("num.partitions", &auto_create.unwrap_or(1).to_string(), FROM_BROKER),
        value("default.replication.factor", "1", FROM_BROKER),
        value("group.initial.rebalance.delay.ms", "0", FROM_BROKER),
        value("log.cleanup.policy", "delete", FROM_BROKER),
        value("log.dirs", &shared.config.data_dir.display().to_string(), FROM_BROKER),
        value("transaction.max.timeout.ms", &crate::txn::MAX_TIMEOUT_MS.to_string(), FROM_BROKER),
    ]
}

/// Replaces the overrides of a topic by what `change` makes of them, or only checks that it could.
fn alter_topic(
    shared: &Shared,
    resource_type: i8,
    name: &str,
    only_check: bool,
    change: impl FnOnce(BTreeMap<String, String>) -> Result<BTreeMap<String, String>, String>,
) -> Result<(), Refused> {
    if resource_type != TOPIC {
        let reason = "only topics can be configured".into();
        return Err((ResponseError::InvalidRequest, reason));
    }
    let invalid = |reason| (ResponseError::InvalidConfig, reason);
    let mut coordinator = shared.coordinator();
    let (Some(meta), Some(topic)) = (coordinator.meta.topics.get(name), shared.catalog.topic(name)) else {
        return Err((ResponseError::UnknownTopicOrPartition, format!("there is no topic '{name}'")));
    };
    let changed = change(meta.config.clone()).map_err(invalid)?;
    let config = TopicConfig::new(changed.clone()).map_err(invalid)?;
    if only_check {
        return Ok(());
    }
    let entry = Entry::Config { name: name.to_string(), config: changed };
    coordinator.record(entry).map_err(storage).map_err(|e| (e, e.to_string()))?;
    topic.configure(config);
    Ok(())
}

pub(super) fn alter(shared: &Shared, request: AlterConfigsRequest) -> AlterConfigsResponse {
    let responses = request.resources.into_iter().map(|r| {
        let set = r.configs.iter().filter_map(|c| Some((c.name.to_string(), c.value.as_ref()?.to_string()))).collect();
        let altered = alter_topic(shared, r.resource_type, &r.resource_name, request.validate_only, |_| Ok(set));
        let answer = Altered::default().with_resource_type(r.resource_type).with_resource_name(r.resource_name);
        match altered {
            Ok(()) => answer,
            Err((error, reason)) => answer.with_error_code(error.code()).with_error_message(Some(text(reason))),
        }
    });
    AlterConfigsResponse::default().with_responses(responses.collect())
}

pub(super) fn alter_incrementally(
    shared: &Shared,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let responses = request.resources.into_iter().map(|r| {
        let change = |mut config: BTreeMap<String, String>| {
            for c in &r.configs {
                let given = c.value.as_deref().unwrap_or("");
                apply(&mut config, &c.name, c.config_operation, given)?;
            }
            Ok(config)
        };
        let altered = alter_topic(shared, r.resource_type, &r.resource_name, request.validate_only, change);
        let answer = AlteredIncrementally::default().with_resource_type(r.resource_type);
        let answer = answer.with_resource_name(r.resource_name.clone());
        match altered {
            Ok(()) => answer,
            Err((error, reason)) => answer.with_error_code(error.code()).with_error_message(Some(text(reason))),
        }
    });
    IncrementalAlterConfigsResponse::default().with_responses(responses.collect())
}

fn apply(config: &mut BTreeMap<String, String>, name: &str, operation: i8, given: &str) -> Result<(), String> {
    let listed = |config: &BTreeMap<String, String>| -> Vec<String> {
        let present = config.get(name).map_or("", String::as_str);
        present.split(',').map(str::trim).filter(|v| !v.is_empty()).map(str::to_string).collect()
    };
    match operation {
        SET => drop(config.insert(name.into(), given.into())),
        DELETE => drop(config.remove(name)),
        APPEND => {
            let mut values = listed(config);
            if !values.iter().any(|v| v == given) {
                values.push(given.into());
            }
            config.insert(name.into(), values.join(","));
        }
        SUBTRACT => {
            let mut values = listed(config);
            values.retain(|v| v != given);
            config.insert(name.into(), values.join(","));
        }
        other => return Err(format!("unknown operation {other} on {name}")),
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn operations_set_delete_append_and_subtract() {
        let mut config = BTreeMap::new();
        for (operation, given, want) in [
            (SET, "compact", Some("compact")),
            (APPEND, "delete", Some("compact,delete")),
            (APPEND, "delete", Some("compact,delete")),
            (SUBTRACT, "compact", Some("delete")),
            (DELETE, "", None),
        ] {
            apply(&mut config, "cleanup.policy", operation, given).unwrap();
            assert_eq!(config.get("cleanup.policy").map(String::as_str), want, "{operation} {given}");
        }
        assert!(apply(&mut config, "x", 9, "").unwrap_err().contains('9'));
    }
}
