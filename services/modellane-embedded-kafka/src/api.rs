//! The requests, one file a family. Each takes a decoded request and gives a response; what a request
//! may not do is an error code in that response.

mod fetch;
mod group;
mod metadata;
mod offset;
mod produce;
mod topic;

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{ApiKey, ApiVersionsRequest};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};

use crate::groups::Coordinator;
use crate::guard;
use crate::log::Log;

pub(crate) use produce::Appended;

/// What all requests work on.
pub(crate) struct Node {
    pub(crate) log: Log,
    pub(crate) groups: Coordinator,
    pub(crate) port: u16,
    pub(crate) default_partitions: i32,
    pub(crate) cluster: String,
}

/// A request whose header was read.
pub(crate) struct Request {
    pub(crate) api: ApiKey,
    pub(crate) version: i16,
    pub(crate) client: String,
    /// The number of the connection that it came on.
    pub(crate) connection: u64,
    pub(crate) body: Bytes,
}

/// The bytes are not a request that is served: the connection is closed.
#[derive(Debug, thiserror::Error)]
#[error("malformed or unsupported request")]
pub(crate) struct Malformed;

/// The body of a response.
pub(crate) type Body = BytesMut;

/// The only node of the cluster.
const NODE_ID: i32 = 1;

const HOST: &str = "127.0.0.1";

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// The error code of a result.
fn code<T>(result: &Result<T, ResponseError>) -> i16 {
    result.as_ref().err().map_or(0, ResponseError::code)
}

fn decode<Q: Decodable>(request: &mut Request) -> Result<Q, Malformed> {
    Q::decode(&mut request.body, request.version).map_err(|_| Malformed)
}

fn encode(response: &impl Encodable, version: i16) -> Result<Body, Malformed> {
    let mut body = BytesMut::new();
    response.encode(&mut body, version).map_err(|_| Malformed)?;
    Ok(body)
}

/// Queues the batches of a produce request, in the order in which requests arrived. The answer is
/// awaited apart, so that one connection can have several requests on their way to the disk.
pub(crate) async fn append(node: &Node, mut request: Request) -> Result<Appended, Malformed> {
    check_shape(&request)?;
    let room = node.log.room(request.body.len()).await;
    Ok(produce::append(node, decode(&mut request)?, request.version, room))
}

/// Answers any other request.
pub(crate) async fn answer(node: Arc<Node>, mut request: Request) -> Result<Body, Malformed> {
    let shared = Arc::clone(&node);
    let node = node.as_ref();
    let version = request.version;
    if request.api as i16 == ApiKey::ApiVersions as i16 {
        return api_versions(&mut request);
    }
    check_shape(&request)?;
    let request = &mut request;
    match request.api {
        ApiKey::Metadata => encode(&metadata::metadata(node, decode(request)?, version), version),
        ApiKey::FindCoordinator => encode(&metadata::find_coordinator(node, &decode(request)?), version),
        ApiKey::CreateTopics => encode(&topic::create(node, decode(request)?).await, version),
        ApiKey::CreatePartitions => encode(&topic::grow(node, decode(request)?).await, version),
        ApiKey::DeleteTopics => encode(&topic::delete(node, decode(request)?).await, version),
        ApiKey::DescribeConfigs => encode(&topic::describe(node, decode(request)?), version),
        ApiKey::InitProducerId => encode(&produce::init_producer(node, &decode(request)?).await, version),
        ApiKey::Fetch => encode(&fetch::fetch(shared, decode(request)?).await, version),
        ApiKey::ListOffsets => encode(&fetch::list_offsets(shared, decode(request)?).await, version),
        ApiKey::OffsetCommit => {
            encode(&offset::commit(node, decode(request)?, request.connection).await, version)
        }
        ApiKey::OffsetFetch => encode(&offset::fetch(node, decode(request)?, version), version),
        ApiKey::JoinGroup => {
            let join = decode(request)?;
            encode(&group::join(node, join, version, request).await, version)
        }
        ApiKey::SyncGroup => encode(&group::sync(node, decode(request)?, request.connection).await, version),
        ApiKey::Heartbeat => encode(&group::heartbeat(node, &decode(request)?, request.connection), version),
        ApiKey::LeaveGroup => encode(&group::leave(node, &decode(request)?), version),
        ApiKey::ListGroups => encode(&group::list(node), version),
        ApiKey::DescribeGroups => encode(&group::describe(node, decode(request)?), version),
        _ => Err(Malformed),
    }
}

fn check_shape(request: &Request) -> Result<(), Malformed> {
    guard::well_formed(request.api, request.version, &request.body).then_some(()).ok_or(Malformed)
}

/// The one request that is answered in any version: a client that is newer learns what is served.
fn api_versions(request: &mut Request) -> Result<Body, Malformed> {
    let (low, high) = guard::API_VERSIONS;
    let supported = (low..=high).contains(&request.version);
    if supported {
        let _: ApiVersionsRequest = decode(request)?;
    }
    let error = if supported { 0 } else { ResponseError::UnsupportedVersion.code() };
    encode(&metadata::api_versions(error), if supported { request.version } else { 0 })
}
