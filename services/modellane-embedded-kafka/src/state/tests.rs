use super::*;
use crate::batch::tests::batch;

fn created(id: u32, name: &str, partitions: u32) -> Record {
    Record::TopicCreated { id, name: name.into(), partitions, configs: vec![] }
}

fn offsets(topic: &str, offset: i64) -> Record {
    let entry = CommittedOffset { topic: topic.into(), partition: 0, offset, metadata: String::new() };
    Record::Offsets { group: "g".into(), offsets: vec![entry] }
}

fn summary(state: &State) -> String {
    let topics: Vec<_> =
        state.names.iter().map(|(n, id)| (n, id, state.topics[id].partitions.len())).collect();
    format!("{topics:?} {:?}", state.offsets)
}

#[test]
fn every_change_can_be_taken_back() {
    let mut state = State::default();
    state.apply(Record::Head { cluster: "c".into() });
    state.apply(created(0, "kept", 1));
    state.apply(offsets("kept", 5));
    for record in [
        created(1, "new", 3),
        Record::TopicGrown { id: 0, partitions: 4 },
        Record::TopicDeleted { id: 0 },
        offsets("kept", 9),
    ] {
        let before = summary(&state);
        let change = state.apply(record.clone());
        assert_ne!(summary(&state), before, "{record:?} changed nothing");
        state.take_back(change);
        assert_eq!(summary(&state), before, "{record:?} left something behind");
    }
}

#[test]
fn changes_that_build_on_each_other_are_taken_back_latest_first() {
    let mut state = State::default();
    let mut changes = vec![state.apply(created(0, "t", 1))];
    let header = BatchHeader::check(&batch(4, 0, 0, 2, 0)).unwrap();
    let crate::partition::Placed { base, segment, end, undo, .. } = state.append(0, 0, &header, 20).unwrap();
    changes.push(Change::Placed { topic: 0, partition: 0, segment, end, undo });
    changes.push(state.apply(Record::TopicDeleted { id: 0 }));
    assert_eq!(base, 0);
    while let Some(change) = changes.pop() {
        state.take_back(change);
    }
    assert!(state.topic("t").is_none());
    assert_eq!(state.topics.len(), 0);
}

#[test]
fn a_deleted_topic_takes_its_committed_offsets_along() {
    let mut state = State::default();
    state.apply(created(0, "t", 1));
    state.apply(offsets("t", 5));
    state.apply(Record::TopicDeleted { id: 0 });
    assert!(state.committed("g").unwrap().is_empty());
}

#[test]
fn a_snapshot_gives_the_same_state() {
    let mut state = State::default();
    state.apply(Record::Head { cluster: "c".into() });
    for id in 0..4 {
        state.apply(created(id, &format!("t{id}"), id + 1));
    }
    state.apply(Record::TopicGrown { id: 1, partitions: 9 });
    state.apply(Record::TopicDeleted { id: 3 });
    state.apply(Record::Producer { id: 41 });
    state.apply(offsets("t1", 5));
    state.apply(offsets("t2", 6));
    let mut again = State::default();
    for record in state.snapshot() {
        assert!(again.replay(Record::decode(&record.encode()).unwrap()));
    }
    assert_eq!(summary(&again), summary(&state));
    assert_eq!((again.next_topic(), again.next_producer()), (4, 42));
    assert_eq!(again.cluster, "c");
}
