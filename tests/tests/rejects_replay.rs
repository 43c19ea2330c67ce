//! Dead letters: an earlier version rejected messages that this one can read. Their rejects hold no bytes, so
//! they are read again from where they lie, and go the way of every message.

use anyhow::{Context, Result, ensure};
use modellane_embedded_kafka::{Broker, BrokerConfig};
use modellane_event::*;
use modellane_kafka::{
    AssignedConsumer, GroupConsumer, GroupMember, KafkaConfig, Publisher, Topic, ensure_topics,
};
use modellane_schema::{reject_codec, usage_codec};
use modellane_tests::instance::{Instance, binary, run_within, skip};
use std::path::Path;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(120);
const GROUP: &str = "modellane-processor";

fn usage(number: u32) -> UsageEvent {
    let key = LakeKey::new([1; 32]);
    let start = UtcTime::parse("2026-11-01T08:00:00Z").expect("a time");
    let mut facts = UsageFacts::request(Label::literal("litellm"), start, start);
    facts.tokens.output_tokens = Some(i64::from(number));
    let natural = format!("request-{number}");
    UsageEvent {
        event_id: key.event_id("litellm.spend_logs", &natural),
        source: Label::literal("litellm.spend_logs"),
        source_key: Label::new(&natural).expect("a label"),
        scope_key: None,
        observed_at: start,
        event_date: start.date(),
        content_hash: facts.content_hash(),
        facts,
    }
}

/// The reject that an earlier version made of the message at an offset.
fn reject(batch: &str, offset: i64, length: Option<usize>) -> RejectEvent {
    let id = LakeKey::new([2; 32]).hash("reject", &[batch.as_bytes(), &offset.to_le_bytes()]);
    RejectEvent {
        reject_id: RejectId(id),
        source: Label::literal(if length.is_some() { "topic" } else { "litellm.spend_logs" }),
        batch_id: Label::new(batch).expect("a label"),
        index: offset,
        reason: if length.is_some() { RejectReason::Undecodable } else { RejectReason::Malformed },
        field: None,
        length: length.map(|length| length as i64),
        recorded_at: UtcTime::parse("2026-11-02T00:00:00Z").expect("a time"),
    }
}

/// Leaves the topics as an earlier version would: every message of usage consumed, none of them judged, and
/// a reject for each. Two of four can be read; a fifth reject names a message that is not there any more, a
/// sixth a record of a file.
async fn leave_rejects(broker_dir: &Path) -> Result<()> {
    let config = BrokerConfig { dir: broker_dir.to_path_buf(), port: 0, default_partitions: 1 };
    let broker = Broker::start(config).await?;
    let kafka = KafkaConfig::single_node(broker.bootstrap());
    ensure_topics(&kafka, 1).await?;
    let topic = |topic: Topic| topic.name(&kafka.topic_prefix);
    let publisher = Publisher::new(&kafka)?;
    let mut messages = vec![b"neither".to_vec(), b"nor".to_vec()];
    for number in [10, 200] {
        let mut payload = Vec::new();
        usage_codec().encode(&usage(number), &mut payload)?;
        messages.push(payload);
    }
    let batch = format!("{}/0", topic(Topic::Usage));
    let mut rejects = vec![reject(&batch, 4, Some(300)), reject("00112233445566778899aabbccddeeff", 0, None)];
    for (offset, payload) in messages.iter().enumerate() {
        publisher.publish(&topic(Topic::Usage), &offset.to_le_bytes(), payload).await?;
        rejects.push(reject(&batch, offset as i64, Some(payload.len())));
    }
    for reject in rejects {
        let mut payload = Vec::new();
        reject_codec().encode(&reject, &mut payload)?;
        publisher.publish(&topic(Topic::Rejects), reject.reject_id.as_bytes(), &payload).await?;
    }
    let usage = topic(Topic::Usage);
    let mut group = GroupConsumer::new(&kafka, GroupMember::of(GROUP), &[&usage])?;
    while group.assignment()?.is_empty() {
        group.poll_batch(10, Duration::from_millis(100)).await?;
    }
    group.commit(&[(usage.as_str(), 0, 4)]).await?;
    group.close().await;
    let reader = AssignedConsumer::new(&kafka)?;
    ensure!(reader.watermarks(&usage, 0).await? == (0, 4));
    reader.close().await;
    broker.shutdown().await;
    Ok(())
}

/// The first cell of a statement.
fn ask(instance: &Instance, sql: &str) -> Result<String> {
    let url = format!("http://{}/v1/sql", instance.addresses.http);
    let text = ureq::post(url).header("accept", "text/csv").send(sql)?.body_mut().read_to_string()?;
    Ok(text.lines().nth(1).unwrap_or_default().to_owned())
}

fn until(instance: &Instance, sql: &str, expected: &str) -> Result<()> {
    let begun = Instant::now();
    loop {
        let found = ask(instance, sql)?;
        if found == expected {
            return Ok(());
        }
        ensure!(begun.elapsed() < LIMIT, "{sql}: {found}, not {expected}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn said(told: &str, lines: &[&str]) -> Result<()> {
    for line in lines {
        ensure!(told.lines().any(|told| told == *line), "should say {line:?}:\n{told}");
    }
    Ok(())
}

#[test]
fn messages_that_an_earlier_version_rejected_come_through() -> Result<()> {
    let Some(binary) = binary() else {
        skip("replay of rejects", "build the binary with `cargo build -p modellane`");
        return Ok(());
    };
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("data");
    tokio::runtime::Runtime::new()?.block_on(leave_rejects(&data.join("broker")))?;
    let instance = Instance::start(&binary, &data, 300, &dir.path().join("log"))?;
    until(&instance, "SELECT COUNT(*) FROM rejects", "6")?;
    ensure!(ask(&instance, "SELECT COUNT(*) FROM usage")? == "0");
    let replay = |more: &[&str]| -> Result<String> {
        let mut command = modellane_tests::instance::command(&binary);
        command.args(["rejects", "replay", "--data-dir", data.to_str().context("text")?]).args(more);
        let ended = run_within(&mut command, LIMIT)?;
        ensure!(ended.code == Some(0), "{}{}", ended.stdout, ended.stderr);
        Ok(ended.stdout)
    };
    for nothing in [&["--since", "2026-11-03T00:00:00Z"][..], &["--source", "cursor.usage_events"]] {
        said(&replay(nothing)?, &["sent again: 0", "out of retention: 0"])?;
    }
    // Twice: nothing is counted twice by that.
    for _ in 0..2 {
        said(
            &replay(&[])?,
            &[
                "sent again: 2",
                "out of retention: 1",
                "not readable by this version either: 2",
                "rejected before they reached a topic; send or import the corrected records: 1",
            ],
        )?;
        until(&instance, "SELECT SUM(usage_sign * output_tokens) FROM usage_ledger", "210")?;
    }
    ensure!(replay(&["--reason", "malformed"])?.contains("sent again: 0"));
    until(&instance, "SELECT COUNT(*) FROM usage_ledger", "2")?;
    instance.stop()
}
