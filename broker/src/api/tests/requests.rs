//! The requests of the version test: each API in each version, on a broker that has something to say to it.

use super::*;
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::*;

mod group_requests;

pub(super) use group_requests::groups;

pub(super) async fn create(bench: &Bench, topic: &str, partitions: i32, settings: &[(&str, &str)]) {
    let answer = create_in(bench, 4, topic, partitions, settings).await;
    assert_eq!(answer.topics[0].error_code, 0, "{:?}", answer.topics[0].error_message);
}

async fn create_in(
    bench: &Bench,
    version: i16,
    topic: &str,
    partitions: i32,
    settings: &[(&str, &str)],
) -> CreateTopicsResponse {
    let configs = settings
        .iter()
        .map(|(k, v)| CreatableTopicConfig::default().with_name(text(*k)).with_value(Some(text(*v))))
        .collect();
    let topic = CreatableTopic::default()
        .with_name(topic_name(topic))
        .with_num_partitions(partitions)
        .with_replication_factor(1)
        .with_configs(configs);
    bench.call(ApiKey::CreateTopics, version, &CreateTopicsRequest::default().with_topics(vec![topic])).await
}

/// Topics, settings, and who serves them. Leaves topic "t" of six partitions.
pub(super) async fn topics(bench: &Bench) {
    bench
        .each(ApiKey::ApiVersions, async |v| {
            let answer: ApiVersionsResponse = bench.call(ApiKey::ApiVersions, v, &ApiVersionsRequest::default()).await;
            assert_eq!(answer.api_keys.len(), SUPPORTED.len());
        })
        .await;
    bench
        .each(ApiKey::CreateTopics, async |v| {
            assert_eq!(
                create_in(bench, v, &format!("t{v}"), 2, &[("retention.ms", "1")]).await.topics[0].error_code,
                0
            );
            let again = create_in(bench, v, &format!("t{v}"), 2, &[]).await;
            assert_eq!(again.topics[0].error_code, ResponseError::TopicAlreadyExists.code());
            let bad = create_in(bench, v, "t/", 2, &[]).await;
            assert!(bad.topics[0].error_message.as_ref().unwrap().contains("t/"));
        })
        .await;
    create(bench, "t", 2, &[]).await;
    bench.each(ApiKey::CreatePartitions, async |v| create_partitions(bench, v).await).await;
    bench
        .each(ApiKey::Metadata, async |v| {
            let named = |n: &str| metadata_request::MetadataRequestTopic::default().with_name(Some(topic_name(n)));
            let request = MetadataRequest::default().with_topics(Some(vec![named("t"), named("bad name")]));
            let answer: MetadataResponse = bench.call(ApiKey::Metadata, v, &request).await;
            assert_eq!((answer.topics[0].partitions.len(), answer.brokers[0].port), (6, 9092));
            assert_ne!(answer.topics[1].error_code, 0);
        })
        .await;
    bench
        .each(ApiKey::DescribeCluster, async |v| {
            let answer: DescribeClusterResponse =
                bench.call(ApiKey::DescribeCluster, v, &DescribeClusterRequest::default()).await;
            assert_eq!(answer.brokers.len(), 1);
        })
        .await;
    bench
        .each(ApiKey::FindCoordinator, async |v| {
            let request = if v < 4 {
                FindCoordinatorRequest::default().with_key(text("k"))
            } else {
                FindCoordinatorRequest::default().with_coordinator_keys(vec![text("k")])
            };
            let answer: FindCoordinatorResponse = bench.call(ApiKey::FindCoordinator, v, &request).await;
            assert_eq!(if v < 4 { answer.port } else { answer.coordinators[0].port }, 9092);
        })
        .await;
    configs(bench).await;
}

async fn create_partitions(bench: &Bench, version: i16) {
    use create_partitions_request::CreatePartitionsTopic;
    let topic = |name: &str, count| CreatePartitionsTopic::default().with_name(topic_name(name)).with_count(count);
    let wanted = i32::from(version) + 3;
    let request = CreatePartitionsRequest::default().with_topics(vec![topic("t", wanted), topic("none", 9)]);
    let answer: CreatePartitionsResponse = bench.call(ApiKey::CreatePartitions, version, &request).await;
    assert_eq!(answer.results[0].error_code, 0);
    assert_eq!(answer.results[1].error_code, ResponseError::UnknownTopicOrPartition.code());
}

async fn configs(bench: &Bench) {
    const TOPIC: i8 = 2;
    bench
        .each(ApiKey::AlterConfigs, async |v| {
            use alter_configs_request::{AlterConfigsResource, AlterableConfig};
            let config = AlterableConfig::default().with_name(text("retention.ms")).with_value(Some(text("5")));
            let resource = |name| {
                AlterConfigsResource::default()
                    .with_resource_type(TOPIC)
                    .with_resource_name(text(name))
                    .with_configs(vec![config.clone()])
            };
            let request = AlterConfigsRequest::default().with_resources(vec![resource("t"), resource("none")]);
            let answer: AlterConfigsResponse = bench.call(ApiKey::AlterConfigs, v, &request).await;
            assert_eq!(answer.responses[0].error_code, 0);
            assert!(answer.responses[1].error_message.is_some());
        })
        .await;
    bench
        .each(ApiKey::IncrementalAlterConfigs, async |v| {
            use incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
            let config =
                |value| AlterableConfig::default().with_name(text("segment.bytes")).with_value(Some(text(value)));
            let resource = |value| {
                AlterConfigsResource::default()
                    .with_resource_type(TOPIC)
                    .with_resource_name(text("t"))
                    .with_configs(vec![config(value)])
            };
            let request =
                IncrementalAlterConfigsRequest::default().with_resources(vec![resource("9999"), resource("few")]);
            let answer: IncrementalAlterConfigsResponse =
                bench.call(ApiKey::IncrementalAlterConfigs, v, &request).await;
            assert_eq!(answer.responses[0].error_code, 0);
            assert_eq!(answer.responses[1].error_code, ResponseError::InvalidConfig.code());
        })
        .await;
    bench
        .each(ApiKey::DescribeConfigs, async |v| {
            use describe_configs_request::DescribeConfigsResource;
            let resource =
                |kind, name| DescribeConfigsResource::default().with_resource_type(kind).with_resource_name(text(name));
            let resources = vec![resource(TOPIC, "t"), resource(TOPIC, "none"), resource(4, "1")];
            let request = DescribeConfigsRequest::default().with_resources(resources);
            let answer: DescribeConfigsResponse = bench.call(ApiKey::DescribeConfigs, v, &request).await;
            let shown = |name: &str| answer.results[0].configs.iter().find(|c| *c.name == *name).unwrap().value.clone();
            assert_eq!((shown("retention.ms"), shown("segment.bytes")), (Some(text("5")), Some(text("9999"))));
            assert!(answer.results[1].error_code != 0 && !answer.results[2].configs.is_empty());
        })
        .await;
}

/// Records in "t": a committed transaction, an aborted one, plain ones.
pub(super) async fn records(bench: &Bench) {
    bench
        .each(ApiKey::Produce, async |v| {
            use produce_request::{PartitionProduceData, TopicProduceData};
            let data = |n, records| PartitionProduceData::default().with_index(n).with_records(Some(records));
            let datas = vec![data(0, plain(&[("k", Some("v"))], 1_000)), data(99, plain(&[("k", Some("v"))], 1_000))];
            let topic = TopicProduceData::default().with_name(topic_name("t")).with_partition_data(datas);
            let request = ProduceRequest::default().with_acks(-1).with_topic_data(vec![topic]);
            let answer: ProduceResponse = bench.call(ApiKey::Produce, v, &request).await;
            let answers = &answer.responses[0].partition_responses;
            assert_eq!((answers[0].error_code, answers[0].base_offset), (0, i64::from(v) - 3));
            assert_eq!(answers[1].error_code, ResponseError::UnknownTopicOrPartition.code());
        })
        .await;
    bench
        .each(ApiKey::ListOffsets, async |v| {
            use list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
            let at = |timestamp| ListOffsetsPartition::default().with_timestamp(timestamp);
            let partitions = vec![at(-1), at(-2), at(1_000), at(9_000), at(-3)];
            let topic = ListOffsetsTopic::default().with_name(topic_name("t")).with_partitions(partitions);
            let request = ListOffsetsRequest::default().with_topics(vec![topic]);
            let answer: ListOffsetsResponse = bench.call(ApiKey::ListOffsets, v, &request).await;
            let offsets: Vec<i64> = answer.topics[0].partitions.iter().map(|p| p.offset).collect();
            assert_eq!(offsets, [6, 0, 0, -1, 0]);
        })
        .await;
    bench
        .each(ApiKey::OffsetForLeaderEpoch, async |v| {
            use offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
            let topic = OffsetForLeaderTopic::default()
                .with_topic(topic_name("t"))
                .with_partitions(vec![OffsetForLeaderPartition::default()]);
            let request = OffsetForLeaderEpochRequest::default().with_topics(vec![topic]);
            let answer: OffsetForLeaderEpochResponse = bench.call(ApiKey::OffsetForLeaderEpoch, v, &request).await;
            assert_eq!(answer.topics[0].partitions[0].end_offset, 6);
        })
        .await;
}

pub(super) async fn init_producer(bench: &Bench, id: &str, version: i16) -> (i64, i16) {
    let request = InitProducerIdRequest::default()
        .with_transactional_id(Some(TransactionalId(text(id))))
        .with_transaction_timeout_ms(60_000);
    let answer: InitProducerIdResponse = bench.call(ApiKey::InitProducerId, version, &request).await;
    assert_eq!(answer.error_code, 0);
    (answer.producer_id.0, answer.producer_epoch)
}

/// Transactions on partition 1 of "t", and what a fetch says of an aborted one.
pub(super) async fn transactions(bench: &Bench) {
    bench
        .each(ApiKey::InitProducerId, async |v| {
            assert!(init_producer(bench, "tx", v).await.0 > 0);
        })
        .await;
    let (producer, epoch) = init_producer(bench, "tx", 4).await;
    let tx = || TransactionalId(text("tx"));
    bench
        .each(ApiKey::AddPartitionsToTxn, async |v| {
            let topic = |n| AddPartitionsToTxnTopic::default().with_name(topic_name(n)).with_partitions(vec![1]);
            let request = |topics| {
                AddPartitionsToTxnRequest::default()
                    .with_v3_and_below_transactional_id(tx())
                    .with_v3_and_below_producer_id(ProducerId(producer))
                    .with_v3_and_below_producer_epoch(epoch)
                    .with_v3_and_below_topics(topics)
            };
            let errors = async |topics| {
                let answer: AddPartitionsToTxnResponse =
                    bench.call(ApiKey::AddPartitionsToTxn, v, &request(topics)).await;
                let topics = answer.results_by_topic_v3_and_below;
                topics.iter().map(|t| t.results_by_partition[0].partition_error_code).collect::<Vec<_>>()
            };
            assert_eq!(errors(vec![topic("t")]).await, [0]);
            assert_eq!(errors(vec![topic("t"), topic("none")]).await, [55, 3]);
        })
        .await;
    let batch = batch_of(&records_section(&[("k", Some("v"))]), 1, TRANSACTIONAL, (producer, epoch, 0), 0);
    assert_eq!(bench.produce("t", 1, batch).await, (0, 0));
    transaction_offsets(bench, producer, epoch).await;
    bench
        .each(ApiKey::EndTxn, async |v| {
            let request = EndTxnRequest::default()
                .with_transactional_id(tx())
                .with_producer_id(ProducerId(producer))
                .with_producer_epoch(epoch)
                .with_committed(false);
            let answer: EndTxnResponse = bench.call(ApiKey::EndTxn, v, &request).await;
            assert_eq!(answer.error_code, 0, "aborted once, and asked again");
        })
        .await;
    bench.each(ApiKey::Fetch, async |v| fetch(bench, v).await).await;
}

async fn transaction_offsets(bench: &Bench, producer: i64, epoch: i16) {
    bench
        .each(ApiKey::AddOffsetsToTxn, async |v| {
            let request = AddOffsetsToTxnRequest::default()
                .with_transactional_id(TransactionalId(text("tx")))
                .with_producer_id(ProducerId(producer))
                .with_producer_epoch(epoch)
                .with_group_id(GroupId(text("g")));
            let answer: AddOffsetsToTxnResponse = bench.call(ApiKey::AddOffsetsToTxn, v, &request).await;
            assert_eq!(answer.error_code, 0);
        })
        .await;
    bench
        .each(ApiKey::TxnOffsetCommit, async |v| {
            use txn_offset_commit_request::{TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic};
            let partition = |n| TxnOffsetCommitRequestPartition::default().with_partition_index(n);
            let topic = TxnOffsetCommitRequestTopic::default()
                .with_name(topic_name("t"))
                .with_partitions(vec![partition(0), partition(99)]);
            let request = TxnOffsetCommitRequest::default()
                .with_transactional_id(TransactionalId(text("tx")))
                .with_producer_id(ProducerId(producer))
                .with_producer_epoch(epoch)
                .with_group_id(GroupId(text("g")))
                .with_topics(vec![topic]);
            let answer: TxnOffsetCommitResponse = bench.call(ApiKey::TxnOffsetCommit, v, &request).await;
            let errors: Vec<i16> = answer.topics[0].partitions.iter().map(|p| p.error_code).collect();
            assert_eq!(errors, [0, ResponseError::UnknownTopicOrPartition.code()]);
        })
        .await;
}

async fn fetch(bench: &Bench, version: i16) {
    use fetch_request::{FetchPartition, FetchTopic};
    let at = |partition, offset| {
        FetchPartition::default().with_partition(partition).with_fetch_offset(offset).with_partition_max_bytes(1 << 20)
    };
    let partitions = vec![at(0, 0), at(1, 0), at(0, 77), at(99, 0)];
    let topic = FetchTopic::default().with_topic(topic_name("t")).with_partitions(partitions);
    let request = FetchRequest::default()
        .with_isolation_level(1)
        .with_max_bytes(1 << 20)
        .with_max_wait_ms(60_000)
        .with_min_bytes(1 << 30)
        .with_topics(vec![topic]);
    let answer: FetchResponse = bench.call(ApiKey::Fetch, version, &request).await;
    let parts = &answer.responses[0].partitions;
    assert_eq!((parts[0].high_watermark, parts[1].last_stable_offset), (6, 2));
    assert!(!parts[0].records.as_ref().unwrap().is_empty());
    assert_eq!(parts[1].aborted_transactions.as_ref().unwrap().len(), 1);
    let errors = [ResponseError::OffsetOutOfRange.code(), ResponseError::UnknownTopicOrPartition.code()];
    assert_eq!([parts[2].error_code, parts[3].error_code], errors, "and answered at once");
}

/// Deletes records, offsets, groups and topics.
pub(super) async fn deletions(bench: &Bench) {
    bench
        .each(ApiKey::DeleteRecords, async |v| {
            use delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
            let partition = |n| DeleteRecordsPartition::default().with_partition_index(n).with_offset(3);
            let topic = DeleteRecordsTopic::default()
                .with_name(topic_name("t"))
                .with_partitions(vec![partition(0), partition(99)]);
            let request = DeleteRecordsRequest::default().with_topics(vec![topic]);
            let answer: DeleteRecordsResponse = bench.call(ApiKey::DeleteRecords, v, &request).await;
            let partitions = &answer.topics[0].partitions;
            assert_eq!((partitions[0].low_watermark, partitions[1].low_watermark), (3, -1));
        })
        .await;
    bench
        .each(ApiKey::OffsetDelete, async |v| {
            use offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
            let topic = OffsetDeleteRequestTopic::default()
                .with_name(topic_name("t"))
                .with_partitions(vec![OffsetDeleteRequestPartition::default()]);
            let request =
                OffsetDeleteRequest::default().with_group_id(GroupId(text("simple"))).with_topics(vec![topic]);
            let answer: OffsetDeleteResponse = bench.call(ApiKey::OffsetDelete, v, &request).await;
            assert_eq!((answer.error_code, answer.topics[0].partitions[0].error_code), (0, 0));
        })
        .await;
    bench
        .each(ApiKey::DeleteGroups, async |v| {
            commit_simple(bench, 8).await;
            let request =
                DeleteGroupsRequest::default().with_groups_names(["simple", "none"].map(|g| GroupId(text(g))).into());
            let answer: DeleteGroupsResponse = bench.call(ApiKey::DeleteGroups, v, &request).await;
            let errors: Vec<i16> = answer.results.iter().map(|r| r.error_code).collect();
            assert_eq!(errors, [0, ResponseError::GroupIdNotFound.code()]);
        })
        .await;
    bench
        .each(ApiKey::DeleteTopics, async |v| {
            let names = vec![topic_name(&format!("t{v}")), topic_name("none")];
            let request = DeleteTopicsRequest::default().with_topic_names(names);
            let answer: DeleteTopicsResponse = bench.call(ApiKey::DeleteTopics, v, &request).await;
            // The topics t2 to t5 were made by the versions of CreateTopics.
            let first = if v < 2 { ResponseError::UnknownTopicOrPartition.code() } else { 0 };
            let errors: Vec<i16> = answer.responses.iter().map(|r| r.error_code).collect();
            assert_eq!(errors, [first, ResponseError::UnknownTopicOrPartition.code()]);
        })
        .await;
}

/// Commits an offset for the group "simple", which has no members.
async fn commit_simple(bench: &Bench, version: i16) {
    let partition = |n, metadata: &str| {
        OffsetCommitRequestPartition::default()
            .with_partition_index(n)
            .with_committed_offset(5)
            .with_committed_metadata(Some(text(metadata)))
    };
    let topic = OffsetCommitRequestTopic::default()
        .with_name(topic_name("t"))
        .with_partitions(vec![partition(0, "here"), partition(99, "")]);
    let request = OffsetCommitRequest::default().with_group_id(GroupId(text("simple"))).with_topics(vec![topic]);
    let answer: OffsetCommitResponse = bench.call(ApiKey::OffsetCommit, version, &request).await;
    let errors: Vec<i16> = answer.topics[0].partitions.iter().map(|p| p.error_code).collect();
    assert_eq!(errors, [0, ResponseError::UnknownTopicOrPartition.code()]);
}
