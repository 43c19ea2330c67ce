//! Topics in memory, read as a consumer of a cluster reads them.

use super::world::{Pause, State, World};
use modellane_runtime::Clock;
use modellane_sink::{LogReader, LogRecord, PartitionBounds, SinkError};
use std::collections::BTreeMap;
use std::time::Duration;

/// One topic as one process reads it.
pub(crate) struct TopicReader {
    world: World,
    topic: String,
    process: u32,
    next: BTreeMap<i32, i64>,
}

impl TopicReader {
    pub(crate) fn new(world: &World, topic: &str, process: u32) -> Self {
        Self { world: world.clone(), topic: topic.to_owned(), process, next: BTreeMap::new() }
    }

    /// A call to the cluster, which may fail.
    async fn call<T>(&self, what: &'static str, call: impl FnOnce(&mut State) -> T) -> Result<T, SinkError> {
        Pause::default().await;
        let mut state = self.world.state();
        let weather = state.weather;
        state.note(what, self.process, 0);
        if state.fails(weather.read) {
            return Err(SinkError::Log { message: "the weather".to_owned(), retryable: true });
        }
        Ok(call(&mut state))
    }

    fn check(&self, state: &State, next: &BTreeMap<i32, i64>) -> Result<(), SinkError> {
        for (partition, offset) in next {
            let found = &state.topics[&self.topic][*partition as usize];
            let (low, high) = (found.low, found.high());
            if !(low..=high).contains(offset) {
                let (stream, partition, offset) = (self.topic.clone(), *partition, *offset);
                return Err(SinkError::OutOfRange { stream, partition, offset, low, high });
            }
        }
        Ok(())
    }

    /// Some messages of each partition, in order within it.
    fn take(&mut self, max: usize) -> Result<Vec<LogRecord>, SinkError> {
        let world = self.world.clone();
        let mut state = world.state();
        self.check(&state, &self.next)?;
        let weather = state.weather;
        let mut records = Vec::new();
        for (partition, next) in &mut self.next {
            if state.fails(weather.repeat) {
                *next = (*next - state.dice.between(1, 4))
                    .max(state.topics[&self.topic][*partition as usize].low);
            }
            let most = max.saturating_sub(records.len());
            let most = if weather.repeat > 0 { state.dice.below(most + 1) } else { most };
            let found = &state.topics[&self.topic][*partition as usize];
            let from = found.messages.partition_point(|(offset, _)| offset < next);
            let visible = found.messages[from..].iter().take_while(|(offset, _)| *offset < found.high());
            for (offset, payload) in visible.take(most) {
                *next = offset + 1;
                let payload = payload.as_ref().map(|bytes| bytes.to_vec());
                records.push(LogRecord { partition: *partition, offset: *offset, payload });
            }
        }
        if !records.is_empty() {
            state.note("messages are read", self.process, records.len() as i64);
        }
        Ok(records)
    }
}

impl LogReader for TopicReader {
    async fn stream(&self) -> Result<String, SinkError> {
        self.call("name the stream", |_| self.topic.clone()).await
    }

    async fn bounds(&self) -> Result<Vec<PartitionBounds>, SinkError> {
        let bounds = |state: &mut State| {
            let partitions = state.topics[&self.topic].iter().enumerate();
            let bounds = partitions.map(|(number, found)| PartitionBounds {
                partition: number as i32,
                low: found.low,
                high: found.high(),
            });
            bounds.collect()
        };
        self.call("read watermarks", bounds).await
    }

    async fn assign(&mut self, starts: &[(i32, i64)]) -> Result<(), SinkError> {
        let next: BTreeMap<i32, i64> = starts.iter().copied().collect();
        self.call("assign", |state| self.check(state, &next)).await??;
        self.next = next;
        Ok(())
    }

    async fn poll(&mut self, max: usize, wait: Duration) -> Result<Vec<LogRecord>, SinkError> {
        Pause::default().await;
        let records = self.take(max)?;
        if !records.is_empty() {
            return Ok(records);
        }
        let world = self.world.clone();
        world.sleep(wait).await;
        self.take(max)
    }
}
