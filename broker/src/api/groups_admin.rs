//! Groups as admin tools see them: ListGroups, DescribeGroups, DeleteGroups.

use super::{code, storage, text};
use crate::group::{Group, State};
use crate::meta::Entry;
use crate::shared::Shared;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::{
    DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse, GroupId,
    ListGroupsRequest, ListGroupsResponse,
};
use std::collections::BTreeMap;

/// The state of a group that does not exist.
const DEAD: &str = "Dead";

pub(super) fn list(shared: &Shared, request: &ListGroupsRequest) -> ListGroupsResponse {
    let coordinator = shared.coordinator();
    let stored = coordinator.meta.offsets.keys().map(|id| (id.as_str(), (State::Empty.name(), "consumer")));
    let live = coordinator
        .groups
        .iter()
        .map(|(id, live)| (id.as_str(), (live.group.state.name(), live.group.protocol_type.as_str())));
    let all: BTreeMap<_, _> = stored.chain(live).collect();
    let wanted = |state: &str| request.states_filter.is_empty() || request.states_filter.iter().any(|s| **s == *state);
    let groups = all.into_iter().filter(|(_, (state, _))| wanted(state)).map(|(id, (state, protocol_type))| {
        ListedGroup::default()
            .with_group_id(GroupId(text(id)))
            .with_protocol_type(text(protocol_type))
            .with_group_state(text(state))
    });
    ListGroupsResponse::default().with_groups(groups.collect())
}

pub(super) fn describe(shared: &Shared, request: DescribeGroupsRequest) -> DescribeGroupsResponse {
    let coordinator = shared.coordinator();
    let groups = request.groups.into_iter().map(|id| {
        let live = coordinator.groups.get(id.as_str());
        let stored = coordinator.meta.offsets.contains_key(id.as_str());
        let answer = DescribedGroup::default().with_group_id(id);
        match live {
            Some(live) => described(answer, &live.group),
            None if stored => answer.with_group_state(text(State::Empty.name())).with_protocol_type(text("consumer")),
            None => answer.with_group_state(text(DEAD)),
        }
    });
    DescribeGroupsResponse::default().with_groups(groups.collect())
}

fn described(answer: DescribedGroup, group: &Group) -> DescribedGroup {
    let members = group.members.iter().map(|(id, m)| {
        DescribedGroupMember::default()
            .with_member_id(text(id.as_str()))
            .with_group_instance_id(m.instance.clone().map(text))
            .with_client_id(text(m.client.as_str()))
            .with_client_host(text("/127.0.0.1"))
            .with_member_metadata(m.metadata(&group.protocol))
            .with_member_assignment(m.assignment.clone())
    });
    answer
        .with_group_state(text(group.state.name()))
        .with_protocol_type(text(group.protocol_type.as_str()))
        .with_protocol_data(text(group.protocol.as_str()))
        .with_members(members.collect())
}

pub(super) fn delete(shared: &Shared, request: DeleteGroupsRequest) -> DeleteGroupsResponse {
    let mut coordinator = shared.coordinator();
    let results = request.groups_names.into_iter().map(|id| {
        let deleted = match coordinator.groups.get(id.as_str()) {
            Some(live) if !live.group.is_idle() => Err(ResponseError::NonEmptyGroup),
            None if !coordinator.meta.offsets.contains_key(id.as_str()) => Err(ResponseError::GroupIdNotFound),
            _ => coordinator.record(Entry::DeleteGroup { group: id.to_string() }).map_err(storage),
        };
        DeletableGroupResult::default().with_group_id(id).with_error_code(code(&deleted))
    });
    let results = results.collect();
    DeleteGroupsResponse::default().with_results(results)
}
