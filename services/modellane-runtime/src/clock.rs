//! Time, injected.

use modellane_event::UtcTime;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// Tells the time. Passed to whoever needs it, so that tests decide what time it is.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> UtcTime;

    /// Waits so long, by the timers of the runtime. A simulation brings a clock whose waits pass in its own
    /// time.
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    fn now(&self) -> UtcTime {
        UtcTime(chrono::Utc::now().timestamp_micros())
    }
}

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// Starts at a time.
    pub fn at(time: UtcTime) -> Self {
        Self(AtomicI64::new(time.micros()))
    }

    /// Moves by microseconds, back too.
    pub fn advance(&self, micros: i64) {
        self.0.fetch_add(micros, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UtcTime {
        UtcTime(self.0.load(Ordering::SeqCst))
    }
}
