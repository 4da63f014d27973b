//! The requests this broker answers: which versions, and who answers them.

mod admin;
mod configs;
mod fetch;
mod groups;
mod groups_admin;
mod list_offsets;
mod metadata;
mod offsets;
mod produce;
mod txn;

#[cfg(test)]
mod tests;

pub(crate) use txn::init_transactional;

use crate::shared::Shared;
use crate::{ApiKey, Error};
use bytes::{Bytes, BytesMut};
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, AlterConfigsRequest, CreatePartitionsRequest,
    CreateTopicsRequest, DeleteGroupsRequest, DeleteRecordsRequest, DeleteTopicsRequest, DescribeClusterRequest,
    DescribeConfigsRequest, DescribeGroupsRequest, EndTxnRequest, FetchRequest, FindCoordinatorRequest,
    HeartbeatRequest, IncrementalAlterConfigsRequest, InitProducerIdRequest, JoinGroupRequest, LeaveGroupRequest,
    ListGroupsRequest, ListOffsetsRequest, MetadataRequest, OffsetCommitRequest, OffsetDeleteRequest,
    OffsetFetchRequest, OffsetForLeaderEpochRequest, ProduceRequest, SyncGroupRequest, TopicName,
    TxnOffsetCommitRequest,
};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};

/// The only node there is.
const NODE: i32 = 1;

/// A kind of request with the versions that are advertised and, from `accepted` on, carried out.
pub(crate) struct Supported {
    pub(crate) api: ApiKey,
    pub(crate) min: i16,
    pub(crate) accepted: i16,
    pub(crate) max: i16,
}

const fn api(api: ApiKey, min: i16, max: i16) -> Supported {
    Supported { api, min, accepted: min, max }
}

/// Everything that is advertised. The largest versions are those before topic ids and fetch sessions, which one node
/// has no use for.
pub(crate) const SUPPORTED: &[Supported] = &[
    // librdkafka takes a broker without Produce 0 for one without the current record format; so does Apache Kafka 4
    // advertise it, without carrying it out.
    Supported { api: ApiKey::Produce, min: 0, accepted: 3, max: 8 },
    api(ApiKey::Fetch, 4, 11),
    api(ApiKey::ListOffsets, 1, 7),
    api(ApiKey::Metadata, 0, 9),
    api(ApiKey::OffsetCommit, 2, 8),
    api(ApiKey::OffsetFetch, 1, 7),
    api(ApiKey::FindCoordinator, 0, 4),
    api(ApiKey::JoinGroup, 0, 7),
    api(ApiKey::Heartbeat, 0, 4),
    api(ApiKey::LeaveGroup, 0, 4),
    api(ApiKey::SyncGroup, 0, 5),
    api(ApiKey::DescribeGroups, 0, 5),
    api(ApiKey::ListGroups, 0, 4),
    api(ApiKey::ApiVersions, 0, 3),
    api(ApiKey::CreateTopics, 2, 5),
    api(ApiKey::DeleteTopics, 1, 5),
    api(ApiKey::DeleteRecords, 0, 2),
    api(ApiKey::InitProducerId, 0, 4),
    api(ApiKey::OffsetForLeaderEpoch, 2, 4),
    api(ApiKey::AddPartitionsToTxn, 0, 3),
    api(ApiKey::AddOffsetsToTxn, 0, 3),
    api(ApiKey::EndTxn, 0, 3),
    api(ApiKey::TxnOffsetCommit, 0, 3),
    api(ApiKey::DescribeConfigs, 1, 4),
    api(ApiKey::AlterConfigs, 0, 2),
    api(ApiKey::CreatePartitions, 0, 3),
    api(ApiKey::DeleteGroups, 0, 2),
    api(ApiKey::IncrementalAlterConfigs, 0, 1),
    api(ApiKey::OffsetDelete, 0, 0),
    api(ApiKey::DescribeCluster, 0, 0),
];

/// Whether a request is carried out.
pub(crate) fn accepts(api: ApiKey, version: i16) -> bool {
    SUPPORTED.iter().any(|s| s.api == api && (s.accepted..=s.max).contains(&version))
}

/// Whether the answer to a frame's request may be long in coming.
pub(crate) fn may_wait(frame: &[u8]) -> bool {
    const WAITING: [ApiKey; 3] = [ApiKey::Fetch, ApiKey::JoinGroup, ApiKey::SyncGroup];
    let key = frame.first_chunk().map(|key| i16::from_be_bytes(*key));
    key.is_some_and(|key| WAITING.iter().any(|api| *api as i16 == key))
}

/// A request whose header has been read.
pub(crate) struct Request<'a> {
    pub(crate) api: ApiKey,
    /// The version to answer in.
    pub(crate) version: i16,
    /// False for an ApiVersions request in a version that is not supported.
    pub(crate) supported: bool,
    pub(crate) client: &'a str,
    pub(crate) body: Bytes,
}

impl Request<'_> {
    fn decode<T: Decodable>(&mut self) -> Result<T, Error> {
        T::decode(&mut self.body, self.version).map_err(|e| self.bad("request", &e.to_string()))
    }

    fn bad(&self, what: &str, error: &str) -> Error {
        Error::Protocol(format!("{what} of {:?} version {}: {error}", self.api, self.version))
    }
}

/// Carries out a request and appends the encoded response; false if the client wants none.
pub(crate) async fn dispatch(shared: &Shared, mut r: Request<'_>, out: &mut BytesMut) -> Result<bool, Error> {
    let version = r.version;
    macro_rules! answer {
        ($response:expr) => {{
            let response = $response;
            response.encode(out, version).map_err(|e| r.bad("response", &e.to_string()))?;
        }};
    }
    match r.api {
        ApiKey::ApiVersions => answer!(metadata::api_versions(r.supported)),
        ApiKey::Metadata => answer!(metadata::metadata(shared, r.decode::<MetadataRequest>()?, version)),
        ApiKey::DescribeCluster => {
            r.decode::<DescribeClusterRequest>()?;
            answer!(metadata::describe_cluster(shared));
        }
        ApiKey::FindCoordinator => {
            answer!(metadata::find_coordinator(shared, r.decode::<FindCoordinatorRequest>()?, version));
        }
        ApiKey::Produce => {
            let request = r.decode::<ProduceRequest>()?;
            let wanted = request.acks != 0;
            let response = produce::produce(shared, request);
            if !wanted {
                return Ok(false);
            }
            answer!(response);
        }
        ApiKey::Fetch => {
            let response = fetch::fetch(shared, r.decode::<FetchRequest>()?).await;
            out.reserve(fetch::size_hint(&response));
            answer!(response);
        }
        ApiKey::ListOffsets => answer!(list_offsets::list_offsets(shared, r.decode::<ListOffsetsRequest>()?, version)),
        ApiKey::OffsetForLeaderEpoch => {
            answer!(list_offsets::offset_for_leader_epoch(shared, r.decode::<OffsetForLeaderEpochRequest>()?));
        }
        ApiKey::JoinGroup => answer!(groups::join(shared, r.decode::<JoinGroupRequest>()?, r.client, version).await),
        ApiKey::SyncGroup => answer!(groups::sync(shared, r.decode::<SyncGroupRequest>()?).await),
        ApiKey::Heartbeat => answer!(groups::heartbeat(shared, &r.decode::<HeartbeatRequest>()?)),
        ApiKey::LeaveGroup => answer!(groups::leave(shared, r.decode::<LeaveGroupRequest>()?, version)),
        ApiKey::OffsetCommit => answer!(offsets::commit(shared, r.decode::<OffsetCommitRequest>()?)),
        ApiKey::OffsetFetch => answer!(offsets::fetch(shared, r.decode::<OffsetFetchRequest>()?)),
        _ => return dispatch_rest(shared, r, out),
    }
    Ok(true)
}

/// The rarer requests.
fn dispatch_rest(shared: &Shared, mut r: Request<'_>, out: &mut BytesMut) -> Result<bool, Error> {
    let version = r.version;
    macro_rules! answer {
        ($response:expr) => {{
            let response = $response;
            response.encode(out, version).map_err(|e| r.bad("response", &e.to_string()))?;
        }};
    }
    match r.api {
        ApiKey::InitProducerId => {
            answer!(txn::init_producer_id(shared, &r.decode::<InitProducerIdRequest>()?, version)?);
        }
        ApiKey::AddPartitionsToTxn => {
            answer!(txn::add_partitions(shared, r.decode::<AddPartitionsToTxnRequest>()?, version)?);
        }
        ApiKey::AddOffsetsToTxn => answer!(txn::add_offsets(shared, &r.decode::<AddOffsetsToTxnRequest>()?, version)?),
        ApiKey::TxnOffsetCommit => answer!(txn::offset_commit(shared, r.decode::<TxnOffsetCommitRequest>()?)?),
        ApiKey::EndTxn => answer!(txn::end(shared, &r.decode::<EndTxnRequest>()?, version)?),
        ApiKey::OffsetDelete => answer!(offsets::delete(shared, r.decode::<OffsetDeleteRequest>()?)),
        ApiKey::ListGroups => answer!(groups_admin::list(shared, &r.decode::<ListGroupsRequest>()?)),
        ApiKey::DescribeGroups => answer!(groups_admin::describe(shared, r.decode::<DescribeGroupsRequest>()?)),
        ApiKey::DeleteGroups => answer!(groups_admin::delete(shared, r.decode::<DeleteGroupsRequest>()?)),
        ApiKey::CreateTopics => answer!(admin::create_topics(shared, r.decode::<CreateTopicsRequest>()?, version)),
        ApiKey::DeleteTopics => answer!(admin::delete_topics(shared, r.decode::<DeleteTopicsRequest>()?)),
        ApiKey::CreatePartitions => answer!(admin::create_partitions(shared, r.decode::<CreatePartitionsRequest>()?)),
        ApiKey::DeleteRecords => answer!(admin::delete_records(shared, r.decode::<DeleteRecordsRequest>()?)),
        ApiKey::DescribeConfigs => answer!(configs::describe(shared, r.decode::<DescribeConfigsRequest>()?)),
        ApiKey::AlterConfigs => answer!(configs::alter(shared, r.decode::<AlterConfigsRequest>()?)),
        ApiKey::IncrementalAlterConfigs => {
            answer!(configs::alter_incrementally(shared, r.decode::<IncrementalAlterConfigsRequest>()?));
        }
        _ => return Err(Error::Protocol(format!("{:?} is not supported", r.api))),
    }
    Ok(true)
}

/// The error code of a result; 0 is success.
fn code<T>(result: &Result<T, ResponseError>) -> i16 {
    result.as_ref().err().map_or(0, ResponseError::code)
}

/// For `map_err`: a change that can't be written down is reported as a disk error, which clients retry.
#[allow(clippy::needless_pass_by_value)] // the shape that map_err asks for
fn storage(error: Error) -> ResponseError {
    tracing::error!(%error, "journal can't be written");
    ResponseError::KafkaStorageError
}

fn text(text: impl Into<String>) -> StrBytes {
    StrBytes::from_string(text.into())
}

fn topic_name(name: &str) -> TopicName {
    TopicName(text(name))
}
