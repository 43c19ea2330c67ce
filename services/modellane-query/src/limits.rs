//! Limits of one statement: time, rows, and the client's wish to stop.

use crate::QueryError;
use datafusion::arrow::array::RecordBatch;
use datafusion::physical_plan::SendableRecordBatchStream;
use futures::{Stream, StreamExt};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Sleep;

/// How many rows may come out, and where that is configured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowLimit {
    pub rows: usize,
    pub key: &'static str,
}

/// Ends a statement when its time is over or its client asks.
pub(crate) struct Patience {
    deadline: Pin<Box<Sleep>>,
    canceled: Option<watch::Receiver<u64>>,
}

impl Patience {
    /// Starts the time now. `canceled` changes when the client asks to stop.
    pub(crate) fn start(timeout: Duration, canceled: Option<watch::Receiver<u64>>) -> Self {
        Self { deadline: Box::pin(tokio::time::sleep(timeout)), canceled }
    }

    /// Does work while patience lasts.
    pub(crate) async fn during<T, E: Into<QueryError>>(
        &mut self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, QueryError> {
        tokio::select! {
            result = work => result.map_err(Into::into),
            error = self.over() => Err(error),
        }
    }

    async fn over(&mut self) -> QueryError {
        let canceled = async {
            if let Some(canceled) = &mut self.canceled
                && canceled.changed().await.is_ok()
            {
                return;
            }
            // Nobody can ask, or the connection is gone and nobody ever will.
            std::future::pending().await
        };
        tokio::select! {
            () = self.deadline.as_mut() => QueryError::Timeout,
            () = canceled => QueryError::Canceled,
        }
    }
}

/// The rows of a statement until a limit is met, which is an error and never a silent cut.
pub(crate) fn limited(
    rows: SendableRecordBatchStream,
    patience: Patience,
    limit: RowLimit,
) -> impl Stream<Item = Result<RecordBatch, QueryError>> + Send {
    let state = Some((rows, patience, 0usize));
    futures::stream::unfold(state, move |state| async move {
        let (mut rows, mut patience, seen) = state?;
        let next = async { rows.next().await.transpose() };
        match patience.during(next).await {
            Ok(None) => None,
            Ok(Some(batch)) if seen + batch.num_rows() > limit.rows => {
                Some((Err(QueryError::TooManyRows { limit: limit.rows, key: limit.key }), None))
            }
            Ok(Some(batch)) => {
                let seen = seen + batch.num_rows();
                Some((Ok(batch), Some((rows, patience, seen))))
            }
            Err(error) => Some((Err(error), None)),
        }
    })
}
