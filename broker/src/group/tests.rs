#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

fn join(id: &str, metadata: &str) -> Join {
    Join {
        member_id: id.into(),
        new_member_id: String::new(),
        instance: None,
        client: "c".into(),
        session_ms: 6_000,
        rebalance_ms: 10_000,
        protocol_type: "consumer".into(),
        protocols: vec![("range".into(), Bytes::from(metadata.to_string()))],
        id_required: false,
    }
}

fn newcomer(new_id: &str) -> Join {
    Join { new_member_id: new_id.into(), ..join("", "m") }
}

fn stable(members: &[&str]) -> Group {
    let mut group = Group::default();
    for id in members {
        group.join(newcomer(id), 0).unwrap();
    }
    let waiting: Vec<_> = members.iter().filter(|id| group.joined(id).is_none()).copied().collect();
    assert!(waiting.is_empty() || group.state == State::Preparing);
    for id in members {
        group.join(join(id, "m"), 0).unwrap();
    }
    sync_all(&mut group);
    group
}

fn sync_all(group: &mut Group) {
    assert_eq!(group.state, State::Completing);
    let assignments = group.members.keys().map(|id| (id.clone(), Bytes::from(format!("for {id}")))).collect();
    let leader = group.leader.clone();
    for id in group.members.keys().cloned().collect::<Vec<_>>() {
        if id != leader {
            group.sync(&id, vec![], 0).unwrap();
            assert_eq!(group.synced(&id), None, "waits for the leader");
        }
    }
    group.sync(&leader, assignments, 0).unwrap();
    assert_eq!(group.state, State::Stable);
}

#[test]
fn the_first_member_leads_at_once() {
    let mut group = Group::default();
    assert_eq!(group.join(newcomer("a"), 0), Ok("a".into()));
    let joined = group.joined("a").unwrap().unwrap();
    assert_eq!((joined.generation, joined.leader.as_str(), joined.protocol.as_str()), (1, "a", "range"));
    assert_eq!(joined.members, [("a".to_string(), None, Bytes::from("m"))]);
    sync_all(&mut group);
    assert_eq!(group.synced("a"), Some(Ok(Bytes::from("for a"))));
}

#[test]
fn a_second_member_makes_the_first_rejoin() {
    let mut group = stable(&["a"]);
    let generation = group.generation;
    group.join(newcomer("b"), 100).unwrap();
    assert_eq!(group.joined("b"), None);
    assert_eq!(group.heartbeat(), Err(ResponseError::RebalanceInProgress));
    group.join(join("a", "m2"), 200).unwrap();
    assert_eq!(group.joined("b").unwrap().unwrap().generation, generation + 1);
    assert_eq!(group.joined("a").unwrap().unwrap().members.len(), 2);
    sync_all(&mut group);
    assert_eq!(group.check("a", None, generation, 300), Err(ResponseError::IllegalGeneration));
    assert_eq!(group.check("a", None, generation + 1, 300), Ok(()));
}

#[test]
fn an_answer_survives_the_next_rebalance() {
    let mut group = stable(&["a"]);
    group.join(newcomer("b"), 0).unwrap();
    group.join(join("a", "m2"), 0).unwrap();
    let generation = group.generation;
    group.join(newcomer("c"), 0).unwrap(); // before a and b have read their answers
    assert_eq!(group.state, State::Preparing);
    assert_eq!(group.joined("b").unwrap().unwrap().generation, generation);
    assert_eq!(group.sync("b", vec![], 0), Err(ResponseError::RebalanceInProgress));
}

#[test]
fn a_sync_that_waits_is_told_of_a_rebalance() {
    let mut group = Group::default();
    group.join(newcomer("a"), 0).unwrap();
    sync_all(&mut group);
    group.join(newcomer("b"), 0).unwrap();
    group.join(join("a", "x"), 0).unwrap();
    group.sync("b", vec![], 0).unwrap();
    assert_eq!(group.synced("b"), None);
    group.leave("a", None, 0).unwrap();
    assert_eq!(group.synced("b"), Some(Err(ResponseError::RebalanceInProgress)));
}

#[test]
fn who_does_not_rejoin_in_time_is_out() {
    let mut group = stable(&["a", "b"]);
    group.join(newcomer("c"), 1_000).unwrap();
    group.join(join("a", "m"), 1_000).unwrap();
    assert!(!group.tick(5_999), "b may still come");
    assert!(group.tick(6_000), "b's session is over");
    assert_eq!(group.state, State::Completing);
    assert_eq!(group.members.keys().collect::<Vec<_>>(), ["a", "c"]);
}

#[test]
fn a_leader_that_never_assigns_is_out() {
    let mut group = Group::default();
    for id in ["a", "b"] {
        group.join(newcomer(id), 0).unwrap();
    }
    group.join(join("a", "m"), 0).unwrap();
    assert_eq!((group.state, group.leader.as_str()), (State::Completing, "a"));
    group.sync("b", vec![], 0).unwrap();
    group.check("a", None, group.generation, 9_000).unwrap();
    group.tick(10_000);
    assert!(!group.members.contains_key("a") && group.members.contains_key("b"));
    assert_eq!(group.synced("b"), Some(Err(ResponseError::RebalanceInProgress)));
}

#[test]
fn sessions_end_without_heartbeats_only() {
    let mut group = stable(&["a", "b"]);
    for now in (0..30_000).step_by(3_000) {
        group.check("a", None, group.generation, now).unwrap();
        group.tick(now);
        if group.state == State::Preparing {
            break;
        }
    }
    assert_eq!(group.members.keys().collect::<Vec<_>>(), ["a"]);
}

#[test]
fn an_id_may_be_required_first() {
    let mut group = Group::default();
    let refused = group.join(Join { id_required: true, ..newcomer("a") }, 0).unwrap_err();
    assert_eq!(refused, JoinRefused(ResponseError::MemberIdRequired, "a".into()));
    assert_eq!(group.join(join("a", "m"), 10), Ok("a".into()));
    assert_eq!(group.joined("a").unwrap().unwrap().generation, 1);
    let unknown = group.join(join("z", "m"), 10).unwrap_err();
    assert_eq!(unknown.0, ResponseError::UnknownMemberId);
}

#[test]
fn a_rebalance_waits_for_an_id_that_was_given_and_not_for_ever() {
    let mut group = stable(&["a"]);
    let required = Join { id_required: true, ..newcomer("b") };
    group.join(required, 0).unwrap_err();
    group.join(newcomer("c"), 0).unwrap();
    group.join(join("a", "m"), 0).unwrap();
    assert_eq!(group.state, State::Preparing);
    group.tick(6_000);
    assert_eq!(group.state, State::Completing);
}

#[test]
fn strategies_must_meet() {
    let mut group = stable(&["a"]);
    let mut other = newcomer("b");
    other.protocols = vec![("sticky".into(), Bytes::new())];
    assert_eq!(group.join(other, 0).unwrap_err().0, ResponseError::InconsistentGroupProtocol);
    let mut both = newcomer("b");
    both.protocols = vec![("sticky".into(), Bytes::new()), ("range".into(), Bytes::new())];
    group.join(both, 0).unwrap();
    group.join(join("a", "m"), 0).unwrap();
    assert_eq!(group.protocol, "range");
}

#[test]
fn a_static_member_returns_to_its_place_and_its_old_self_is_fenced() {
    let mut group = Group::default();
    let fixed = |new: &str| Join { instance: Some("i".into()), ..newcomer(new) };
    group.join(fixed("s1"), 0).unwrap();
    group.join(newcomer("b"), 0).unwrap();
    let rejoin = Join { instance: Some("i".into()), ..join("s1", "m") };
    group.join(rejoin, 0).unwrap();
    sync_all(&mut group);
    let generation = group.generation;
    assert_eq!(group.join(fixed("s2"), 0), Ok("s2".into()));
    assert_eq!((group.state, group.generation), (State::Stable, generation), "no rebalance");
    assert_eq!(group.joined("s2").unwrap().unwrap().generation, generation);
    group.sync("s2", vec![], 0).unwrap();
    assert_eq!(group.synced("s2"), Some(Ok(Bytes::from("for s1"))));
    assert_eq!(group.check("s1", Some("i"), generation, 0), Err(ResponseError::FencedInstanceId));
    assert_eq!(group.check("s2", Some("i"), generation, 0), Ok(()));
}

#[test]
fn the_last_to_leave_empties_the_group() {
    let mut group = stable(&["a"]);
    assert_eq!(group.leave("z", None, 0), Err(ResponseError::UnknownMemberId));
    group.leave("a", None, 0).unwrap();
    assert_eq!(group.state, State::Empty);
    assert_eq!(group.joined("a"), Some(Err(ResponseError::UnknownMemberId)));
}
