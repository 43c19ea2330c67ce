//! The running service: refresher, PostgreSQL wire, HTTP.

use crate::{Query, QueryConfig, QueryError, http, pg};
use futures::FutureExt;
use futures::future::BoxFuture;
use modellane_lake::LakeConfig;
use modellane_runtime::{Metrics, Readiness, Shutdown, health_router};
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// The service while it runs.
pub struct Running {
    /// Where the PostgreSQL wire listens.
    pub pg_address: SocketAddr,
    /// Where HTTP listens.
    pub http_address: SocketAddr,
    /// The same answers without a network.
    pub query: Query,
    tasks: JoinSet<()>,
}

impl Running {
    /// Waits until every part has stopped, which the shutdown asks them to.
    pub async fn stopped(mut self) {
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a part of the query service failed");
            }
        }
    }
}

/// Opens both ports and serves until asked to stop. HTTP also serves health and metrics.
///
/// The future is boxed, here and in the other entries of the services: the code of a future is generated
/// where it is first polled, and the planner's is not to be generated again in each program.
pub fn serve(
    config: QueryConfig,
    lake: LakeConfig,
    metrics: Metrics,
    shutdown: Shutdown,
) -> BoxFuture<'static, Result<Running, QueryError>> {
    async move {
        config.check()?;
        // Ports first: a busy one is said before the lake is read.
        let pg = listen("query.pg_listen", config.pg_listen).await?;
        let http = listen("query.http_listen", config.http_listen).await?;
        let pg_address = address("query.pg_listen", config.pg_listen, &pg)?;
        let http_address = address("query.http_listen", config.http_listen, &http)?;
        let query = Query::open_counted(config, &lake, metrics.clone()).await?;
        let readiness = Readiness::new();
        readiness.set(true);
        let mut tasks = JoinSet::new();
        tasks.spawn(refresh(query.clone(), shutdown.clone()));
        tasks.spawn(pg::serve(pg, query.clone(), shutdown.clone()));
        let serving = http::serve(http, query.clone(), health_router(readiness, metrics), shutdown);
        tasks.spawn(async move {
            if let Err(error) = serving.await {
                tracing::error!(%error, "http stopped");
            }
        });
        Ok(Running { pg_address, http_address, query, tasks })
    }
    .boxed()
}

async fn listen(key: &'static str, address: SocketAddr) -> Result<TcpListener, QueryError> {
    TcpListener::bind(address).await.map_err(|source| QueryError::Listen { key, address, source })
}

fn address(key: &'static str, asked: SocketAddr, listener: &TcpListener) -> Result<SocketAddr, QueryError> {
    listener.local_addr().map_err(|source| QueryError::Listen { key, address: asked, source })
}

async fn refresh(query: Query, shutdown: Shutdown) {
    let interval = query.config().refresh_interval();
    loop {
        tokio::select! {
            () = tokio::time::sleep(interval) => {}
            () = shutdown.triggered() => return,
        }
        // Answers go on from the last version that could be read.
        if let Err(error) = query.refresh_now().await {
            tracing::warn!(%error, "newer versions of the lake cannot be read");
        }
    }
}
