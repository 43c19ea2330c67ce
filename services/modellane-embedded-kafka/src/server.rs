//! Connections: frames in, frames out, in the order of the requests.
//!
//! What a connection may hold in memory is bounded: the requests that are read and not answered yet have
//! [`MAX_FRAME`] bytes together, and one response is made at a time.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::ApiKey;
use kafka_protocol::protocol::decode_request_header_from_buffer;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::api::{self, Body, Malformed, Node, Request};

/// The largest request to produce, and all requests together that a connection may have on their way.
const MAX_FRAME: u32 = 32 << 20;

/// The largest other request.
const MAX_OTHER_FRAME: u32 = 4 << 20;

/// The smallest header: key, version, correlation id and the length of the client's name.
const MIN_FRAME: u32 = 10;

/// Requests of one connection that may be on their way at once.
const IN_FLIGHT: usize = 16;

/// Connections at once; more are closed when they open.
const MAX_CONNECTIONS: usize = 1_000;

/// Bytes before the body of a response: its length and the correlation id.
const RESPONSE_PREFIX: usize = 8;

/// A response to come, or none for a request that wants none.
type Reply = Pin<Box<dyn Future<Output = Result<Option<Body>, Malformed>> + Send>>;

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum Closed {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("connection lost")]
    Lost(#[from] std::io::Error),
}

/// Accepts connections for as long as it is polled; dropping it drops them all.
pub(crate) async fn accept(listener: TcpListener, node: Arc<Node>) {
    let mut connections = JoinSet::new();
    let mut opened = 0;
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(_) if connections.len() >= MAX_CONNECTIONS => {
                    tracing::warn!(connections = MAX_CONNECTIONS, "closed a connection too many");
                }
                Ok((stream, _)) => {
                    opened += 1;
                    connections.spawn(serve(stream, Arc::clone(&node), opened));
                }
                Err(error) => {
                    // Usually too many open files: connections that end make room again.
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// An open connection, known to the groups until it is dropped.
struct Connection {
    node: Arc<Node>,
    number: u64,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.node.groups.closed(self.number);
    }
}

async fn serve(stream: TcpStream, node: Arc<Node>, number: u64) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    node.groups.opened(number);
    let connection = Connection { node, number };
    let (read, write) = stream.into_split();
    let (replies, to_send) = mpsc::channel(IN_FLIGHT);
    // When the client has closed its end, nobody waits for what is being prepared.
    let ended = tokio::select! {
        received = receive(read, &connection, replies) => received,
        sent = send(write, to_send) => sent,
    };
    if let Err(Closed::Malformed(reason)) = ended {
        tracing::warn!(%reason, "closed a connection");
    }
}

/// A response to come, and the room that its request takes until it is made.
struct Pending {
    correlation: i32,
    reply: Reply,
    room: Option<OwnedSemaphorePermit>,
}

/// Reads requests. Produce requests are queued for the disk at once; all others begin when the response
/// before theirs is sent, as a client expects.
async fn receive(
    read: OwnedReadHalf,
    connection: &Connection,
    replies: mpsc::Sender<Pending>,
) -> Result<(), Closed> {
    let mut read = BufReader::with_capacity(64 << 10, read);
    let all_room = Arc::new(Semaphore::new(MAX_FRAME as usize));
    loop {
        let Ok(length) = read.read_u32().await else { return Ok(()) };
        if !(MIN_FRAME..=MAX_FRAME).contains(&length) {
            return Err(Malformed.into());
        }
        let key = read.read_i16().await?;
        if key != ApiKey::Produce as i16 && length > MAX_OTHER_FRAME {
            return Err(Malformed.into());
        }
        // The semaphore is never closed.
        let room = Arc::clone(&all_room).acquire_many_owned(length).await.ok();
        let frame = read_frame(&mut read, key, length as usize).await?;
        let (correlation, request) = parse(frame, connection)?;
        let node = Arc::clone(&connection.node);
        let pending = if key == ApiKey::Produce as i16 {
            // What is queued has its room there, and what was read is no longer needed.
            let appended = api::append(&node, request).await?;
            let reply: Reply = Box::pin(async move { appended.acknowledged(&node).await });
            Pending { correlation, reply, room: None }
        } else {
            let reply: Reply = Box::pin(async move { api::answer(node, request).await.map(Some) });
            Pending { correlation, reply, room }
        };
        if replies.send(pending).await.is_err() {
            return Ok(());
        }
    }
}

/// Reads a frame as it comes, so that a claimed length alone takes no memory. Its first bytes are `key`.
async fn read_frame(
    read: &mut BufReader<OwnedReadHalf>,
    key: i16,
    length: usize,
) -> Result<Bytes, std::io::Error> {
    let mut frame = BytesMut::with_capacity(length.min(1 << 16));
    frame.extend_from_slice(&key.to_be_bytes());
    let mut limited = read.take((length - frame.len()) as u64);
    while frame.len() < length {
        if limited.read_buf(&mut frame).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(frame.freeze())
}

fn parse(mut frame: Bytes, connection: &Connection) -> Result<(i32, Request), Malformed> {
    let header = decode_request_header_from_buffer(&mut frame).map_err(|_| Malformed)?;
    let api = ApiKey::try_from(header.request_api_key).map_err(|()| Malformed)?;
    let client = header.client_id.map(|id| id.to_string()).unwrap_or_default();
    connection.node.groups.introduced(connection.number, &client);
    let version = header.request_api_version;
    let request = Request { api, version, client, connection: connection.number, body: frame };
    Ok((header.correlation_id, request))
}

async fn send(mut write: OwnedWriteHalf, mut replies: mpsc::Receiver<Pending>) -> Result<(), Closed> {
    while let Some(Pending { correlation, reply, room }) = replies.recv().await {
        let Some(body) = reply.await? else { continue };
        drop(room);
        let length = i32::try_from(body.len() + 4).map_err(|_| Malformed)?;
        let mut prefix = [0; RESPONSE_PREFIX];
        prefix[..4].copy_from_slice(&length.to_be_bytes());
        prefix[4..].copy_from_slice(&correlation.to_be_bytes());
        let mut frame = bytes::Buf::chain(&prefix[..], body);
        write.write_all_buf(&mut frame).await?;
    }
    Ok(())
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
