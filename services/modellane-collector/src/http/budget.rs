//! What requests in flight may hold together: so many of them, and so many bytes.
//!
//! A request is charged for its body as it comes, and for what is made of it, before that is made: the
//! unpacked body, and as much again for the messages that wait for their acknowledgement. Whoever finds no
//! room is put off and has sent nothing in vain.

use modellane_runtime::{MetricName, Metrics};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes are counted in blocks, because a semaphore counts to 2^32.
const BLOCK: usize = 1024;

/// There is no room for a request now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// As many requests are in flight as may be.
    Requests,
    /// They hold as many bytes as they may.
    Bytes,
}

impl Full {
    fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Bytes => "bytes",
        }
    }
}

/// The room that there is. Clones share it.
#[derive(Clone)]
pub(crate) struct Budget {
    places: Arc<Semaphore>,
    blocks: Arc<Semaphore>,
    held: Arc<AtomicI64>,
    metrics: Metrics,
}

impl Budget {
    pub(crate) fn new(requests: usize, bytes: usize, metrics: Metrics) -> Self {
        Self {
            places: Arc::new(Semaphore::new(requests)),
            blocks: Arc::new(Semaphore::new(bytes / BLOCK)),
            held: Arc::default(),
            metrics,
        }
    }

    /// Takes a place for a request that holds nothing yet.
    pub(crate) fn admit(&self) -> Result<Held, Full> {
        match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => Ok(Held { budget: self.clone(), _place: place, blocks: None }),
            Err(_) => Err(self.put_off(Full::Requests)),
        }
    }

    /// Bytes that requests hold now.
    #[cfg(test)]
    pub(crate) fn held(&self) -> i64 {
        self.held.load(Ordering::SeqCst)
    }

    fn put_off(&self, full: Full) -> Full {
        self.metrics.add(MetricName::CollectorPutOff, &[("full", full.name())], 1);
        full
    }

    fn count(&self, blocks: usize, sign: i64) {
        let change = i64::try_from(blocks * BLOCK).unwrap_or(i64::MAX) * sign;
        let held = self.held.fetch_add(change, Ordering::SeqCst) + change;
        self.metrics.set(MetricName::CollectorHeldBytes, &[], held);
    }
}

/// The room that one request takes, until it is dropped.
pub struct Held {
    budget: Budget,
    _place: OwnedSemaphorePermit,
    blocks: Option<OwnedSemaphorePermit>,
}

impl Held {
    /// Takes room for so many more bytes.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), Full> {
        let blocks = bytes.div_ceil(BLOCK);
        let asked = u32::try_from(blocks).map_err(|_| Full::Bytes)?;
        let Ok(more) = Arc::clone(&self.budget.blocks).try_acquire_many_owned(asked) else {
            return Err(self.budget.put_off(Full::Bytes));
        };
        match &mut self.blocks {
            Some(held) => held.merge(more),
            None => self.blocks = Some(more),
        }
        self.budget.count(blocks, 1);
        Ok(())
    }

    /// Gives back all room but for so many bytes.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        let Some(held) = &mut self.blocks else { return };
        let surplus = held.num_permits().saturating_sub(bytes.div_ceil(BLOCK));
        if let Some(given_back) = held.split(surplus) {
            drop(given_back);
            self.budget.count(surplus, -1);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_bounded_and_given_back() {
        let budget = Budget::new(2, 10 * BLOCK, Metrics::new());
        let mut first = budget.admit().unwrap();
        first.grow(6 * BLOCK).unwrap();
        let mut second = budget.admit().unwrap();
        assert_eq!(budget.admit().err(), Some(Full::Requests));
        // A part of a block is charged as a whole one.
        assert_eq!(second.grow(4 * BLOCK + 1), Err(Full::Bytes));
        second.grow(3 * BLOCK + 1).unwrap();
        assert_eq!(budget.held(), 10 * BLOCK as i64);
        first.shrink_to(BLOCK);
        assert_eq!(budget.held(), 5 * BLOCK as i64);
        drop(second);
        assert_eq!(budget.held(), BLOCK as i64);
        drop(first);
        assert_eq!(budget.held(), 0);
        budget.admit().unwrap().grow(10 * BLOCK).unwrap();
    }
}
