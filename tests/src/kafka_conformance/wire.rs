//! The protocol byte by byte, for what no client library can be told to do.

use std::io::{Read, Write};
use std::net::TcpStream;

use anyhow::{Context, Result, ensure};

use super::{PATIENCE, admin};

const PRODUCE: (i16, i16) = (0, 3);
const INIT_PRODUCER_ID: (i16, i16) = (22, 0);

/// A connection to the leader of a topic's first partition.
pub(super) fn connect(bootstrap: &str, topic: &str) -> Result<TcpStream> {
    let leader = leader(bootstrap, topic)?;
    let stream = TcpStream::connect(&leader).with_context(|| format!("connect to {leader}"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn leader(bootstrap: &str, topic: &str) -> Result<String> {
    let metadata = admin(bootstrap)?.inner().fetch_metadata(Some(topic), PATIENCE)?;
    let leader = metadata.topics()[0].partitions()[0].leader();
    let broker = metadata.brokers().iter().find(|broker| broker.id() == leader).context("no leader")?;
    Ok(format!("{}:{}", broker.host(), broker.port()))
}

pub(super) fn text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as i16).to_be_bytes());
    out.extend(text.as_bytes());
}

pub(super) fn exchange(stream: &mut TcpStream, (key, version): (i16, i16), body: &[u8]) -> Result<Vec<u8>> {
    let mut frame = Vec::new();
    frame.extend(key.to_be_bytes());
    frame.extend(version.to_be_bytes());
    frame.extend(1i32.to_be_bytes());
    text(&mut frame, "conformance");
    frame.extend(body);
    stream.write_all(&(frame.len() as i32).to_be_bytes())?;
    stream.write_all(&frame)?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut answer = vec![0; usize::try_from(i32::from_be_bytes(length))?];
    stream.read_exact(&mut answer)?;
    // Behind the correlation id.
    Ok(answer.split_off(4))
}

pub(super) fn number<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N]> {
    Ok(bytes.get(at..at + N).context("a short answer")?.try_into()?)
}

/// (id, epoch)
pub(super) fn new_producer(stream: &mut TcpStream) -> Result<(i64, i16)> {
    let mut body = (-1i16).to_be_bytes().to_vec();
    body.extend(60_000i32.to_be_bytes());
    let answer = exchange(stream, INIT_PRODUCER_ID, &body)?;
    let error = i16::from_be_bytes(number(&answer, 4)?);
    ensure!(error == 0, "no producer id: error {error}");
    Ok((i64::from_be_bytes(number(&answer, 6)?), i16::from_be_bytes(number(&answer, 14)?)))
}

/// Sends a batch to the topic's only partition. Answers with the error code and the first offset.
pub(super) fn produce(stream: &mut TcpStream, topic: &str, batch: &[u8]) -> Result<(i16, i64)> {
    let mut body = (-1i16).to_be_bytes().to_vec();
    body.extend((-1i16).to_be_bytes());
    body.extend(10_000i32.to_be_bytes());
    body.extend(1i32.to_be_bytes());
    text(&mut body, topic);
    body.extend(1i32.to_be_bytes());
    body.extend(0i32.to_be_bytes());
    body.extend((batch.len() as i32).to_be_bytes());
    body.extend(batch);
    let answer = exchange(stream, PRODUCE, &body)?;
    // One topic, its name, one partition, its number: then error and offset.
    let at = 4 + 2 + topic.len() + 4 + 4;
    Ok((i16::from_be_bytes(number(&answer, at)?), i64::from_be_bytes(number(&answer, at + 2)?)))
}

/// A number as records have it: signs at the end, seven bits a byte.
fn varint(value: usize) -> Vec<u8> {
    let (mut left, mut bytes) = (value << 1, Vec::new());
    while left >= 0x80 {
        bytes.push(left as u8 | 0x80);
        left >>= 7;
    }
    bytes.push(left as u8);
    bytes
}

/// A batch of one record without a key.
pub(super) fn batch((producer, epoch): (i64, i16), sequence: i32, value: &[u8]) -> Vec<u8> {
    let mut fields = vec![0, 0, 0, 1];
    fields.extend(varint(value.len()));
    fields.extend(value);
    fields.push(0);
    let mut record = varint(fields.len());
    record.extend(fields);

    let mut checked = 0i16.to_be_bytes().to_vec();
    checked.extend(0i32.to_be_bytes());
    checked.extend(1_700_000_000_000i64.to_be_bytes());
    checked.extend(1_700_000_000_000i64.to_be_bytes());
    checked.extend(producer.to_be_bytes());
    checked.extend(epoch.to_be_bytes());
    checked.extend(sequence.to_be_bytes());
    checked.extend(1i32.to_be_bytes());
    checked.extend(record);

    let mut batch = 0i64.to_be_bytes().to_vec();
    batch.extend((checked.len() as i32 + 9).to_be_bytes());
    batch.extend((-1i32).to_be_bytes());
    batch.push(2);
    batch.extend(crc32c::crc32c(&checked).to_be_bytes());
    batch.extend(checked);
    batch
}
