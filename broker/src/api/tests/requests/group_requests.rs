//! The group's share of the version test.

use super::*;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;

/// From this version on members may be static.
fn may_be_static(api: ApiKey, version: i16) -> bool {
    let from = match api {
        ApiKey::JoinGroup => 5,
        ApiKey::LeaveGroup => 3,
        _ => i16::MAX,
    };
    version >= from
}

async fn join(bench: &Bench, version: i16, group: &str, member: &str) -> JoinGroupResponse {
    let protocol = JoinGroupRequestProtocol::default().with_name(text("range")).with_metadata(Bytes::from("m"));
    let instance = may_be_static(ApiKey::JoinGroup, version).then(|| text("instance"));
    let request = JoinGroupRequest::default()
        .with_group_id(GroupId(text(group)))
        .with_member_id(text(member))
        .with_session_timeout_ms(60_000)
        .with_group_instance_id(instance)
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol]);
    bench.call(ApiKey::JoinGroup, version, &request).await
}

/// Joins as the only member; returns its id and the generation.
async fn enter(bench: &Bench, version: i16, group: &str) -> (String, i32) {
    let mut answer = join(bench, version, group, "").await;
    if answer.error_code == ResponseError::MemberIdRequired.code() {
        assert_eq!(version, 4, "a static member, or an old client, enters at once");
        answer = join(bench, version, group, &answer.member_id.clone()).await;
    }
    assert_eq!((answer.error_code, answer.members.len()), (0, 1));
    assert_eq!(answer.leader, answer.member_id);
    (answer.member_id.to_string(), answer.generation_id)
}

async fn sync(bench: &Bench, version: i16, group: &str, (member, generation): &(String, i32)) {
    let assignment = SyncGroupRequestAssignment::default()
        .with_member_id(text(member.as_str()))
        .with_assignment(Bytes::from("yours"));
    let mut request = SyncGroupRequest::default()
        .with_group_id(GroupId(text(group)))
        .with_member_id(text(member.as_str()))
        .with_generation_id(*generation)
        .with_assignments(vec![assignment]);
    if version >= 5 {
        request = request.with_protocol_type(Some(text("consumer"))).with_protocol_name(Some(text("range")));
    }
    let answer: SyncGroupResponse = bench.call(ApiKey::SyncGroup, version, &request).await;
    assert_eq!((answer.error_code, answer.assignment), (0, Bytes::from("yours")));
}

/// Groups with and without members.
pub(in super::super) async fn groups(bench: &Bench) {
    bench
        .each(ApiKey::JoinGroup, async |v| {
            enter(bench, v, &format!("join{v}")).await;
            let stranger = join(bench, v, &format!("join{v}"), "stranger").await;
            assert_ne!(stranger.error_code, 0);
        })
        .await;
    let member = enter(bench, 7, "g").await;
    bench.each(ApiKey::SyncGroup, async |v| sync(bench, v, "g", &member).await).await;
    bench
        .each(ApiKey::Heartbeat, async |v| {
            let request = HeartbeatRequest::default()
                .with_group_id(GroupId(text("g")))
                .with_member_id(text(member.0.as_str()))
                .with_generation_id(member.1);
            let answer: HeartbeatResponse = bench.call(ApiKey::Heartbeat, v, &request).await;
            assert_eq!(answer.error_code, 0);
        })
        .await;
    offsets(bench).await;
    describe(bench).await;
    bench
        .each(ApiKey::LeaveGroup, async |v| {
            use leave_group_request::MemberIdentity;
            let (member, _) = enter(bench, 5, &format!("leave{v}")).await;
            let request = LeaveGroupRequest::default().with_group_id(GroupId(text(format!("leave{v}"))));
            let request = if may_be_static(ApiKey::LeaveGroup, v) {
                let identity = |i: &str| MemberIdentity::default().with_group_instance_id(Some(text(i)));
                request.with_members(vec![identity("instance"), identity("stranger")])
            } else {
                request.with_member_id(text(member))
            };
            let answer: LeaveGroupResponse = bench.call(ApiKey::LeaveGroup, v, &request).await;
            let errors: Vec<i16> = answer.members.iter().map(|m| m.error_code).collect();
            assert_eq!(answer.error_code, 0);
            let unknown = ResponseError::UnknownMemberId.code();
            assert_eq!(errors, if v < 3 { vec![] } else { vec![0, unknown] });
        })
        .await;
}

async fn offsets(bench: &Bench) {
    bench.each(ApiKey::OffsetCommit, async |v| commit_simple(bench, v).await).await;
    bench
        .each(ApiKey::OffsetFetch, async |v| {
            use offset_fetch_request::OffsetFetchRequestTopic;
            let topic =
                OffsetFetchRequestTopic::default().with_name(topic_name("t")).with_partition_indexes(vec![0, 1]);
            let request =
                OffsetFetchRequest::default().with_group_id(GroupId(text("simple"))).with_topics(Some(vec![topic]));
            let answer: OffsetFetchResponse = bench.call(ApiKey::OffsetFetch, v, &request).await;
            let partitions = &answer.topics[0].partitions;
            assert_eq!((partitions[0].committed_offset, partitions[1].committed_offset), (5, -1));
            assert_eq!(partitions[0].metadata, Some(text("here")));
        })
        .await;
}

async fn describe(bench: &Bench) {
    bench
        .each(ApiKey::ListGroups, async |v| {
            let mut request = ListGroupsRequest::default();
            if v >= 4 {
                request = request.with_states_filter(vec![text("Stable")]);
            }
            let answer: ListGroupsResponse = bench.call(ApiKey::ListGroups, v, &request).await;
            let has = |id: &str| answer.groups.iter().any(|g| *g.group_id.0 == *id);
            assert_eq!((has("g"), has("simple")), (true, v < 4), "version {v}");
        })
        .await;
    bench
        .each(ApiKey::DescribeGroups, async |v| {
            let ids = ["g", "simple", "none"].map(|g| GroupId(text(g)));
            let answer: DescribeGroupsResponse =
                bench.call(ApiKey::DescribeGroups, v, &DescribeGroupsRequest::default().with_groups(ids.into())).await;
            let states: Vec<String> = answer.groups.iter().map(|g| g.group_state.to_string()).collect();
            assert_eq!(states, ["Stable", "Empty", "Dead"]);
            assert_eq!(answer.groups[0].members[0].member_assignment, Bytes::from("yours"));
        })
        .await;
}
