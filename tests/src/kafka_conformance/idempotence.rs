//! A producer's retry, spoken byte by byte: no client library can be told to send a batch twice.

use std::io::{Read, Write};
use std::net::TcpStream;

use anyhow::{Context, Result, ensure};

use super::{PATIENCE, admin, create_topic, read_topic, unique};

const PRODUCE: (i16, i16) = (0, 3);
const INIT_PRODUCER_ID: (i16, i16) = (22, 0);

const OUT_OF_ORDER: i16 = 45;
const CORRUPT: i16 = 2;

/// A batch that is sent again is acknowledged with its first offset and stored once; a gap is refused.
pub async fn check_duplicate_batches(bootstrap: &str) -> Result<()> {
    let topic = unique("twice");
    create_topic(bootstrap, &topic, 1).await?;
    let leader = leader(bootstrap, &topic)?;
    let mut stream = TcpStream::connect(&leader).with_context(|| format!("connect to {leader}"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let producer = new_producer(&mut stream)?;
    let mut produce =
        |sequence, value: &[u8]| produce(&mut stream, &topic, &batch(producer, sequence, value));
    ensure!(produce(0, b"zero")? == (0, 0), "the first batch");
    ensure!(produce(1, b"one")? == (0, 1), "the second batch");
    ensure!(produce(1, b"one")? == (0, 1), "the second batch, sent again, is not recognised");
    ensure!(produce(0, b"zero")? == (0, 0), "the first batch, sent again, is not recognised");
    ensure!(produce(3, b"gap")?.0 == OUT_OF_ORDER, "a gap in the sequence is not refused");
    ensure!(produce(2, b"two")? == (0, 2), "the batch that was missing");
    let mut damaged = batch(producer, 3, b"three");
    if let Some(last) = damaged.last_mut() {
        *last ^= 1;
    }
    ensure!(self::produce(&mut stream, &topic, &damaged)?.0 == CORRUPT, "a damaged batch is not refused");
    let values: Vec<_> = read_topic(bootstrap, &topic, 1)?.into_iter().map(|seen| seen.value).collect();
    ensure!(values == [b"zero".to_vec(), b"one".to_vec(), b"two".to_vec()], "stored: {values:?}");
    Ok(())
}

fn leader(bootstrap: &str, topic: &str) -> Result<String> {
    let metadata = admin(bootstrap)?.inner().fetch_metadata(Some(topic), PATIENCE)?;
    let leader = metadata.topics()[0].partitions()[0].leader();
    let broker = metadata.brokers().iter().find(|broker| broker.id() == leader).context("no leader")?;
    Ok(format!("{}:{}", broker.host(), broker.port()))
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as i16).to_be_bytes());
    out.extend(text.as_bytes());
}

fn exchange(stream: &mut TcpStream, (key, version): (i16, i16), body: &[u8]) -> Result<Vec<u8>> {
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

fn number<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N]> {
    Ok(bytes.get(at..at + N).context("a short answer")?.try_into()?)
}

/// (id, epoch)
fn new_producer(stream: &mut TcpStream) -> Result<(i64, i16)> {
    let mut body = (-1i16).to_be_bytes().to_vec();
    body.extend(60_000i32.to_be_bytes());
    let answer = exchange(stream, INIT_PRODUCER_ID, &body)?;
    let error = i16::from_be_bytes(number(&answer, 4)?);
    ensure!(error == 0, "no producer id: error {error}");
    Ok((i64::from_be_bytes(number(&answer, 6)?), i16::from_be_bytes(number(&answer, 14)?)))
}

/// Sends a batch to the topic's only partition. Answers with the error code and the first offset.
fn produce(stream: &mut TcpStream, topic: &str, batch: &[u8]) -> Result<(i16, i64)> {
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

/// A batch of one record without a key.
fn batch((producer, epoch): (i64, i16), sequence: i32, value: &[u8]) -> Vec<u8> {
    let mut record = vec![0, 0, 0, 1, (value.len() as u8) << 1];
    record.extend(value);
    record.push(0);
    record.insert(0, (record.len() as u8) << 1);

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
