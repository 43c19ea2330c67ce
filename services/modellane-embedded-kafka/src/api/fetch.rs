//! Reading: fetch with long poll, and offsets by position or time.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::{FetchRequest, FetchResponse, ListOffsetsRequest, ListOffsetsResponse};

use super::{Node, code};
use crate::partition::Partition;
use crate::state::State;

/// The most that one response carries, whatever a client asks for, unless a single batch has more.
const MAX_RESPONSE: usize = 16 << 20;

/// The longest a poll is held.
const MAX_WAIT: Duration = Duration::from_secs(60);

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;

pub(super) async fn fetch(node: Arc<Node>, request: FetchRequest) -> FetchResponse {
    let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0)).min(MAX_WAIT);
    let enough = u64::try_from(request.min_bytes).unwrap_or(0);
    let deadline = tokio::time::Instant::now() + wait;
    let mut progress = node.log.progress();
    loop {
        progress.borrow_and_update();
        if node.log.read(|state| is_answerable(state, &request, enough)) {
            break;
        }
        match tokio::time::timeout_at(deadline, progress.changed()).await {
            Ok(Ok(())) => {}
            // The time is over, or the broker stops: what there is, is the answer.
            _ => break,
        }
    }
    // Reading may have to wait for the disk, which must not hold up other connections.
    let read = tokio::task::spawn_blocking(move || read_all(&node, &request));
    FetchResponse::default().with_responses(read.await.unwrap_or_default())
}

/// Whether there is as much as the client waits for, or an error to tell it about.
fn is_answerable(state: &State, request: &FetchRequest, enough: u64) -> bool {
    let mut available = 0;
    for topic in &request.topics {
        for wanted in &topic.partitions {
            let partition = state.partition(&topic.topic, wanted.partition).ok();
            match partition.and_then(|partition| partition.spans_from_offset(wanted.fetch_offset, enough)) {
                None => return true,
                Some((_, bytes)) => available += bytes,
            }
        }
    }
    available >= enough
}

/// Reads partition by partition, in the order of the request, until a limit is reached. The first batch of
/// all is read whatever its size, or a reader could never pass it.
fn read_all(node: &Node, request: &FetchRequest) -> Vec<FetchableTopicResponse> {
    let limit = usize::try_from(request.max_bytes).unwrap_or(0).min(MAX_RESPONSE);
    let mut total = 0;
    let mut topics = Vec::with_capacity(request.topics.len());
    for FetchTopic { topic, partitions, .. } in &request.topics {
        let mut read = Vec::with_capacity(partitions.len());
        for wanted in partitions {
            let data = read_partition(node, topic, wanted, limit.saturating_sub(total), total == 0);
            total += data.records.as_ref().map_or(0, Bytes::len);
            read.push(data);
        }
        topics.push(FetchableTopicResponse::default().with_topic(topic.clone()).with_partitions(read));
    }
    topics
}

fn read_partition(
    node: &Node,
    topic: &str,
    wanted: &FetchPartition,
    room: usize,
    must: bool,
) -> PartitionData {
    let index = wanted.partition;
    let limit = usize::try_from(wanted.partition_max_bytes).unwrap_or(0).min(room);
    let records = node.log.batches(topic, index, wanted.fetch_offset, limit, must);
    // What was read lies before the end that is told, so the end is looked at afterwards.
    let ends = |partition: &Partition| (partition.log_start(), partition.high_watermark());
    let ends = node.log.read(|state| state.partition(topic, index).map(ends));
    let (log_start, high_watermark) = ends.unwrap_or((-1, -1));
    PartitionData::default()
        .with_partition_index(index)
        .with_error_code(code(&records))
        .with_high_watermark(high_watermark)
        .with_last_stable_offset(high_watermark)
        .with_log_start_offset(log_start)
        .with_preferred_read_replica((-1).into())
        .with_records(Some(records.unwrap_or_default()))
}

pub(super) async fn list_offsets(node: Arc<Node>, request: ListOffsetsRequest) -> ListOffsetsResponse {
    let found = tokio::task::spawn_blocking(move || list_all(&node, request));
    ListOffsetsResponse::default().with_topics(found.await.unwrap_or_default())
}

fn list_all(node: &Node, request: ListOffsetsRequest) -> Vec<ListOffsetsTopicResponse> {
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|wanted| {
            let found = find_offset(node, &topic.name, wanted.partition_index, wanted.timestamp);
            let (offset, timestamp) = found.unwrap_or((-1, -1));
            ListOffsetsPartitionResponse::default()
                .with_partition_index(wanted.partition_index)
                .with_error_code(code(&found))
                .with_offset(offset)
                .with_timestamp(timestamp)
                .with_leader_epoch(0)
        });
        let partitions = partitions.collect();
        ListOffsetsTopicResponse::default().with_name(topic.name).with_partitions(partitions)
    });
    topics.collect()
}

/// An offset and its record's time; both are -1 where no record is late enough.
fn find_offset(node: &Node, topic: &str, index: i32, timestamp: i64) -> Result<(i64, i64), ResponseError> {
    let end = |of: fn(&Partition) -> i64| node.log.read(|state| Ok((of(state.partition(topic, index)?), -1)));
    match timestamp {
        LATEST => end(Partition::high_watermark),
        EARLIEST => end(Partition::log_start),
        time if time < 0 => Err(ResponseError::UnsupportedVersion),
        time => Ok(node.log.first_at(topic, index, time)?.unwrap_or((-1, -1))),
    }
}
