//! A broker that is away, far, or there twice.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rdkafka::config::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::faults::arena::Arena;
use crate::faults::feed::WHOLE;
use crate::faults::fleet::Role;
use crate::faults::judge::{Log, Positions};
use crate::faults::kafka_proxy::Weather;
use crate::servers::apache_kafka::{Cluster, ClusterOptions};
use modellane_kafka::Topic;

/// Plan 7: The broker dies, and the way to it is bad in every manner.
pub(super) fn bad_network(arena: &mut Arena<'_>) -> Result<()> {
    let latency = |millis| Weather { latency: Duration::from_millis(millis), ..Weather::default() };
    let weathers = [
        latency(700),
        Weather { bytes_per_second: Some(64 << 10), ..Weather::default() },
        Weather { slice: Some(7), ..Weather::default() },
        Weather { silent: true, ..Weather::default() },
    ];
    let harms = weathers.len() + 2;
    let rounds = harms * arena.rounds(1);
    arena.in_rounds(rounds, |arena, round| {
        match weathers.get(round % harms) {
            Some(weather) => {
                arena.servers.kafka.set(*weather);
                arena.pass(Duration::from_millis(2_500))?;
                arena.servers.kafka.clear();
            }
            None if round % harms == weathers.len() => {
                for _ in 0..4 {
                    arena.servers.kafka.reset();
                    arena.pass(Duration::from_millis(200))?;
                }
            }
            None => {
                arena.servers.cluster.kill(1)?;
                arena.pass(Duration::from_secs(2))?;
                arena.servers.cluster.restart(1)?;
            }
        }
        Ok(())
    })?;
    arena.note(format!("{rounds} harms, the broker killed {} times", rounds / harms));
    Ok(())
}

/// Plan 23: One broker of three after another is away while records are sent, acknowledged, judged and committed.
pub(super) fn broker_loss(arena: &mut Arena<'_>) -> Result<()> {
    let nodes = arena.servers.cluster.ids();
    ensure!(nodes.len() > 2, "a cluster of {} brokers cannot lose one", nodes.len());
    let rounds = arena.rounds(nodes.len());
    let mut without = 0;
    for round in 0..rounds {
        arena.send_until(WHOLE * (2 * round + 1) / (2 * rounds))?;
        let node = nodes[round % nodes.len()];
        arena.servers.cluster.kill(node)?;
        let (before, _) = arena.feed().progress();
        arena.send_until(WHOLE * (2 * round + 2) / (2 * rounds))?;
        arena.drain().with_context(|| format!("without broker {node}"))?;
        without += arena.feed().progress().0 - before;
        arena.servers.cluster.restart(node)?;
    }
    ensure!(without > 0, "nothing was sent while a broker was away");
    arena.note(format!("{rounds} brokers lost, {without} requests came all the way without them"));
    Ok(())
}

/// Plan 8: Nothing new, all of it once more: by another group of processors, into another lake, from another
/// cluster into this one.
pub(super) fn read_again(arena: &mut Arena<'_>) -> Result<()> {
    arena.send_all()?;
    arena.drain()?;
    judge_again(arena)?;
    rebuild(arena)?;
    second_cluster(arena)
}

/// A group that has committed nothing reads the usage topic from its start, so every event is judged twice.
fn judge_again(arena: &mut Arena<'_>) -> Result<()> {
    let group = format!("{}-again", arena.prefix());
    let bootstrap = arena.servers.cluster.address();
    let processor = arena
        .fleet
        .add_with(Role::Processor, &[("MODELLANE__PROCESSOR__GROUP".to_owned(), group.clone())])?;
    let log = Log::open(&bootstrap, arena.prefix(), &group)?;
    arena.wait("the second judging", |_| Ok(log.is_judged().unwrap_or(false)))?;
    arena.fleet.stop(processor)?;
    arena.drain()
}

/// A sink with an empty lake reads everything from its start.
fn rebuild(arena: &mut Arena<'_>) -> Result<()> {
    let rebuilt = format!("{}-rebuilt", arena.prefix());
    let url = arena.servers.store.url(&rebuilt);
    let sink = arena.fleet.add_with(Role::Sink, &[("MODELLANE__LAKE__URL".to_owned(), url.clone())])?;
    let streams = arena.log()?.streams()?;
    let (mut positions, lake_dir) = (Positions::default(), arena.servers.lake_dir(&rebuilt));
    arena.wait("the rebuilt lake", |_| positions.reach(&lake_dir, &streams))?;
    arena.fleet.stop(sink)?;
    arena.same_as.push(url);
    Ok(())
}

/// Another cluster has the same messages, and a sink reads them into the same lake.
fn second_cluster(arena: &mut Arena<'_>) -> Result<()> {
    let cluster = Cluster::start(&arena.dir().join("kafka"), &ClusterOptions::nodes(1))?;
    let own = arena.first(Role::Sink)?;
    arena.fleet.stop(own)?;
    let there = cluster.address(1);
    let prefix = arena.prefix().to_owned();
    let sink =
        arena.fleet.add_with(Role::Sink, &[("MODELLANE__KAFKA__BOOTSTRAP".to_owned(), there.clone())])?;
    let copy = Log::open(&there, &prefix, &prefix)?;
    arena.wait("the topics of the second cluster", |_| Ok(copy.streams().is_ok()))?;
    let source = arena.log()?;
    let copied = mirror(&source, &there, &prefix)?;
    let (mut positions, lake_dir) = (Positions::default(), arena.lake_dir());
    arena.wait("the second cluster's records", |_| positions.reach(&lake_dir, &copy.streams()?))?;
    arena.fleet.stop(sink)?;
    arena.fleet.start(own)?;
    arena.note(format!("{copied} messages came again from a second cluster"));
    cluster.stop()
}

/// Copies every message that a sink reads.
fn mirror(source: &Log, there: &str, prefix: &str) -> Result<usize> {
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", there).set("acks", "all").create()?;
    let mut copied = 0;
    for topic in [Topic::Judged, Topic::Intents, Topic::Rejects] {
        let name = topic.name(prefix);
        let mut refused = None;
        source.read(topic, |key, payload| {
            copied += 1;
            let sent = producer.send(BaseRecord::to(&name).key(key).payload(payload));
            refused = refused.take().or(sent.err().map(|(error, _)| error));
            producer.poll(Duration::ZERO);
        })?;
        ensure!(refused.is_none(), "a message cannot be copied: {refused:?}");
    }
    producer.flush(Duration::from_secs(30)).context("the copies")?;
    Ok(copied)
}
