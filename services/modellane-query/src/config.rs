//! Configuration of the query service.

use crate::QueryError;
use serde::Deserialize;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// Section `query` of the configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueryConfig {
    /// Address of the PostgreSQL wire; port 0 takes any free one. Loopback only, since nobody logs in yet.
    pub pg_listen: SocketAddr,
    /// Address of the HTTP interface; port 0 takes any free one. Loopback only.
    pub http_listen: SocketAddr,
    /// Milliseconds between looks for newer table versions, 100 to 60,000. A look lists the log of each table,
    /// which an object store bills as a request.
    pub refresh_ms: u64,
    /// Longest time of one statement, in seconds. A client may ask for less, never for more.
    pub statement_timeout_s: u64,
    /// Most rows that one statement may return over the PostgreSQL wire; more is an error.
    pub max_rows: usize,
    /// Most rows that one HTTP answer may hold; more is an error.
    pub http_max_rows: usize,
    /// Memory for sorting, grouping and joining, all statements together, in MiB.
    pub memory_mib: usize,
    /// Most PostgreSQL connections at a time.
    pub max_connections: usize,
    /// Every source that the product can read, so that silent ones show in `freshness`. The caller fills
    /// it from its connectors.
    #[serde(skip)]
    pub known_sources: Vec<String>,
}

impl Default for QueryConfig {
    fn default() -> Self {
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Self {
            pg_listen: SocketAddr::new(loopback, 5488),
            http_listen: SocketAddr::new(loopback, 8610),
            refresh_ms: 500,
            statement_timeout_s: 120,
            max_rows: 1_000_000,
            http_max_rows: 100_000,
            memory_mib: 512,
            max_connections: 64,
            known_sources: Vec::new(),
        }
    }
}

impl QueryConfig {
    /// Refuses what cannot work or would be unsafe, naming the key.
    pub fn check(&self) -> Result<(), QueryError> {
        for (key, address) in [("query.pg_listen", self.pg_listen), ("query.http_listen", self.http_listen)] {
            if !address.ip().is_loopback() {
                return Err(QueryError::NotLoopback { key, address });
            }
        }
        if !(100..=60_000).contains(&self.refresh_ms) {
            return Err(QueryError::Config("query.refresh_ms lies between 100 and 60000".to_owned()));
        }
        for (key, value) in [
            ("query.statement_timeout_s", self.statement_timeout_s as usize),
            ("query.max_rows", self.max_rows),
            ("query.http_max_rows", self.http_max_rows),
            ("query.memory_mib", self.memory_mib),
            ("query.max_connections", self.max_connections),
        ] {
            if value == 0 {
                return Err(QueryError::Config(format!("{key} must be greater than 0")));
            }
        }
        Ok(())
    }

    pub(crate) fn statement_timeout(&self) -> Duration {
        Duration::from_secs(self.statement_timeout_s)
    }

    pub(crate) fn refresh_interval(&self) -> Duration {
        Duration::from_millis(self.refresh_ms)
    }
}
