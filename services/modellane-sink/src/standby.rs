//! A sink that waits for its turn.

use crate::owner::application;
use crate::{LogReader, SinkError, TableStore};
use modellane_lake::RECORDED_AT;
use modellane_runtime::{Clock, MetricName, Metrics, Shutdown};
use std::time::Duration;

/// How often a sink that stands by looks at the tables and at the topics.
pub(crate) const LOOK: Duration = Duration::from_millis(500);

/// A topic and the table that it goes to.
pub(crate) type Pair<'a, R> = (&'a R, Box<dyn TableStore>);

/// Watches the owner of the tables at its work.
pub(crate) struct StandBy<'a, R> {
    pub(crate) pairs: Vec<Pair<'a, R>>,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) metrics: &'a Metrics,
    /// How long the owner has to leave records uncommitted.
    pub(crate) patience: Duration,
}

impl<R: LogReader> StandBy<'_, R> {
    /// Waits until the owner commits no more although there is something to commit; `false` if the process is to
    /// stop before. Time is counted in looks, so that a clock that jumps takes nobody's tables.
    pub(crate) async fn wait(mut self, shutdown: &Shutdown) -> Result<bool, SinkError> {
        tracing::info!("standing by: a sink of another name owns the tables");
        self.metrics.set(MetricName::SinkStandsBy, &[], 1);
        let needed = self.patience.as_millis().div_ceil(LOOK.as_millis());
        let (mut quiet, mut seen) = (0, None);
        while quiet < needed {
            if pause(self.clock, shutdown).await {
                return Ok(false);
            }
            let newest = match self.newest_if_behind().await {
                Ok(newest) => newest,
                Err(error) if error.is_retryable() => {
                    tracing::warn!(%error, "the owner of the tables cannot be watched");
                    None
                }
                Err(error) => return Err(error),
            };
            quiet = if newest.is_some() && newest == seen { quiet + 1 } else { 0 };
            seen = newest;
        }
        tracing::warn!("taking over: the owner of the tables has left records uncommitted");
        self.metrics.set(MetricName::SinkStandsBy, &[], 0);
        Ok(true)
    }

    /// The times of the newest commits; null if the tables have everything that is in the topics.
    async fn newest_if_behind(&mut self) -> Result<Option<Vec<i64>>, SinkError> {
        let (mut newest, mut is_behind) = (Vec::with_capacity(self.pairs.len()), false);
        for (log, table) in &mut self.pairs {
            table.refresh().await?;
            let stream = log.stream().await?;
            for bounds in log.bounds().await? {
                let stands = table.position(&application(&stream, bounds.partition)).await?;
                is_behind |= stands.unwrap_or(bounds.low) < bounds.high;
            }
            newest.push(table.position(RECORDED_AT).await?.unwrap_or(0));
        }
        Ok(is_behind.then_some(newest))
    }
}

/// Waits for the next look; says whether the process is to stop instead.
pub(crate) async fn pause(clock: &dyn Clock, shutdown: &Shutdown) -> bool {
    tokio::select! {
        // Which branch wins must follow from what happened alone.
        biased;
        () = shutdown.triggered() => true,
        () = clock.sleep(LOOK) => false,
    }
}
