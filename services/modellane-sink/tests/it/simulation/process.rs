//! Sinks as processes: polled by hand, so that they can be frozen and killed between any two operations.

use super::log::TopicReader;
use super::plan::{INTENTS, REJECTS};
use super::store::{self, Plant};
use super::world::World;
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::task::noop_waker_ref;
use modellane_runtime::{Metrics, Shutdown};
use modellane_sink::{IndexFate, IndexHook, Sink, SinkConfig, SinkError, SinkLogs};
use std::sync::Arc;
use std::task::{Context, Poll};

/// What brings events, and what brings complete fetches.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Topics {
    pub(crate) judged: &'static str,
    pub(crate) fetches: &'static str,
}

/// A sink and where it stands.
pub(crate) struct Process {
    pub(crate) number: u32,
    /// Which topics of events and of fetches it reads.
    pub(crate) topics: Topics,
    /// Steps for which the machine gives it no time.
    pub(crate) frozen: usize,
    pub(crate) stopping: bool,
    shutdown: Shutdown,
    future: BoxFuture<'static, Result<(), SinkError>>,
}

impl Process {
    pub(crate) fn start(
        world: &World,
        number: u32,
        topics: Topics,
        config: &SinkConfig,
        plant: Plant,
    ) -> Self {
        let shutdown = Shutdown::new();
        let (own, config, stop) = (world.clone(), config.clone(), shutdown.clone());
        let future = async move {
            let tables = store::open(&own, number, plant).await?;
            let sink = Sink::on(tables, config, Arc::new(own.clone()), Metrics::new()).await?;
            let logs = SinkLogs {
                judged: TopicReader::new(&own, topics.judged, number),
                intents: TopicReader::new(&own, INTENTS, number),
                rejects: TopicReader::new(&own, REJECTS, number),
                fetches: TopicReader::new(&own, topics.fetches, number),
            };
            sink.with_index_hook(index_hook(&own, number)).run(logs, stop).await
        };
        world.state().note("a sink starts", number, 0);
        Self { number, topics, frozen: 0, stopping: false, shutdown, future: future.boxed() }
    }

    /// Lets it do its next operation; says how it ended, if it did.
    pub(crate) fn step(&mut self) -> Option<Result<(), SinkError>> {
        if self.frozen > 0 {
            self.frozen -= 1;
            return None;
        }
        match self.future.poll_unpin(&mut Context::from_waker(noop_waker_ref())) {
            Poll::Ready(ended) => Some(ended),
            Poll::Pending => None,
        }
    }

    /// Asks it to stop in order.
    pub(crate) fn stop(&mut self) {
        self.stopping = true;
        self.frozen = 0;
        self.shutdown.trigger();
    }
}

fn index_hook(world: &World, process: u32) -> IndexHook {
    let world = world.clone();
    IndexHook::new(move || {
        let mut state = world.state();
        let weather = state.weather;
        if !state.fails(weather.index) {
            return IndexFate::Kept;
        }
        let pick = state.dice.number();
        state.note("the index is struck", process, pick as i64);
        if pick & 1 << 40 == 0 { IndexFate::Lost } else { IndexFate::Damaged { pick } }
    })
}
