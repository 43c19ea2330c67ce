//! Starting and stopping.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::api::Node;
use crate::error::BrokerError;
use crate::groups::Coordinator;
use crate::log::Log;
use crate::server;
use crate::time;

/// What a broker needs to start.
#[derive(Debug, Clone)]
pub struct BrokerConfig {
    /// The directory of its files; created if missing, and locked while the broker runs.
    pub dir: PathBuf,
    /// The port on 127.0.0.1, or 0 for any that is free.
    pub port: u16,
    /// Partitions of a topic that is created without saying how many.
    pub default_partitions: i32,
}

/// A running broker. Dropping it stops it as well, but only [`Broker::shutdown`] waits until the files
/// are written and the directory is free for the next one.
pub struct Broker {
    node: Arc<Node>,
    tasks: JoinSet<()>,
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broker").field("port", &self.node.port).finish_non_exhaustive()
    }
}

impl Broker {
    /// Opens the files, binds the port and serves.
    ///
    /// # Errors
    ///
    /// When the port or the directory is taken, or the files cannot be read; see [`BrokerError`].
    pub async fn start(config: BrokerConfig) -> Result<Self, BrokerError> {
        let BrokerConfig { dir, port, default_partitions } = config;
        let listener =
            TcpListener::bind(("127.0.0.1", port)).await.map_err(|source| match source.kind() {
                ErrorKind::AddrInUse => BrokerError::PortBusy { port },
                _ => BrokerError::Listen { port, source },
            })?;
        let bound = listener.local_addr().map_err(|source| BrokerError::Listen { port, source })?.port();
        let for_task = dir.clone();
        let opened = tokio::task::spawn_blocking(move || Log::open(&for_task, time::random_id())).await;
        let log = opened.map_err(|failed| BrokerError::Storage { dir, source: failed.into() })??;
        let cluster = log.read(|state| state.cluster.clone());
        let node = Arc::new(Node {
            log,
            groups: Coordinator::default(),
            port: bound,
            default_partitions: default_partitions.max(1),
            cluster,
        });
        let tasks = serve(listener, &node);
        tracing::info!(port = bound, "embedded kafka broker started");
        Ok(Self { node, tasks })
    }

    /// The address for clients.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.node.port)
    }

    /// The port that clients connect to.
    pub fn port(&self) -> u16 {
        self.node.port
    }

    /// The random id of this log: offsets of another one mean something else.
    pub fn cluster_id(&self) -> &str {
        &self.node.cluster
    }

    /// Closes all connections, writes what was accepted and frees the directory.
    pub async fn shutdown(mut self) {
        self.tasks.shutdown().await;
        let node = Arc::clone(&self.node);
        // A failure to join the blocking task leaves nothing to do: the writer has been told to stop.
        let _ = tokio::task::spawn_blocking(move || node.log.finish()).await;
    }
}

/// A plain function, so that the code of the server is generated in this crate and not in each program.
fn serve(listener: TcpListener, node: &Arc<Node>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let clock = Arc::clone(node);
    tasks.spawn(async move { clock.groups.keep_time().await });
    tasks.spawn(server::accept(listener, Arc::clone(node)));
    tasks
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.node.log.stop();
    }
}
