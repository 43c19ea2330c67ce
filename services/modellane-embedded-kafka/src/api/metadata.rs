//! Who serves what: versions, the cluster, topics, the coordinator.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{
    ApiVersionsResponse, FindCoordinatorRequest, FindCoordinatorResponse, MetadataRequest, MetadataResponse,
};

use super::{HOST, NODE_ID, Node, text};
use crate::guard;
use crate::state::{State, Topic};

/// A coordinator of consumer groups; the other kind is for transactions.
const GROUP_KEY: i8 = 0;

pub(super) fn api_versions(error: i16) -> ApiVersionsResponse {
    let served = guard::served().into_iter().map(|(api, low, high)| {
        ApiVersion::default().with_api_key(api as i16).with_min_version(low).with_max_version(high)
    });
    ApiVersionsResponse::default().with_error_code(error).with_api_keys(served.collect())
}

pub(super) fn metadata(node: &Node, request: MetadataRequest, version: i16) -> MetadataResponse {
    let named: Option<Vec<String>> = request
        .topics
        // In version 0 an empty list asks for all topics, later a missing one does.
        .filter(|topics| version > 0 || !topics.is_empty())
        .map(|topics| topics.into_iter().filter_map(|topic| Some(topic.name?.0.to_string())).collect());
    let topics = node.log.read(|state| {
        let names = named.unwrap_or_else(|| state.topic_names().cloned().collect());
        names.iter().map(|name| describe(state, name)).collect()
    });
    let broker = MetadataResponseBroker::default()
        .with_node_id(NODE_ID.into())
        .with_host(text(HOST))
        .with_port(i32::from(node.port));
    MetadataResponse::default()
        .with_brokers(vec![broker])
        .with_cluster_id(Some(text(&node.cluster)))
        .with_controller_id(NODE_ID.into())
        .with_topics(topics)
}

fn describe(state: &State, name: &str) -> MetadataResponseTopic {
    let answer = MetadataResponseTopic::default().with_name(Some(text(name).into()));
    match state.topic(name) {
        // A topic never comes into being by being asked for, so that a typing error stays visible.
        None => answer.with_error_code(ResponseError::UnknownTopicOrPartition.code()),
        Some((_, topic)) => answer.with_partitions(partitions(topic)),
    }
}

fn partitions(topic: &Topic) -> Vec<MetadataResponsePartition> {
    (0..topic.partitions.len() as i32)
        .map(|index| {
            MetadataResponsePartition::default()
                .with_partition_index(index)
                .with_leader_id(NODE_ID.into())
                .with_leader_epoch(0)
                .with_replica_nodes(vec![NODE_ID.into()])
                .with_isr_nodes(vec![NODE_ID.into()])
        })
        .collect()
}

pub(super) fn find_coordinator(node: &Node, request: &FindCoordinatorRequest) -> FindCoordinatorResponse {
    if request.key_type != GROUP_KEY {
        return FindCoordinatorResponse::default()
            .with_error_code(ResponseError::InvalidRequest.code())
            .with_error_message(Some(text("the embedded broker has no transactions")));
    }
    FindCoordinatorResponse::default()
        .with_node_id(NODE_ID.into())
        .with_host(text(HOST))
        .with_port(i32::from(node.port))
}
