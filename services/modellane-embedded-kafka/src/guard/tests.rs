use bytes::{BufMut, Bytes};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::Decodable;

use super::*;

/// A body of this layout: every array has two elements, every text and byte string three bytes.
fn sample(layout: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = layout;
    while let Some((&field, after)) = rest.split_first() {
        rest = after;
        match field {
            b'b' => out.put_u8(1),
            b'h' => out.put_u16(1),
            b'i' => out.put_u32(1),
            b'l' => out.put_u64(1),
            b's' => {
                out.put_u16(3);
                out.put_slice(b"abc");
            }
            b'y' => {
                out.put_u32(3);
                out.put_slice(b"abc");
            }
            b'[' => {
                let (element, after) = rest.split_at(closing(rest).unwrap());
                rest = &after[1..];
                out.put_u32(2);
                out.extend(sample(element));
                out.extend(sample(element));
            }
            other => panic!("unknown field {other}"),
        }
    }
    out
}

/// Whether the decoder reads the body to its end.
fn decodes(api: ApiKey, version: i16, body: Vec<u8>) -> bool {
    fn all<Q: Decodable>(body: Vec<u8>, version: i16) -> bool {
        let mut body = Bytes::from(body);
        Q::decode(&mut body, version).is_ok() && body.is_empty()
    }
    let decode = match api {
        ApiKey::Produce => all::<ProduceRequest>,
        ApiKey::Fetch => all::<FetchRequest>,
        ApiKey::ListOffsets => all::<ListOffsetsRequest>,
        ApiKey::Metadata => all::<MetadataRequest>,
        ApiKey::OffsetCommit => all::<OffsetCommitRequest>,
        ApiKey::OffsetFetch => all::<OffsetFetchRequest>,
        ApiKey::FindCoordinator => all::<FindCoordinatorRequest>,
        ApiKey::JoinGroup => all::<JoinGroupRequest>,
        ApiKey::Heartbeat => all::<HeartbeatRequest>,
        ApiKey::LeaveGroup => all::<LeaveGroupRequest>,
        ApiKey::SyncGroup => all::<SyncGroupRequest>,
        ApiKey::DescribeGroups => all::<DescribeGroupsRequest>,
        ApiKey::ListGroups => all::<ListGroupsRequest>,
        ApiKey::CreateTopics => all::<CreateTopicsRequest>,
        ApiKey::DeleteTopics => all::<DeleteTopicsRequest>,
        ApiKey::InitProducerId => all::<InitProducerIdRequest>,
        ApiKey::DescribeConfigs => all::<DescribeConfigsRequest>,
        ApiKey::CreatePartitions => all::<CreatePartitionsRequest>,
        other => panic!("{other:?} is not in the table"),
    };
    decode(body, version)
}

#[test]
fn the_decoder_agrees_with_every_layout() {
    for &(api, low, high, layout) in LAYOUTS {
        for version in low..=high {
            let body = sample(layout.as_bytes());
            assert!(well_formed(api, version, &body), "{api:?} {version} is refused");
            assert!(decodes(api, version, body), "{api:?} {version} reads differently");
        }
    }
}

#[test]
fn every_cut_and_every_extra_byte_is_refused() {
    for &(api, low, _, layout) in LAYOUTS {
        let body = sample(layout.as_bytes());
        for length in 0..body.len() {
            assert!(!well_formed(api, low, &body[..length]), "{api:?} cut at {length}");
        }
        assert!(!well_formed(api, low, &[&body[..], &[0]].concat()), "{api:?} with one byte more");
    }
}

#[test]
fn an_array_that_claims_too_much_is_refused() {
    assert!(!well_formed(ApiKey::Metadata, 1, &i32::MAX.to_be_bytes()));
    assert!(!well_formed(ApiKey::Metadata, 1, &1_000_000i32.to_be_bytes()));
    assert!(well_formed(ApiKey::Metadata, 1, &(-1i32).to_be_bytes()));
}

#[test]
fn the_table_lists_versions_without_gaps() {
    for pair in LAYOUTS.windows(2) {
        if pair[0].0 as i16 == pair[1].0 as i16 {
            assert_eq!(pair[0].2 + 1, pair[1].1, "{:?}", pair[0].0);
        }
    }
    let served = served();
    let keys: std::collections::BTreeSet<_> = served.iter().map(|(api, ..)| *api as i16).collect();
    assert_eq!(keys.len(), served.len(), "a request is listed in two places");
}
