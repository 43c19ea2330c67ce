//! A member that ends without a word, and the one that takes its place.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::wire::{self, exchange, number, text};
use super::{PATIENCE, consumer, create_topic, unique};

const JOIN_GROUP: (i16, i16) = (11, 2);
const SYNC_GROUP: (i16, i16) = (14, 1);

/// How long the member that ends has promised to be heard from.
const SESSION: Duration = Duration::from_secs(10);

fn bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend((bytes.len() as i32).to_be_bytes());
    out.extend(bytes);
}

/// A member of a group, alone in it, that knows nothing but its connection.
fn join(stream: &mut TcpStream, group: &str, topic: &str) -> Result<()> {
    let mut subscription = 0i16.to_be_bytes().to_vec();
    subscription.extend(1i32.to_be_bytes());
    text(&mut subscription, topic);
    bytes(&mut subscription, &[]);
    let mut body = Vec::new();
    text(&mut body, group);
    body.extend((SESSION.as_millis() as i32).to_be_bytes());
    body.extend(60_000i32.to_be_bytes());
    text(&mut body, "");
    text(&mut body, "consumer");
    body.extend(1i32.to_be_bytes());
    text(&mut body, "range");
    bytes(&mut body, &subscription);
    let answer = exchange(stream, JOIN_GROUP, &body)?;
    // Throttle time, error and generation; the protocol's name; the leader and the member.
    let error = i16::from_be_bytes(number(&answer, 4)?);
    ensure!(error == 0, "join: error {error}");
    let generation: [u8; 4] = number(&answer, 6)?;
    let mut at = 10;
    let mut names = Vec::new();
    for _ in 0..3 {
        let length = usize::from(u16::from_be_bytes(number(&answer, at)?));
        names.push(std::str::from_utf8(answer.get(at + 2..at + 2 + length).context("a short answer")?)?);
        at += 2 + length;
    }
    ensure!(names[1] == names[2], "the only member does not lead");

    let mut assignment = 0i16.to_be_bytes().to_vec();
    assignment.extend(1i32.to_be_bytes());
    text(&mut assignment, topic);
    assignment.extend(1i32.to_be_bytes());
    assignment.extend(0i32.to_be_bytes());
    bytes(&mut assignment, &[]);
    let mut body = Vec::new();
    text(&mut body, group);
    body.extend(generation);
    text(&mut body, names[2]);
    body.extend(1i32.to_be_bytes());
    text(&mut body, names[2]);
    bytes(&mut body, &assignment);
    let answer = exchange(stream, SYNC_GROUP, &body)?;
    let error = i16::from_be_bytes(number(&answer, 4)?);
    ensure!(error == 0, "sync: error {error}");
    Ok(())
}

fn wait_for_assignment(member: &BaseConsumer, begun: Instant) -> Result<Duration> {
    while member.assignment()?.count() == 0 {
        member.poll(Duration::from_millis(20));
        ensure!(begun.elapsed() < SESSION + PATIENCE, "the new member got nothing");
    }
    Ok(begun.elapsed())
}

/// How long a member waits for its partition after the one before it lost its connection, as it does when its
/// process is killed.
pub async fn takeover(bootstrap: &str) -> Result<Duration> {
    let (topic, group) = (unique("takeover"), unique("takeover"));
    create_topic(bootstrap, &topic, 1).await?;
    let reader = consumer(bootstrap, &group)?;
    // A single node is every group's coordinator, and every topic's leader.
    let mut stream = wire::connect(bootstrap, &topic)?;
    join(&mut stream, &group, &topic)?;
    drop(stream);
    let begun = Instant::now();
    reader.subscribe(&[&topic])?;
    wait_for_assignment(&reader, begun)
}

/// A member that ended without a word is replaced, at the latest when its session is over.
pub async fn check_ended_member(bootstrap: &str) -> Result<()> {
    let waited = takeover(bootstrap).await?;
    println!("a new member waited {waited:.1?} for the place of one that had ended");
    Ok(())
}
