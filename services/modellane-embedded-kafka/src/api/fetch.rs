//! Reading: fetch with long poll, and offsets by position or time.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::fetch_request::FetchPartition;
use kafka_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::{
    FetchRequest, FetchResponse, ListOffsetsRequest, ListOffsetsResponse, TopicName,
};

use super::{Node, code};
use crate::batch::{first_at_or_after, stamp};
use crate::partition::StoredBatch;
use crate::state::State;

/// The most that one response carries, whatever a client asks for.
const MAX_RESPONSE: usize = 64 << 20;

/// The longest a poll is held.
const MAX_WAIT: Duration = Duration::from_secs(60);

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;

/// What will be read for one partition.
struct Planned {
    index: i32,
    batches: Result<Vec<StoredBatch>, ResponseError>,
    high_watermark: i64,
}

/// What will be read for one request.
struct Plan {
    topics: Vec<(TopicName, Vec<Planned>)>,
    bytes: usize,
    failed: bool,
}

pub(super) async fn fetch(node: &Node, request: FetchRequest) -> FetchResponse {
    let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0)).min(MAX_WAIT);
    let enough = usize::try_from(request.min_bytes).unwrap_or(0);
    let deadline = tokio::time::Instant::now() + wait;
    let mut progress = node.log.progress();
    let plan = loop {
        progress.borrow_and_update();
        let plan = node.log.read(|state| plan(state, &request));
        if plan.failed || plan.bytes >= enough {
            break plan;
        }
        match tokio::time::timeout_at(deadline, progress.changed()).await {
            Ok(Ok(())) => {}
            // The time is over, or the broker stops: what there is, is the answer.
            _ => break plan,
        }
    };
    let file = node.log.file();
    let responses = if plan.bytes == 0 {
        read_all(plan, &file)
    } else {
        // Reading may have to wait for the disk, which must not hold up other connections.
        tokio::task::spawn_blocking(move || read_all(plan, &file)).await.unwrap_or_default()
    };
    FetchResponse::default().with_responses(responses)
}

/// Chooses batches, in the order of the request, until a limit is reached. The first batch is chosen
/// whatever its size, or a reader could never pass it.
fn plan(state: &State, request: &FetchRequest) -> Plan {
    let limit = usize::try_from(request.max_bytes).unwrap_or(0).min(MAX_RESPONSE);
    let mut plan = Plan { topics: Vec::with_capacity(request.topics.len()), bytes: 0, failed: false };
    for topic in &request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for wanted in &topic.partitions {
            let planned = plan_partition(state, &topic.topic, wanted, limit, &mut plan.bytes);
            plan.failed |= planned.batches.is_err();
            partitions.push(planned);
        }
        plan.topics.push((topic.topic.clone(), partitions));
    }
    plan
}

fn plan_partition(
    state: &State,
    topic: &str,
    wanted: &FetchPartition,
    limit: usize,
    total: &mut usize,
) -> Planned {
    let index = wanted.partition;
    let partition = match state.partition(topic, index) {
        Ok(partition) => partition,
        Err(error) => return Planned { index, batches: Err(error), high_watermark: -1 },
    };
    let high_watermark = partition.high_watermark();
    if !(0..=high_watermark).contains(&wanted.fetch_offset) {
        return Planned { index, batches: Err(ResponseError::OffsetOutOfRange), high_watermark };
    }
    let own_limit = usize::try_from(wanted.partition_max_bytes).unwrap_or(0);
    let mut own = 0;
    let mut batches = Vec::new();
    for batch in partition.starting_at(wanted.fetch_offset) {
        let length = batch.length as usize;
        if *total > 0 && (own + length > own_limit || *total + length > limit) {
            break;
        }
        own += length;
        *total += length;
        batches.push(*batch);
    }
    Planned { index, batches: Ok(batches), high_watermark }
}

fn read_all(plan: Plan, file: &Arc<File>) -> Vec<FetchableTopicResponse> {
    let topics = plan.topics.into_iter().map(|(name, partitions)| {
        let partitions = partitions.into_iter().map(|planned| read_partition(planned, file));
        FetchableTopicResponse::default().with_topic(name).with_partitions(partitions.collect())
    });
    topics.collect()
}

fn read_partition(planned: Planned, file: &File) -> PartitionData {
    let records = planned.batches.and_then(|batches| read_batches(&batches, file));
    PartitionData::default()
        .with_partition_index(planned.index)
        .with_error_code(code(&records))
        .with_high_watermark(planned.high_watermark)
        .with_last_stable_offset(planned.high_watermark)
        .with_log_start_offset(0)
        .with_preferred_read_replica((-1).into())
        .with_records(Some(records.unwrap_or_default()))
}

fn read_batches(batches: &[StoredBatch], file: &File) -> Result<Bytes, ResponseError> {
    let length = batches.iter().map(|batch| batch.length as usize).sum();
    let mut records = BytesMut::zeroed(length);
    let mut rest = &mut records[..];
    for batch in batches {
        let (bytes, after) = rest.split_at_mut(batch.length as usize);
        read_batch(batch, file, bytes)?;
        rest = after;
    }
    Ok(records.freeze())
}

fn read_batch(batch: &StoredBatch, file: &File, into: &mut [u8]) -> Result<(), ResponseError> {
    file.read_exact_at(into, batch.position).map_err(|error| {
        tracing::error!(%error, position = batch.position, "a batch cannot be read from the journal");
        ResponseError::KafkaStorageError
    })?;
    stamp(into, batch.base);
    Ok(())
}

pub(super) fn list_offsets(node: &Node, request: ListOffsetsRequest) -> ListOffsetsResponse {
    let file = node.log.file();
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|wanted| {
            let found = find_offset(node, &file, &topic.name, wanted.partition_index, wanted.timestamp);
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
    ListOffsetsResponse::default().with_topics(topics.collect())
}

/// An offset and its record's time; both are -1 where no record is late enough.
fn find_offset(
    node: &Node,
    file: &File,
    topic: &str,
    partition: i32,
    timestamp: i64,
) -> Result<(i64, i64), ResponseError> {
    let batch = node.log.read(|state| {
        let partition = state.partition(topic, partition)?;
        match timestamp {
            LATEST => Ok(Err((partition.high_watermark(), -1))),
            EARLIEST => Ok(Err((0, -1))),
            time if time < 0 => Err(ResponseError::UnsupportedVersion),
            time => Ok(partition.at_or_after(time).ok_or((-1, -1))),
        }
    })?;
    let batch = match batch {
        Ok(batch) => batch,
        Err(known) => return Ok(known),
    };
    let mut bytes = vec![0; batch.length as usize];
    read_batch(&batch, file, &mut bytes)?;
    let (delta, time) = first_at_or_after(&bytes, timestamp).unwrap_or((0, batch.max_timestamp));
    Ok((batch.base + delta, time))
}
