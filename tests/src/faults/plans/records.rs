//! Records that cannot be read, and records that come in any order.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use modellane_kafka::Topic;
use rand::RngExt;
use rdkafka::config::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::Value;

use crate::faults::arena::{Arena, Setup};
use crate::faults::fleet::Role;
use crate::faults::http_proxy::{Fault, On, Rule, When};
use crate::faults::judge::POISONED;
use crate::faults::oracle::Draw;
use crate::faults::organisation::Organisation;

/// No sound message is as long.
const LARGEST: usize = 50_000;

/// Plan 10: Each unreadable message becomes one reject and holds nothing up; each unreadable record is refused by
/// its place in the request.
pub(super) fn poison(arena: &mut Arena<'_>) -> Result<()> {
    let rounds = arena.rounds(2);
    arena.in_rounds(rounds, |arena, round| {
        poison_topics(arena, round)?;
        poison_requests(arena, round)
    })?;
    let rejects = arena.rejects;
    arena.note(format!("{rejects} unreadable messages and records"));
    Ok(())
}

fn poison_topics(arena: &mut Arena<'_>, round: usize) -> Result<()> {
    let (bootstrap, log) = (arena.servers.cluster.address(), arena.log()?);
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", &bootstrap).set("acks", "all").create()?;
    let mut noise: Vec<u8> = (0..60).map(|_| arena.random.random()).collect();
    // No header of a schema: a message that names one which is not known is waited for, not rejected.
    noise[0] = 0xfe;
    let planted = [b"\xff\xfe not avro ", arena.oracle.poison.as_bytes()].concat();
    let poisons = [noise, Vec::new(), planted, vec![0; 100_000]];
    for topic in POISONED {
        let name = topic.name(arena.prefix());
        // The longest message is a sound one, and half of it is none.
        let mut sound = Vec::new();
        log.read(topic, |_, payload| {
            if payload.len() > sound.len() && payload.len() < LARGEST {
                sound = payload.to_vec();
            }
        })?;
        ensure!(topic == Topic::Intents || !sound.is_empty(), "no message of {name} to damage");
        let cut = (sound.len() > 20).then(|| sound[..sound.len() / 2].to_vec());
        let poisons: Vec<_> = poisons.iter().cloned().chain(cut).collect();
        for (number, poison) in poisons.iter().enumerate() {
            let key = format!("poison-{round}-{number}");
            let record = BaseRecord::to(&name).key(&key).payload(poison);
            producer.send(record).map_err(|(error, _)| error).context("send poison")?;
        }
        let key = format!("tombstone-{round}");
        producer.send(BaseRecord::<str, [u8]>::to(&name).key(&key)).map_err(|(error, _)| error)?;
        arena.rejects += poisons.len() + 1;
    }
    producer.flush(Duration::from_secs(30)).context("send poison")
}

fn poison_requests(arena: &mut Arena<'_>, round: usize) -> Result<()> {
    let row = |id: &str, spend: &str, time: &str| {
        format!(
            "{{\"request_id\":\"bad-{round}-{id}\",\"spend\":{spend},\"prompt_tokens\":1,\"completion_tokens\":1,\"startTime\":\"{time}\"}}"
        )
    };
    let (time, later) = ("2026-11-03T10:00:00Z", "not a time");
    let bodies: [Vec<u8>; 4] = [
        format!("{{\"data\":[{},{}]}}", row("1", "99999999999999999999", time), row("2", "1.5", later))
            .into_bytes(),
        row("3", "-1", time).into_bytes(),
        row("4", "\"1e400\"", time).into_bytes(),
        format!("{{\"data\":[{}]}}", row("\u{1}", "1", time)).into_bytes(),
    ];
    let collector = arena.first(Role::Collector)?;
    let http = arena.fleet.service(collector).http.clone();
    let url = format!("http://{http}/v1/sources/litellm.spend_logs/records");
    let send = |body: &[u8]| -> Result<(u16, String)> {
        let answer = ureq::post(&url).config().http_status_as_error(false).build();
        let mut answer = answer.header("content-type", "application/json").send(body)?;
        Ok((answer.status().as_u16(), answer.body_mut().read_to_string()?))
    };
    for body in &bodies {
        let (status, said) = send(body)?;
        let summary: Value = serde_json::from_str(&said).context("a summary")?;
        ensure!(summary["accepted"].as_u64() == Some(0), "I3: poison was accepted: {said}");
        ensure!(status == 400, "poison alone was answered with {status}: {said}");
        arena.rejects += usize::try_from(summary["rejected_total"].as_u64().unwrap_or(0))?;
    }
    let said = announce(&http, 40 << 20)?;
    ensure!(said.contains(" 413 "), "a body over the limit was answered with {said}");
    Ok(())
}

/// What a collector says to whoever has a body of so many bytes, before it has any of them.
fn announce(http: &str, length: usize) -> Result<String> {
    let mut stream = TcpStream::connect(http)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    write!(
        stream,
        "POST /v1/sources/litellm.spend_logs/records HTTP/1.1\r\nHost: {http}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    )?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    Ok(line)
}

/// Plan 12: The order of everything is lost on the way, while people change teams and guidance changes within the days
/// that the events are of. The judge's DuckDB computes content, team and verdict from records and dates alone.
pub(super) fn late_and_shuffled(arena: &mut Arena<'_>) -> Result<()> {
    arena.fleet.add(Role::Collector)?;
    arena.fleet.add(Role::Processor)?;
    arena.wait_until_ready()?;
    let (collectors, organisation) = (arena.fleet.collectors(), Organisation::new());
    organisation.publish(&collectors[0])?;
    arena.organisation = Some(organisation);
    arena.feed().send_to(collectors);
    arena.send_all()
}

/// With billing reports beside everything else.
pub(super) fn with_reports(setup: Setup) -> Setup {
    Setup { draw: Draw { has_reports: true, ..setup.draw }, ..setup }
}

/// Plan 24: Whoever compares complete fetches dies at any moment, and what became of a commit stays unknown now and
/// then; the judge knows which rows must be gone in the end.
pub(super) fn vanished_rows(arena: &mut Arena<'_>) -> Result<()> {
    let unknown = |table| Rule::new(On::Commit(table), When::Chance(0.2), Fault::LoseReply);
    arena.store.set(["fetches", "usage_ledger", "observations"].map(unknown));
    let rounds = arena.rounds(6);
    arena.in_rounds(rounds, |arena, round| {
        let role = [Role::Sink, Role::Processor, Role::Collector][round % 3];
        let service = arena.first(role)?;
        arena.fleet.crash(service)
    })?;
    let gone = arena.oracle.versions.iter().filter(|version| !version.stands).count();
    arena.note(format!("{gone} times a report lacked a row"));
    Ok(())
}
