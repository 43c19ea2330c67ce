use super::*;

fn join(member: &str, protocols: &[&str]) -> Join {
    Join {
        member: member.into(),
        fresh: true,
        client: "c".into(),
        connection: 1,
        session: Duration::from_secs(10),
        rebalance: Duration::from_secs(30),
        protocol_type: "consumer".into(),
        protocols: protocols.iter().map(|name| (name.to_string(), Bytes::new())).collect(),
    }
}

fn heard(at: Instant) -> Heard {
    Heard { at, connection: 1 }
}

fn nobody(_: &str, _: Instant) -> bool {
    false
}

/// A group with one stable member, and its generation.
fn stable(now: Instant) -> (Group, i32) {
    let mut group = Group::default();
    let mut joined = group.join(join("a", &["range"]), now).unwrap();
    assert!(joined.try_recv().is_err(), "the first member waits for others");
    group.tick(now + FIRST_JOIN_WAIT, nobody);
    let joined = joined.try_recv().unwrap();
    assert_eq!((joined.leader.as_str(), joined.members.len()), ("a", 1));
    let mut synced =
        group.sync(joined.generation, "a", vec![("a".into(), Bytes::from("p0"))], heard(now)).unwrap();
    assert_eq!(synced.try_recv().unwrap(), "p0");
    assert_eq!(group.phase, Phase::Stable);
    (group, joined.generation)
}

#[test]
fn a_second_member_makes_the_first_join_again() {
    let now = crate::time::now();
    let (mut group, generation) = stable(now);
    let mut second = group.join(join("b", &["range"]), now).unwrap();
    assert_eq!(group.heartbeat(generation, "a", heard(now)), Err(ResponseError::RebalanceInProgress));
    assert_eq!(group.may_commit(generation, "a", heard(now)), Ok(()));
    let mut first = group.join(join("a", &["range"]), now).unwrap();
    let (first, second) = (first.try_recv().unwrap(), second.try_recv().unwrap());
    assert_eq!((first.generation, second.generation), (generation + 1, generation + 1));
    assert_eq!((first.members.len(), second.members.len()), (2, 0));
    assert_eq!(group.may_commit(generation, "a", heard(now)), Err(ResponseError::IllegalGeneration));
}

#[test]
fn a_silent_member_is_left_behind_at_the_deadline() {
    let now = crate::time::now();
    let (mut group, _) = stable(now);
    let mut second = group.join(join("b", &["range"]), now).unwrap();
    group.tick(now + Duration::from_secs(11), nobody);
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
    let mut waits = group.sync(generation, "b", vec![], heard(now)).unwrap();
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
    assert_eq!(group.heartbeat(generation, "x", heard(now)), Err(ResponseError::UnknownMemberId));
    assert_eq!(group.may_commit(-1, "", heard(now)), Err(ResponseError::UnknownMemberId));
    assert_eq!(group.phase, Phase::Stable);
}

#[test]
fn the_last_one_out_leaves_an_empty_group() {
    let now = crate::time::now();
    let (mut group, generation) = stable(now);
    group.leave("a", now).unwrap();
    assert_eq!(group.phase, Phase::Empty);
    assert!(group.is_idle());
    assert_eq!(group.may_commit(-1, "", heard(now)), Ok(()));
    assert_eq!(group.heartbeat(generation, "a", heard(now)), Err(ResponseError::UnknownMemberId));
}

/// Whether `a`, whose connection closed, is still in the group after some milliseconds.
fn is_there(after: u64, has_older: impl Fn(&str, Instant) -> bool) -> bool {
    let now = crate::time::now();
    let (mut group, generation) = stable(now);
    group.closed(2, now);
    group.closed(1, now);
    let later = now + Duration::from_millis(after);
    group.tick(later, has_older);
    group.heartbeat(generation, "a", heard(later)).is_ok()
}

#[test]
fn a_member_whose_client_has_no_connection_left_goes_soon() {
    assert!(is_there(200, nobody));
    assert!(!is_there(300, nobody));
}

#[test]
fn a_member_whose_client_is_still_there_gets_a_part_of_its_session() {
    let c = |client: &str, _| client == "c";
    assert!(is_there(1_900, c));
    assert!(!is_there(2_100, c));
}

#[test]
fn a_member_that_comes_back_on_another_connection_stays() {
    let now = crate::time::now();
    let (mut group, generation) = stable(now);
    group.closed(1, now);
    let soon = now + Duration::from_millis(100);
    group.heartbeat(generation, "a", Heard { at: soon, connection: 7 }).unwrap();
    group.closed(1, soon);
    group.tick(now + Duration::from_secs(5), nobody);
    let later = Heard { at: now + Duration::from_secs(5), connection: 7 };
    assert_eq!(group.heartbeat(generation, "a", later), Ok(()));
}

#[test]
fn a_group_has_a_largest_size() {
    let now = crate::time::now();
    let mut group = Group::default();
    for member in 0..MAX_MEMBERS {
        group.announce(&member.to_string(), Duration::from_secs(1), now).unwrap();
    }
    let full = Err(ResponseError::GroupMaxSizeReached);
    assert_eq!(group.announce("one more", Duration::from_secs(1), now), full);
    assert_eq!(group.join(join("one more", &["range"]), now).err(), full.err());
    // Whoever was promised an id can join.
    assert!(group.join(Join { fresh: false, ..join("5", &["range"]) }, now).is_ok());
}
