use super::*;

fn samples() -> Vec<Record> {
    vec![
        Record::Head { cluster: "c1".into() },
        Record::TopicCreated {
            id: 3,
            name: "usage".into(),
            partitions: 4,
            configs: vec![("retention.ms".into(), "-1".into())],
        },
        Record::TopicGrown { id: 3, partitions: 9 },
        Record::TopicDeleted { id: 3 },
        Record::Offsets {
            group: "g".into(),
            offsets: vec![CommittedOffset {
                topic: "usage".into(),
                partition: 2,
                offset: 77,
                metadata: "m".into(),
            }],
        },
        Record::Producer { id: 12 },
    ]
}

#[test]
fn what_is_written_is_read_back() {
    for record in samples() {
        assert_eq!(Record::decode(&record.encode()), Some(record));
    }
}

#[test]
fn a_shortened_record_is_refused_and_never_panics() {
    for record in samples() {
        let bytes = record.encode();
        for length in 0..bytes.len() {
            assert!(Record::decode(&bytes[..length]).is_none(), "{record:?} at {length}");
        }
    }
}
