use std::time::Duration;

use bytes::{Buf, BufMut};

use super::*;
use crate::{Broker, BrokerConfig, BrokerError};

async fn broker(dir: &std::path::Path) -> Broker {
    Broker::start(BrokerConfig { dir: dir.to_path_buf(), port: 0, default_partitions: 1 }).await.unwrap()
}

/// A request of client `c`.
pub(super) fn frame(api: ApiKey, version: i16, body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    frame.put_i32((body.len() + 11) as i32);
    frame.put_i16(api as i16);
    frame.put_i16(version);
    frame.put_i32(77);
    frame.put_i16(1);
    frame.put_slice(b"c");
    frame.put_slice(body);
    frame
}

/// Sends bytes and reads one response; `None` when the connection is closed instead.
async fn exchange(broker: &Broker, bytes: &[u8]) -> Option<Bytes> {
    let mut stream = TcpStream::connect(broker.bootstrap()).await.unwrap();
    // The other side may close before it has read everything.
    let _ = stream.write_all(bytes).await;
    let answer = async {
        let length = stream.read_i32().await.ok()?;
        let mut frame = vec![0; length as usize];
        stream.read_exact(&mut frame).await.ok()?;
        Some(Bytes::from(frame))
    };
    tokio::time::timeout(Duration::from_secs(5), answer).await.expect("neither answered nor closed")
}

#[tokio::test]
async fn a_newer_client_learns_the_served_versions() {
    let dir = tempfile::tempdir().unwrap();
    let broker = broker(dir.path()).await;
    for (version, error) in [(0, 0), (3, 0), (4, 35)] {
        let body: &[u8] = if version >= 3 { &[0, 2, b'x', 2, b'1', 0] } else { &[] };
        let mut answer = exchange(&broker, &frame(ApiKey::ApiVersions, version, body)).await.unwrap();
        assert_eq!(answer.get_i32(), 77);
        assert_eq!(answer.get_i16(), error, "version {version}");
    }
}

#[tokio::test]
async fn malformed_frames_close_their_connection_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let broker = broker(dir.path()).await;
    let good = frame(ApiKey::Metadata, 1, &(-1i32).to_be_bytes());
    let mut bad = vec![
        i32::MAX.to_be_bytes().to_vec(),
        (-1i32).to_be_bytes().to_vec(),
        3i32.to_be_bytes().to_vec(),
        frame(ApiKey::Metadata, 99, &[]),
        frame(ApiKey::EndTxn, 0, &[]),
        frame(ApiKey::Metadata, 1, &i32::MAX.to_be_bytes()),
        frame(ApiKey::Produce, 7, &[0xff; 40]),
    ];
    // Every other value of every byte behind the length, a few at a time.
    for at in 4..good.len() {
        for flip in [1u8, 0x80, 0xff] {
            let mut changed = good.clone();
            changed[at] ^= flip;
            bad.push(changed);
        }
    }
    for bytes in &bad[..7] {
        assert!(exchange(&broker, bytes).await.is_none(), "{bytes:?} was answered");
    }
    for bytes in &bad[7..] {
        exchange(&broker, bytes).await;
    }
    let mut answer = exchange(&broker, &good).await.expect("the broker no longer answers");
    // Correlation id, one broker, its number, its host's length and name, its port.
    answer.advance(4 + 4 + 4);
    let host = usize::from(answer.get_u16());
    answer.advance(host);
    assert_eq!(answer.get_i32(), i32::from(broker.port()));
}

#[tokio::test]
async fn a_busy_port_and_a_busy_directory_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let running = broker(dir.path()).await;
    let config =
        |dir: &std::path::Path, port| BrokerConfig { dir: dir.to_path_buf(), port, default_partitions: 1 };
    let port = Broker::start(config(other.path(), running.port())).await;
    assert!(matches!(port, Err(BrokerError::PortBusy { .. })));
    let directory = Broker::start(config(dir.path(), 0)).await;
    assert!(matches!(directory, Err(BrokerError::DirectoryBusy { .. })));
    let id = running.cluster_id().to_owned();
    running.shutdown().await;
    assert_eq!(Broker::start(config(dir.path(), 0)).await.unwrap().cluster_id(), id);
}

#[tokio::test]
async fn only_requests_to_produce_may_be_large() {
    let dir = tempfile::tempdir().unwrap();
    let broker = broker(dir.path()).await;
    let too_large = |api: ApiKey, length: u32| {
        let mut frame = length.to_be_bytes().to_vec();
        frame.put_i16(api as i16);
        frame
    };
    for (api, length) in [(ApiKey::Metadata, MAX_OTHER_FRAME + 1), (ApiKey::Produce, MAX_FRAME + 1)] {
        assert!(exchange(&broker, &too_large(api, length)).await.is_none(), "{api:?} of {length}");
    }
}
