use super::*;

fn join(member: &str, protocols: &[&str]) -> Join {
    Join {
        member: member.into(),
        fresh: true,
        client: "c".into(),
        session: Duration::from_secs(10),
        rebalance: Duration::from_secs(30),
        protocol_type: "consumer".into(),
        protocols: protocols.iter().map(|name| (name.to_string(), Bytes::new())).collect(),
    }
}

/// A group with one stable member, and its generation.
fn stable(now: Instant) -> (Group, i32) {
    let mut group = Group::default();
    let mut joined = group.join(join("a", &["range"]), now).unwrap();
    assert!(joined.try_recv().is_err(), "the first member waits for others");
    group.tick(now + FIRST_JOIN_WAIT);
    let joined = joined.try_recv().unwrap();
    assert_eq!((joined.leader.as_str(), joined.members.len()), ("a", 1));
    let mut synced = group.sync(joined.generation, "a", vec![("a".into(), Bytes::from("p0"))], now).unwrap();
    assert_eq!(synced.try_recv().unwrap(), "p0");
    assert_eq!(group.phase, Phase::Stable);
    (group, joined.generation)
}

#[test]
fn a_second_member_makes_the_first_join_again() {
    let now = crate::time::now();
    let (mut group, generation) = stable(now);
    let mut second = group.join(join("b", &["range"]), now).unwrap();
    assert_eq!(group.heartbeat(generation, "a", now), Err(ResponseError::RebalanceInProgress));
    assert_eq!(group.may_commit(generation, "a", now), Ok(()));
    let mut first = group.join(join("a", &["range"]), now).unwrap();
    let (first, second) = (first.try_recv().unwrap(), second.try_recv().unwrap());
    assert_eq!((first.generation, second.generation), (generation + 1, generation + 1));
    assert_eq!((first.members.len(), second.members.len()), (2, 0));
    assert_eq!(group.may_commit(generation, "a", now), Err(ResponseError::IllegalGeneration));
}

#[test]
fn a_silent_member_is_left_behind_at_the_deadline() {
    let now = crate::time::now();
    let (mut group, _) = stable(now);
    let mut second = group.join(join("b", &["range"]), now).unwrap();
    group.tick(now + Duration::from_secs(11));
    let second = second.try_recv().unwrap();
    assert_eq!((second.leader.as_str(), second.members.len()), ("b", 1));
}

#[test]
fn a_follower_waits_for_the_leader_and_is_sent_back_by_a_rebalance() {
    let now = crate::time::now();
    let (mut group, _) = stable(now);
    let mut second = group.join(join("b", &["range"]), now).unwrap();
    group.join(join("a", &["range"]), now).unwrap();
    let generation = second.try_recv().unwrap().generation;
    let mut waits = group.sync(generation, "b", vec![], now).unwrap();
    assert!(matches!(waits.try_recv(), Err(oneshot::error::TryRecvError::Empty)));
    group.join(join("c", &["range"]), now).unwrap();
    assert!(matches!(waits.try_recv(), Err(oneshot::error::TryRecvError::Closed)));
}

#[test]
fn strangers_and_strange_protocols_are_refused() {
    let now = crate::time::now();
    let (mut group, generation) = stable(now);
    let unknown = Join { fresh: false, ..join("x", &["range"]) };
    assert_eq!(group.join(unknown, now).err(), Some(ResponseError::UnknownMemberId));
    assert_eq!(group.join(join("x", &["sticky"]), now).err(), Some(ResponseError::InconsistentGroupProtocol));
    assert_eq!(group.heartbeat(generation, "x", now), Err(ResponseError::UnknownMemberId));
    assert_eq!(group.may_commit(-1, "", now), Err(ResponseError::UnknownMemberId));
    assert_eq!(group.phase, Phase::Stable);
}

#[test]
fn the_last_one_out_leaves_an_empty_group() {
    let now = crate::time::now();
    let (mut group, generation) = stable(now);
    group.leave("a", now).unwrap();
    assert_eq!(group.phase, Phase::Empty);
    assert!(group.is_idle());
    assert_eq!(group.may_commit(-1, "", now), Ok(()));
    assert_eq!(group.heartbeat(generation, "a", now), Err(ResponseError::UnknownMemberId));
}
