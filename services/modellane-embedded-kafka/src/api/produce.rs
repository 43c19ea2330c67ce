//! Produce, and the ids of idempotent producers.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::produce_request::PartitionProduceData;
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{
    InitProducerIdRequest, InitProducerIdResponse, ProduceRequest, ProduceResponse, TopicName,
};

use tokio::sync::OwnedSemaphorePermit;

use super::{Body, Malformed, Node, code, encode};
use crate::batch::BatchHeader;
use crate::log::Ticket;
use crate::partition::Partition;
use crate::record::Record;

type Outcome = Result<i64, ResponseError>;

/// A produce request whose batches are queued for the disk.
pub(crate) struct Appended {
    topics: Vec<(TopicName, Vec<(i32, Outcome)>)>,
    ticket: Result<Ticket, ResponseError>,
    version: i16,
    silent: bool,
}

/// Queues all batches of a request in one step.
pub(super) fn append(
    node: &Node,
    request: ProduceRequest,
    version: i16,
    room: Option<OwnedSemaphorePermit>,
) -> Appended {
    let silent = request.acks == 0;
    // Checksums are computed before the lock is taken.
    let checked: Vec<_> = request
        .topic_data
        .into_iter()
        .map(|topic| (topic.name, topic.partition_data.into_iter().map(check).collect::<Vec<_>>()))
        .collect();
    let queued = node.log.change(|pending| {
        let mut topics = Vec::with_capacity(checked.len());
        for (name, partitions) in &checked {
            let outcomes = partitions.iter().map(|(index, header, data)| {
                let batch = data.records.as_deref().unwrap_or_default();
                let outcome = header.and_then(|header| pending.batch(name, *index, &header, batch));
                (*index, outcome)
            });
            topics.push((name.clone(), outcomes.collect()));
        }
        pending.keep(room);
        topics
    });
    match queued {
        Ok((topics, ticket)) => Appended { topics, ticket: Ok(ticket), version, silent },
        Err(error) => {
            let failed = |(name, partitions): (TopicName, Vec<Checked>)| {
                (name, partitions.into_iter().map(|(index, ..)| (index, Err(error))).collect())
            };
            let topics = checked.into_iter().map(failed).collect();
            Appended { topics, ticket: Err(error), version, silent }
        }
    }
}

type Checked = (i32, Result<BatchHeader, ResponseError>, PartitionProduceData);

fn check(data: PartitionProduceData) -> Checked {
    let header = BatchHeader::check(data.records.as_deref().unwrap_or_default());
    (data.index, header, data)
}

impl Appended {
    /// The response, once everything is on the disk; none for a producer that does not want one.
    pub(crate) async fn acknowledged(self, node: &Node) -> Result<Option<Body>, Malformed> {
        if self.silent {
            return Ok(None);
        }
        let synced = match self.ticket {
            Ok(ticket) => node.log.synced(ticket).await,
            Err(error) => Err(error),
        };
        let topics = self.topics.into_iter().map(|(name, partitions)| {
            let partitions = partitions.into_iter().map(|(index, outcome)| {
                let outcome = outcome.and_then(|base| synced.map(|()| base));
                PartitionProduceResponse::default()
                    .with_index(index)
                    .with_error_code(code(&outcome))
                    .with_base_offset(outcome.unwrap_or(-1))
                    .with_log_append_time_ms(-1)
                    .with_log_start_offset(log_start(node, &name, index))
            });
            let partitions = partitions.collect();
            TopicProduceResponse::default().with_name(name).with_partition_responses(partitions)
        });
        encode(&ProduceResponse::default().with_responses(topics.collect()), self.version).map(Some)
    }
}

fn log_start(node: &Node, topic: &str, partition: i32) -> i64 {
    node.log.read(|state| state.partition(topic, partition).map_or(-1, Partition::log_start))
}

pub(super) async fn init_producer(node: &Node, request: &InitProducerIdRequest) -> InitProducerIdResponse {
    let id = match request.transactional_id {
        Some(_) => Err(ResponseError::InvalidRequest),
        None => new_producer(node).await,
    };
    InitProducerIdResponse::default()
        .with_error_code(code(&id))
        .with_producer_id(id.unwrap_or(-1).into())
        .with_producer_epoch(if id.is_ok() { 0 } else { -1 })
}

/// An id that no producer had before and none will have again.
async fn new_producer(node: &Node) -> Result<i64, ResponseError> {
    let (id, ticket) = node.log.change(|pending| {
        let id = pending.state().next_producer();
        pending.record(Record::Producer { id });
        id
    })?;
    node.log.synced(ticket).await?;
    Ok(id)
}
