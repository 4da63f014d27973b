//! Group membership: JoinGroup, SyncGroup, Heartbeat, LeaveGroup.

use super::{code, text};
use crate::clock;
use crate::group::{Join, JoinRefused, Joined};
use crate::shared::Shared;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::{
    HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse,
    SyncGroupRequest, SyncGroupResponse,
};
use kafka_protocol::protocol::StrBytes;

/// From this version of JoinGroup on a new member is first given its id.
const ID_REQUIRED_FROM: i16 = 4;
/// From this version of JoinGroup on there may be no protocol name.
const NO_PROTOCOL_FROM: i16 = 7;
/// From this version of LeaveGroup on several members may leave at once.
const LEAVE_MANY_FROM: i16 = 3;

pub(super) async fn join(shared: &Shared, request: JoinGroupRequest, client: &str, version: i16) -> JoinGroupResponse {
    let (group, protocol_type) = (request.group_id.to_string(), request.protocol_type.to_string());
    let (id, joined) = match enter(shared, &group, request, client, version) {
        Err(JoinRefused(error, id)) => (id, Err(error)),
        Ok(id) => {
            let joined = wait(shared, &group, |g| g.joined(&id)).await;
            (id, joined)
        }
    };
    let answer = JoinGroupResponse::default().with_member_id(text(id));
    match joined {
        Ok(joined) => join_answer(answer, joined, protocol_type),
        Err(error) => {
            let none = (version < NO_PROTOCOL_FROM).then(StrBytes::default);
            answer.with_error_code(error.code()).with_generation_id(-1).with_protocol_name(none)
        }
    }
}

fn join_answer(answer: JoinGroupResponse, joined: Joined, protocol_type: String) -> JoinGroupResponse {
    let members = joined.members.into_iter().map(|(id, instance, metadata)| {
        JoinGroupResponseMember::default()
            .with_member_id(text(id))
            .with_group_instance_id(instance.map(text))
            .with_metadata(metadata)
    });
    answer
        .with_generation_id(joined.generation)
        .with_protocol_type(Some(text(protocol_type)))
        .with_protocol_name(Some(text(joined.protocol)))
        .with_leader(text(joined.leader))
        .with_members(members.collect())
}

fn enter(
    shared: &Shared,
    group: &str,
    request: JoinGroupRequest,
    client: &str,
    version: i16,
) -> Result<String, JoinRefused> {
    let mut coordinator = shared.coordinator();
    let new_member_id = coordinator.new_member_id(client, clock::wall_ms());
    let live = coordinator.group_mut(group).map_err(|e| JoinRefused(e, String::new()))?;
    let join = Join {
        member_id: request.member_id.to_string(),
        new_member_id,
        instance: request.group_instance_id.map(|i| i.to_string()),
        client: client.to_string(),
        session_ms: i64::from(request.session_timeout_ms),
        rebalance_ms: i64::from(request.rebalance_timeout_ms),
        protocol_type: request.protocol_type.to_string(),
        protocols: request.protocols.into_iter().map(|p| (p.name.to_string(), p.metadata)).collect(),
        id_required: version >= ID_REQUIRED_FROM,
    };
    let entered = live.group.join(join, clock::steady_ms());
    live.changed.notify_waiters();
    entered
}

/// Waits until the group has an answer; the group's own deadlines see to it that it gets one.
async fn wait<T>(
    shared: &Shared,
    group: &str,
    answer: impl Fn(&crate::group::Group) -> Option<Result<T, ResponseError>>,
) -> Result<T, ResponseError> {
    let Some(changed) = shared.coordinator().groups.get(group).map(|live| live.changed.clone()) else {
        return Err(ResponseError::UnknownMemberId);
    };
    loop {
        let notified = changed.notified();
        tokio::pin!(notified);
        notified.as_mut().enable();
        if let Some(answer) = shared.coordinator().groups.get(group).and_then(|live| answer(&live.group)) {
            return answer;
        }
        notified.await;
    }
}

pub(super) async fn sync(shared: &Shared, request: SyncGroupRequest) -> SyncGroupResponse {
    let (group, id) = (request.group_id.to_string(), request.member_id.to_string());
    let instance = request.group_instance_id.as_ref().map(|i| i.to_string());
    let taken = take_sync(shared, &group, (&id, instance.as_deref(), request.generation_id), request.assignments);
    let synced = match taken {
        Ok(()) => wait(shared, &group, |g| g.synced(&id)).await,
        Err(error) => Err(error),
    };
    let answer = SyncGroupResponse::default();
    match synced {
        Ok(assignment) => answer
            .with_assignment(assignment)
            .with_protocol_type(request.protocol_type)
            .with_protocol_name(request.protocol_name),
        Err(error) => answer.with_error_code(error.code()),
    }
}

fn take_sync(
    shared: &Shared,
    group: &str,
    (id, instance, generation): (&str, Option<&str>, i32),
    assignments: Vec<kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment>,
) -> Result<(), ResponseError> {
    let mut coordinator = shared.coordinator();
    let live = coordinator.groups.get_mut(group).ok_or(ResponseError::UnknownMemberId)?;
    let now = clock::steady_ms();
    live.group.check(id, instance, generation, now)?;
    let assignments = assignments.into_iter().map(|a| (a.member_id.to_string(), a.assignment)).collect();
    live.group.sync(id, assignments, now)?;
    live.changed.notify_waiters();
    Ok(())
}

pub(super) fn heartbeat(shared: &Shared, request: &HeartbeatRequest) -> HeartbeatResponse {
    let beat = || {
        let mut coordinator = shared.coordinator();
        let live = coordinator.groups.get_mut(request.group_id.as_str()).ok_or(ResponseError::UnknownMemberId)?;
        let instance = request.group_instance_id.as_deref();
        live.group.check(&request.member_id, instance, request.generation_id, clock::steady_ms())?;
        live.group.heartbeat()
    };
    HeartbeatResponse::default().with_error_code(code(&beat()))
}

pub(super) fn leave(shared: &Shared, request: LeaveGroupRequest, version: i16) -> LeaveGroupResponse {
    let mut coordinator = shared.coordinator();
    let mut live = coordinator.groups.get_mut(request.group_id.as_str());
    let mut leave = |id: &str, instance: Option<&str>| {
        let live = live.as_mut().ok_or(ResponseError::UnknownMemberId)?;
        let left = live.group.leave(id, instance, clock::steady_ms());
        live.changed.notify_waiters();
        left
    };
    if version < LEAVE_MANY_FROM {
        return LeaveGroupResponse::default().with_error_code(code(&leave(&request.member_id, None)));
    }
    let members = request.members.into_iter().map(|m| {
        let left = leave(&m.member_id, m.group_instance_id.as_deref());
        MemberResponse::default()
            .with_member_id(m.member_id)
            .with_group_instance_id(m.group_instance_id)
            .with_error_code(code(&left))
    });
    let members = members.collect();
    LeaveGroupResponse::default().with_members(members)
}
