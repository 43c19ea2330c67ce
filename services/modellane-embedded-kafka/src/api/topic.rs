//! Topics: create, grow, delete, describe.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::create_topics_response::CreatableTopicResult;
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult,
};
use kafka_protocol::messages::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest, CreateTopicsResponse,
    DeleteTopicsRequest, DeleteTopicsResponse, DescribeConfigsRequest, DescribeConfigsResponse,
};

use super::{Node, code, text};
use crate::log::Pending;
use crate::record::Record;
use crate::settings;
use crate::state::State;

/// The most partitions of one topic and of all: each costs memory for as long as its topic lives.
const MAX_PARTITIONS: i32 = 10_000;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

/// Where a value comes from, as the protocol numbers it.
const SET_FOR_TOPIC: i8 = 1;
const DEFAULT: i8 = 5;

/// Makes changes under the lock, then waits until they are on the disk. If the disk refuses, the results
/// that were successes become that error.
async fn durably<R>(
    node: &Node,
    decide: impl FnOnce(&mut Pending<'_>) -> Vec<(R, Result<(), ResponseError>)>,
) -> Vec<(R, Result<(), ResponseError>)>
where
    R: Default,
{
    match node.log.change(decide) {
        Err(error) => vec![(R::default(), Err(error))],
        Ok((mut results, ticket)) => {
            let synced = node.log.synced(ticket).await;
            for (_, result) in &mut results {
                *result = result.and(synced);
            }
            results
        }
    }
}

pub(super) async fn create(node: &Node, request: CreateTopicsRequest) -> CreateTopicsResponse {
    let (default, dry) = (node.default_partitions, request.validate_only);
    let results = durably(node, |pending| {
        let one = |topic| create_one(pending, topic, default, dry);
        request.topics.into_iter().map(one).collect()
    })
    .await;
    let topics = results.into_iter().map(|(answer, result)| {
        let message = result.err().map(|error| text(&error.to_string()));
        answer.with_error_code(code(&result)).with_error_message(message)
    });
    CreateTopicsResponse::default().with_topics(topics.collect())
}

fn create_one(
    pending: &mut Pending<'_>,
    topic: CreatableTopic,
    default: i32,
    dry: bool,
) -> (CreatableTopicResult, Result<(), ResponseError>) {
    let partitions = if topic.num_partitions == -1 { default } else { topic.num_partitions };
    let valid = check_new(pending.state(), &topic, partitions);
    if valid.is_ok() && !dry {
        let configs = topic
            .configs
            .iter()
            .filter_map(|config| Some((config.name.to_string(), config.value.as_ref()?.to_string())));
        let record = Record::TopicCreated {
            id: pending.state().next_topic(),
            name: topic.name.0.to_string(),
            partitions: partitions as u32,
            configs: configs.collect(),
        };
        pending.record(record);
    }
    let answer = CreatableTopicResult::default()
        .with_name(topic.name)
        .with_num_partitions(partitions)
        .with_replication_factor(1);
    (answer, valid)
}

fn check_new(state: &State, topic: &CreatableTopic, partitions: i32) -> Result<(), ResponseError> {
    let name = topic.name.as_str();
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || name.len() > 249 || matches!(name, "." | "..") || !name.chars().all(legal) {
        return Err(ResponseError::InvalidTopicException);
    }
    if state.topic(name).is_some() {
        return Err(ResponseError::TopicAlreadyExists);
    }
    if !topic.assignments.is_empty() {
        return Err(ResponseError::InvalidReplicaAssignment);
    }
    if !(1..=MAX_PARTITIONS).contains(&partitions) {
        return Err(ResponseError::InvalidPartitions);
    }
    if !matches!(topic.replication_factor, -1 | 1) {
        return Err(ResponseError::InvalidReplicationFactor);
    }
    let known = |config: &CreatableTopicConfig| {
        config.value.as_ref().is_none_or(|value| settings::is_valid(&config.name, value))
    };
    if !topic.configs.iter().all(known) {
        return Err(ResponseError::InvalidConfig);
    }
    check_room(state, partitions)
}

/// Whether there is room for so many partitions more.
fn check_room(state: &State, more: i32) -> Result<(), ResponseError> {
    let all = state.partitions() + usize::try_from(more).unwrap_or(usize::MAX);
    if all <= MAX_PARTITIONS as usize { Ok(()) } else { Err(ResponseError::PolicyViolation) }
}

pub(super) async fn grow(node: &Node, request: CreatePartitionsRequest) -> CreatePartitionsResponse {
    let dry = request.validate_only;
    let results = durably(node, |pending| {
        request.topics.into_iter().map(|topic| grow_one(pending, topic, dry)).collect()
    })
    .await;
    let results = results.into_iter().map(|(answer, result)| answer.with_error_code(code(&result)));
    CreatePartitionsResponse::default().with_results(results.collect())
}

fn grow_one(
    pending: &mut Pending<'_>,
    topic: CreatePartitionsTopic,
    dry: bool,
) -> (CreatePartitionsTopicResult, Result<(), ResponseError>) {
    let valid = match pending.state().topic(&topic.name) {
        None => Err(ResponseError::UnknownTopicOrPartition),
        Some((id, known)) => {
            let more = topic.count.saturating_sub(known.partitions.len() as i32);
            let valid = more > 0 && topic.count <= MAX_PARTITIONS;
            let valid = if valid { Ok(id) } else { Err(ResponseError::InvalidPartitions) };
            valid.and_then(|id| check_room(pending.state(), more).map(|()| id))
        }
    };
    if let (Ok(id), false) = (valid, dry) {
        pending.record(Record::TopicGrown { id, partitions: topic.count as u32 });
    }
    (CreatePartitionsTopicResult::default().with_name(topic.name), valid.map(|_| ()))
}

pub(super) async fn delete(node: &Node, request: DeleteTopicsRequest) -> DeleteTopicsResponse {
    let results = durably(node, |pending| {
        let one = |name: kafka_protocol::messages::TopicName| {
            let id = pending.state().topic(&name).map(|(id, _)| id);
            if let Some(id) = id {
                pending.record(Record::TopicDeleted { id });
            }
            let known = id.map(|_| ()).ok_or(ResponseError::UnknownTopicOrPartition);
            (DeletableTopicResult::default().with_name(Some(name)), known)
        };
        request.topic_names.into_iter().map(one).collect()
    })
    .await;
    let results = results.into_iter().map(|(answer, result)| answer.with_error_code(code(&result)));
    DeleteTopicsResponse::default().with_responses(results.collect())
}

pub(super) fn describe(node: &Node, request: DescribeConfigsRequest) -> DescribeConfigsResponse {
    let results = node
        .log
        .read(|state| request.resources.iter().map(|resource| describe_one(state, resource)).collect());
    DescribeConfigsResponse::default().with_results(results)
}

fn describe_one(state: &State, resource: &DescribeConfigsResource) -> DescribeConfigsResult {
    let answer = DescribeConfigsResult::default()
        .with_resource_type(resource.resource_type)
        .with_resource_name(resource.resource_name.clone());
    let configs = match resource.resource_type {
        TOPIC => match state.topic(&resource.resource_name) {
            None => return answer.with_error_code(ResponseError::UnknownTopicOrPartition.code()),
            Some((_, topic)) => settings::describe(&topic.configs)
                .into_iter()
                .map(|(key, value, given)| (key, value, if given { SET_FOR_TOPIC } else { DEFAULT }))
                .collect::<Vec<_>>(),
        },
        BROKER => settings::BROKER.iter().map(|(key, value)| (*key, *value, DEFAULT)).collect(),
        _ => return answer.with_error_code(ResponseError::InvalidRequest.code()),
    };
    let wanted = |key: &str| match &resource.configuration_keys {
        Some(keys) if !keys.is_empty() => keys.iter().any(|wanted| wanted.as_str() == key),
        _ => true,
    };
    let configs = configs.into_iter().filter(|(key, ..)| wanted(key)).map(|(key, value, source)| {
        DescribeConfigsResourceResult::default()
            .with_name(text(key))
            .with_value(Some(text(value)))
            .with_config_source(source)
    });
    answer.with_configs(configs.collect())
}
