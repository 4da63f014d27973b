//! Who serves what: ApiVersions, Metadata, DescribeCluster, FindCoordinator.

use super::{NODE, SUPPORTED, admin, text, topic_name};
use crate::shared::Shared;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{
    ApiVersionsResponse, BrokerId, DescribeClusterResponse, FindCoordinatorRequest, FindCoordinatorResponse,
    MetadataRequest, MetadataResponse,
};

const CLUSTER: &str = "acteon-embedded";

pub(super) fn api_versions(supported: bool) -> ApiVersionsResponse {
    let error = if supported { 0 } else { ResponseError::UnsupportedVersion.code() };
    let keys = SUPPORTED
        .iter()
        .map(|s| ApiVersion::default().with_api_key(s.api as i16).with_min_version(s.min).with_max_version(s.max));
    ApiVersionsResponse::default().with_error_code(error).with_api_keys(keys.collect())
}

pub(super) fn metadata(shared: &Shared, request: MetadataRequest, version: i16) -> MetadataResponse {
    let may_create = request.allow_auto_topic_creation || version < 4;
    let names: Vec<String> = match request.topics {
        Some(topics) if !(topics.is_empty() && version == 0) => {
            topics.into_iter().filter_map(|t| t.name.map(|n| n.to_string())).collect()
        }
        _ => shared.catalog.all().into_iter().map(|(name, _)| name).collect(),
    };
    let topics = names.iter().map(|name| topic(shared, name, may_create)).collect();
    let node = MetadataResponseBroker::default()
        .with_node_id(BrokerId(NODE))
        .with_host(text(shared.config.host.as_str()))
        .with_port(i32::from(shared.port));
    MetadataResponse::default()
        .with_cluster_id(Some(text(CLUSTER)))
        .with_controller_id(BrokerId(NODE))
        .with_topics(topics)
        .with_brokers(vec![node])
}

fn topic(shared: &Shared, name: &str, may_create: bool) -> MetadataResponseTopic {
    let answer = MetadataResponseTopic::default().with_name(Some(topic_name(name)));
    let mut found = shared.catalog.topic(name);
    if found.is_none()
        && may_create
        && let Some(partitions) = shared.config.auto_create_partitions
    {
        if let Err((error, _)) = admin::create(shared, name, partitions, Default::default(), false)
            && error != ResponseError::TopicAlreadyExists
        {
            return answer.with_error_code(error.code());
        }
        found = shared.catalog.topic(name);
    }
    let Some(found) = found else {
        return answer.with_error_code(ResponseError::UnknownTopicOrPartition.code());
    };
    let partitions = (0..found.partitions().len()).map(|n| {
        MetadataResponsePartition::default()
            .with_partition_index(i32::try_from(n).unwrap_or(i32::MAX))
            .with_leader_id(BrokerId(NODE))
            .with_leader_epoch(0)
            .with_replica_nodes(vec![BrokerId(NODE)])
            .with_isr_nodes(vec![BrokerId(NODE)])
    });
    answer.with_partitions(partitions.collect())
}

pub(super) fn describe_cluster(shared: &Shared) -> DescribeClusterResponse {
    let node = DescribeClusterBroker::default()
        .with_broker_id(BrokerId(NODE))
        .with_host(text(shared.config.host.as_str()))
        .with_port(i32::from(shared.port));
    DescribeClusterResponse::default()
        .with_cluster_id(text(CLUSTER))
        .with_controller_id(BrokerId(NODE))
        .with_brokers(vec![node])
}

pub(super) fn find_coordinator(
    shared: &Shared,
    request: FindCoordinatorRequest,
    version: i16,
) -> FindCoordinatorResponse {
    let (host, port) = (text(shared.config.host.as_str()), i32::from(shared.port));
    if version < 4 {
        return FindCoordinatorResponse::default().with_node_id(BrokerId(NODE)).with_host(host).with_port(port);
    }
    let coordinators = request.coordinator_keys.into_iter().map(|key| {
        Coordinator::default().with_key(key).with_node_id(BrokerId(NODE)).with_host(host.clone()).with_port(port)
    });
    FindCoordinatorResponse::default().with_coordinators(coordinators.collect())
}
