//! The offsets that groups commit.

use std::collections::BTreeMap;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponsePartition, OffsetFetchResponseTopic,
};
use kafka_protocol::messages::{
    OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest, OffsetFetchResponse, TopicName,
};

use super::{Node, code, text};
use crate::log::Pending;
use crate::record::{CommittedOffset, Record};

/// The longest note that a client may leave with an offset.
const MAX_METADATA: usize = 4096;

type Outcomes = Vec<(TopicName, Vec<(i32, Result<(), ResponseError>)>)>;

pub(super) async fn commit(
    node: &Node,
    request: OffsetCommitRequest,
    connection: u64,
) -> OffsetCommitResponse {
    let generation = request.generation_id_or_member_epoch;
    let allowed = node.groups.may_commit(&request.group_id, generation, &request.member_id, connection);
    let every = |error| {
        let outcomes = request.topics.iter().map(|topic| {
            (topic.name.clone(), topic.partitions.iter().map(|p| (p.partition_index, Err(error))).collect())
        });
        outcomes.collect::<Outcomes>()
    };
    let queued = allowed.and_then(|()| node.log.change(|pending| queue(pending, &request)));
    let outcomes = match queued {
        Err(error) => every(error),
        Ok((outcomes, ticket)) => match node.log.synced(ticket).await {
            Ok(()) => outcomes,
            Err(error) => every(error),
        },
    };
    let topics = outcomes.into_iter().map(|(name, partitions)| {
        let partitions = partitions.into_iter().map(|(index, outcome)| {
            OffsetCommitResponsePartition::default()
                .with_partition_index(index)
                .with_error_code(code(&outcome))
        });
        OffsetCommitResponseTopic::default().with_name(name).with_partitions(partitions.collect())
    });
    OffsetCommitResponse::default().with_topics(topics.collect())
}

/// Queues the offsets of a request as one record, so that a crash keeps all of them or none.
fn queue(pending: &mut Pending<'_>, request: &OffsetCommitRequest) -> Outcomes {
    let mut outcomes = Outcomes::new();
    let mut offsets = Vec::new();
    for topic in &request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for wanted in &topic.partitions {
            let metadata = wanted.committed_metadata.as_ref().map_or("", |metadata| metadata.as_str());
            let outcome = match pending.state().partition(&topic.name, wanted.partition_index) {
                Err(error) => Err(error),
                Ok(_) if metadata.len() > MAX_METADATA => Err(ResponseError::OffsetMetadataTooLarge),
                Ok(_) => Ok(()),
            };
            if outcome.is_ok() {
                offsets.push(CommittedOffset {
                    topic: topic.name.0.to_string(),
                    partition: wanted.partition_index,
                    offset: wanted.committed_offset,
                    metadata: metadata.to_owned(),
                });
            }
            partitions.push((wanted.partition_index, outcome));
        }
        outcomes.push((topic.name.clone(), partitions));
    }
    if !offsets.is_empty() {
        pending.record(Record::Offsets { group: request.group_id.0.to_string(), offsets });
    }
    outcomes
}

pub(super) fn fetch(node: &Node, request: OffsetFetchRequest, version: i16) -> OffsetFetchResponse {
    let named = request.topics.filter(|topics| version >= 2 || !topics.is_empty());
    let topics = node.log.read(|state| {
        let empty = BTreeMap::new();
        let committed = state.committed(&request.group_id).unwrap_or(&empty);
        let wanted: BTreeMap<String, Vec<i32>> = match named {
            Some(topics) => {
                topics.into_iter().map(|topic| (topic.name.0.to_string(), topic.partition_indexes)).collect()
            }
            None => committed.keys().fold(BTreeMap::new(), |mut all, (topic, partition)| {
                all.entry(topic.clone()).or_insert_with(Vec::new).push(*partition);
                all
            }),
        };
        let topics = wanted.into_iter().map(|(topic, partitions)| {
            let partitions = partitions.into_iter().map(|partition| {
                let known = committed.get(&(topic.clone(), partition));
                OffsetFetchResponsePartition::default()
                    .with_partition_index(partition)
                    .with_committed_offset(known.map_or(-1, |known| known.offset))
                    .with_committed_leader_epoch(-1)
                    .with_metadata(Some(text(known.map_or("", |known| &known.metadata))))
            });
            let partitions = partitions.collect();
            OffsetFetchResponseTopic::default().with_name(text(&topic).into()).with_partitions(partitions)
        });
        topics.collect()
    });
    OffsetFetchResponse::default().with_topics(topics)
}
