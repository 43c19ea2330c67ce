//! Configuration of the collector.

use crate::connectors;
use crate::error::CollectorError;
use crate::http::WORK;
use serde::Deserialize;
use std::fmt;
use std::net::SocketAddr;

/// How the collector listens and whom it trusts.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CollectorConfig {
    /// Where the collector's endpoints listen.
    pub listen: SocketAddr,
    /// Where OTLP over HTTP listens as well, on its standard port.
    pub otlp_http_listen: Option<SocketAddr>,
    /// Who may send what. Without any key, only this machine is served.
    pub keys: Vec<AccessKey>,
    /// Largest request body, in bytes as sent.
    pub max_body: usize,
    /// Largest request body, in bytes when decompressed.
    pub max_decompressed: usize,
    /// Requests that are worked on at the same time; further ones are asked to come again.
    pub max_in_flight: usize,
    /// MiB that they may hold together: each its body, unpacked, and as much again for what is made of it.
    /// Requests beyond that are asked to come again.
    pub max_in_flight_mib: usize,
    /// Seconds in which a body has to come.
    pub body_timeout_s: u64,
}

impl Default for CollectorConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8600)),
            otlp_http_listen: Some(SocketAddr::from(([127, 0, 0, 1], 4318))),
            keys: Vec::new(),
            max_body: 32 << 20,
            max_decompressed: 64 << 20,
            max_in_flight: 8,
            max_in_flight_mib: 256,
            body_timeout_s: 30,
        }
    }
}

/// A bearer key and what it is good for.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessKey {
    /// The secret, at least 16 characters.
    pub key: String,
    /// A source, `intents`, `intent:self` or `admin`, which is good for everything.
    pub scope: String,
    /// Under `intent:self`: whose intents, as an e-mail address or `kind:id`.
    pub person: Option<String>,
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKey").field("key", &"***").field("scope", &self.scope).finish_non_exhaustive()
    }
}

/// Shortest key that is accepted; a shorter one can be guessed.
const MIN_KEY: usize = 16;

impl CollectorConfig {
    /// Checks what must hold before anything listens.
    pub fn validate(&self) -> Result<(), CollectorError> {
        let open = |address: &SocketAddr| !address.ip().is_loopback();
        if self.keys.is_empty() && (open(&self.listen) || self.otlp_http_listen.as_ref().is_some_and(open)) {
            return Err(CollectorError::Config(
                "an address other than loopback needs at least one key under collector.keys",
            ));
        }
        for key in &self.keys {
            if key.key.trim().len() < MIN_KEY {
                return Err(CollectorError::Config("a key under collector.keys has less than 16 characters"));
            }
            let known = matches!(key.scope.as_str(), "admin" | "intents" | "intent:self")
                || connectors::connector(&key.scope).is_some();
            if !known {
                return Err(CollectorError::Config(
                    "a scope under collector.keys is no source, intents, intent:self or admin",
                ));
            }
            if (key.scope == "intent:self") != key.person.is_some() {
                return Err(CollectorError::Config(
                    "a key of scope intent:self, and only such a key, names its person",
                ));
            }
        }
        let limits = [self.max_in_flight, self.max_body, self.max_decompressed];
        if limits.contains(&0) || self.body_timeout_s == 0 {
            return Err(CollectorError::Config("limits under collector are at least 1"));
        }
        let largest = self.max_decompressed.saturating_mul(WORK).saturating_add(self.max_body);
        if self.max_in_flight_bytes() < largest {
            return Err(CollectorError::Config(
                "collector.max_in_flight_mib has no room for one request of the largest size: it needs \
                 max_body and twice max_decompressed",
            ));
        }
        Ok(())
    }

    /// Bytes that requests in flight may hold together.
    pub(crate) fn max_in_flight_bytes(&self) -> usize {
        self.max_in_flight_mib.saturating_mul(1 << 20)
    }
}
