//! Connections: frames in, frames out, in the order of the requests.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::ApiKey;
use kafka_protocol::protocol::decode_request_header_from_buffer;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::api::{self, Body, Malformed, Node, Request};

/// The largest frame that is read.
const MAX_FRAME: i32 = 100 << 20;

/// The smallest header: key, version, correlation id and the length of the client's name.
const MIN_FRAME: i32 = 10;

/// Requests of one connection that may be on their way at once.
const IN_FLIGHT: usize = 16;

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
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, Arc::clone(&node)));
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

async fn serve(stream: TcpStream, node: Arc<Node>) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let (read, write) = stream.into_split();
    let (replies, to_send) = mpsc::channel(IN_FLIGHT);
    let (received, sent) = tokio::join!(receive(read, node, replies), send(write, to_send));
    for end in [received, sent] {
        if let Err(Closed::Malformed(reason)) = end {
            tracing::warn!(%reason, "closed a connection");
        }
    }
}

/// Reads requests. Produce requests are queued for the disk at once; all others begin when the response
/// before theirs is sent, as a client expects.
async fn receive(
    read: OwnedReadHalf,
    node: Arc<Node>,
    replies: mpsc::Sender<(i32, Reply)>,
) -> Result<(), Closed> {
    let mut read = BufReader::with_capacity(64 << 10, read);
    loop {
        let Ok(length) = read.read_i32().await else { return Ok(()) };
        if !(MIN_FRAME..=MAX_FRAME).contains(&length) {
            return Err(Malformed.into());
        }
        let frame = read_frame(&mut read, length as usize).await?;
        let (correlation, request) = parse(frame)?;
        let node = Arc::clone(&node);
        let reply: Reply = if request.api as i16 == ApiKey::Produce as i16 {
            let appended = api::append(&node, request).await?;
            Box::pin(async move { appended.acknowledged(&node).await })
        } else {
            Box::pin(async move { api::answer(node, request).await.map(Some) })
        };
        if replies.send((correlation, reply)).await.is_err() {
            return Ok(());
        }
    }
}

/// Reads a frame as it comes, so that a claimed length alone takes no memory.
async fn read_frame(read: &mut BufReader<OwnedReadHalf>, length: usize) -> Result<Bytes, std::io::Error> {
    let mut frame = BytesMut::with_capacity(length.min(1 << 20));
    let mut limited = read.take(length as u64);
    while frame.len() < length {
        if limited.read_buf(&mut frame).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(frame.freeze())
}

fn parse(mut frame: Bytes) -> Result<(i32, Request), Malformed> {
    let header = decode_request_header_from_buffer(&mut frame).map_err(|_| Malformed)?;
    let api = ApiKey::try_from(header.request_api_key).map_err(|()| Malformed)?;
    let client = header.client_id.map(|id| id.to_string()).unwrap_or_default();
    let request = Request { api, version: header.request_api_version, client, body: frame };
    Ok((header.correlation_id, request))
}

async fn send(mut write: OwnedWriteHalf, mut replies: mpsc::Receiver<(i32, Reply)>) -> Result<(), Closed> {
    while let Some((correlation, reply)) = replies.recv().await {
        let Some(body) = reply.await? else { continue };
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
mod tests;
