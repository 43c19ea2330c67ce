//! How to reach the cluster.

use std::sync::{Arc, OnceLock};

use serde::Deserialize;

use crate::error::KafkaError;
use crate::registry::Registry;

/// Copies of every message on a cluster, unless configured otherwise.
const CLUSTER_REPLICATION: i32 = 3;

/// Copies that must be written before a message is acknowledged on a cluster.
const CLUSTER_MIN_INSYNC: i32 = 2;

/// How the connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecurityProtocol {
    /// Neither encrypted nor authenticated: for loopback and closed networks.
    #[default]
    Plaintext,
    /// Encrypted.
    Ssl,
    /// Authenticated, not encrypted.
    SaslPlaintext,
    /// Encrypted and authenticated.
    SaslSsl,
}

impl SecurityProtocol {
    fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "plaintext",
            Self::Ssl => "ssl",
            Self::SaslPlaintext => "sasl_plaintext",
            Self::SaslSsl => "sasl_ssl",
        }
    }

    fn has_sasl(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }
}

/// How a client proves who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum SaslMechanism {
    /// The password as it is; only sensible with encryption.
    #[serde(rename = "PLAIN")]
    Plain,
    /// Challenge and response over SHA-256.
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    /// Challenge and response over SHA-512.
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
}

impl SaslMechanism {
    fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Keeps a text from being shown.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// What queues may be given: at least a fetch of one message of the largest size.
const QUEUE_MIB: std::ops::RangeInclusive<u32> = 2..=1024;

/// What brokers know a process by that is not one service alone.
const CLIENT: &str = "modellane";

fn default_prefix() -> String {
    "modellane".to_owned()
}

/// The cluster and how to speak to it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KafkaConfig {
    /// Addresses of some brokers, `host:port` with commas between.
    pub bootstrap: Option<String>,
    /// How the connection is protected.
    pub security_protocol: SecurityProtocol,
    /// How this client proves who it is.
    pub sasl_mechanism: Option<SaslMechanism>,
    /// Its name.
    pub sasl_username: Option<String>,
    /// Its password.
    pub sasl_password: Option<Secret>,
    /// File with the authority that signed the brokers' certificates.
    pub ssl_ca_location: Option<String>,
    /// File with this client's certificate.
    pub ssl_certificate_location: Option<String>,
    /// File with the key of that certificate.
    pub ssl_key_location: Option<String>,
    /// Copies of every message; 3 unless set.
    pub replication_factor: Option<i32>,
    /// Copies that must be written before an acknowledgement; 2 unless set.
    pub min_insync_replicas: Option<i32>,
    /// What the names of the topics begin with.
    pub topic_prefix: String,
    /// Memory in MiB for messages that wait for their acknowledgement, for each producer of the process.
    /// Whoever sends waits while it is full.
    pub producer_queue_mib: u32,
    /// Memory in MiB for messages that were fetched and not taken yet, for each consumer of the process. A
    /// fetch and a poll take up to as much again.
    pub consumer_queue_mib: u32,
    /// Address of a schema registry with Confluent's API. With it, messages on the topics are in Confluent's
    /// wire format, under the subjects `<topic>-value`; without it, single-object Avro.
    pub schema_registry_url: Option<String>,
    /// Name of the account at the registry, or an API key.
    pub schema_registry_username: Option<String>,
    /// Its password, or the API key's secret.
    pub schema_registry_password: Option<Secret>,
    /// Whether schemas that the registry lacks are registered. Otherwise they have to be there.
    pub schema_registry_register: bool,
    /// The registry, with what it has answered; copies of a configuration share it.
    #[serde(skip)]
    pub registry: SharedRegistry,
    /// What brokers know this process by: in their logs, metrics and quotas.
    #[serde(skip)]
    pub client_id: String,
}

/// A registry that is connected when it is first needed. Copies share it.
#[derive(Debug, Clone, Default)]
pub struct SharedRegistry(Arc<OnceLock<Arc<Registry>>>);

/// The part of the configuration that is about the registry.
pub(crate) struct RegistryConfig<'a> {
    pub(crate) url: &'a str,
    /// Name and password.
    pub(crate) credentials: Option<(&'a str, &'a str)>,
    pub(crate) may_register: bool,
}

impl Default for KafkaConfig {
    fn default() -> Self {
        Self {
            bootstrap: None,
            security_protocol: SecurityProtocol::default(),
            sasl_mechanism: None,
            sasl_username: None,
            sasl_password: None,
            ssl_ca_location: None,
            ssl_certificate_location: None,
            ssl_key_location: None,
            replication_factor: None,
            min_insync_replicas: None,
            topic_prefix: default_prefix(),
            producer_queue_mib: 64,
            consumer_queue_mib: 16,
            schema_registry_url: None,
            schema_registry_username: None,
            schema_registry_password: None,
            schema_registry_register: true,
            registry: SharedRegistry::default(),
            client_id: CLIENT.to_owned(),
        }
    }
}

impl KafkaConfig {
    /// A broker of one node, where one copy is all there can be.
    pub fn single_node(bootstrap: impl Into<String>) -> Self {
        Self {
            bootstrap: Some(bootstrap.into()),
            replication_factor: Some(1),
            min_insync_replicas: Some(1),
            ..Self::default()
        }
    }

    /// A broker of one node with the limits and the registry of this configuration. Security and the prefix
    /// of topics are left out: they are about a cluster, and clients of one machine must agree without them.
    #[must_use]
    pub fn on_single_node(&self, bootstrap: impl Into<String>) -> Self {
        Self {
            producer_queue_mib: self.producer_queue_mib,
            consumer_queue_mib: self.consumer_queue_mib,
            schema_registry_url: self.schema_registry_url.clone(),
            schema_registry_username: self.schema_registry_username.clone(),
            schema_registry_password: self.schema_registry_password.clone(),
            schema_registry_register: self.schema_registry_register,
            registry: self.registry.clone(),
            client_id: self.client_id.clone(),
            ..Self::single_node(bootstrap)
        }
    }

    /// The same for one service of the product, so that brokers can tell the services apart.
    #[must_use]
    pub fn on_behalf_of(self, service: &str) -> Self {
        Self { client_id: format!("{CLIENT}-{service}"), ..self }
    }

    /// The address, or what to do without one.
    pub(crate) fn address(&self) -> Result<&str, KafkaError> {
        match self.bootstrap.as_deref().map(str::trim) {
            Some(address) if !address.is_empty() => Ok(address),
            _ => Err(KafkaError::Configuration {
                reason: "no bootstrap address: set `bootstrap` to host:port of a broker".to_owned(),
            }),
        }
    }

    /// Finds what is wrong without asking the cluster.
    ///
    /// # Errors
    ///
    /// [`KafkaError::Configuration`] or [`KafkaError::NeedsTls`], saying what to change.
    pub fn check(&self) -> Result<(), KafkaError> {
        let refuse = |reason: String| Err(KafkaError::Configuration { reason });
        let (copies, needed) = (self.replication(), self.min_insync());
        if copies < 1 || needed < 1 {
            return refuse("replication_factor and min_insync_replicas are at least 1".to_owned());
        }
        if needed > copies {
            return refuse(format!(
                "min_insync_replicas is {needed} and replication_factor {copies}: so many copies can never be \
                 written; lower min_insync_replicas, or raise replication_factor"
            ));
        }
        if !QUEUE_MIB.contains(&self.producer_queue_mib) || !QUEUE_MIB.contains(&self.consumer_queue_mib) {
            return refuse(format!(
                "producer_queue_mib and consumer_queue_mib lie between {} and {}",
                QUEUE_MIB.start(),
                QUEUE_MIB.end()
            ));
        }
        self.connection()?;
        self.registry().map(drop)
    }

    /// The registry, if one is configured. Asks nobody.
    pub(crate) fn registry(&self) -> Result<Option<Arc<Registry>>, KafkaError> {
        let refuse = |reason: &str| Err(KafkaError::Configuration { reason: reason.to_owned() });
        let Some(url) = self.schema_registry_url.as_deref() else {
            if self.schema_registry_username.is_some() || self.schema_registry_password.is_some() {
                return refuse("credentials of a schema registry are set, but no schema_registry_url");
            }
            return Ok(None);
        };
        if url.starts_with("https://") && cfg!(not(feature = "tls")) {
            return Err(KafkaError::NeedsTls { setting: "schema_registry_url" });
        }
        if !url.starts_with("https://") && !url.starts_with("http://") {
            return refuse("schema_registry_url begins with http:// or https://");
        }
        if url.contains('@') {
            return refuse(
                "schema_registry_url holds a name: set schema_registry_username and schema_registry_password",
            );
        }
        let credentials = match (&self.schema_registry_username, &self.schema_registry_password) {
            (Some(name), Some(password)) => Some((name.as_str(), password.0.as_str())),
            (None, None) => None,
            _ => return refuse("schema_registry_username and schema_registry_password go together"),
        };
        let config = RegistryConfig { url, credentials, may_register: self.schema_registry_register };
        Ok(Some(Arc::clone(self.registry.0.get_or_init(|| Arc::new(Registry::new(&config))))))
    }

    pub(crate) fn replication(&self) -> i32 {
        self.replication_factor.unwrap_or(CLUSTER_REPLICATION)
    }

    pub(crate) fn min_insync(&self) -> i32 {
        self.min_insync_replicas.unwrap_or(CLUSTER_MIN_INSYNC)
    }

    /// The settings of the connection, as the client library names them.
    pub(crate) fn connection(&self) -> Result<Vec<(&'static str, String)>, KafkaError> {
        self.check_security()?;
        let mut settings = vec![("bootstrap.servers", self.address()?.to_owned())];
        if self.security_protocol != SecurityProtocol::Plaintext {
            settings.push(("security.protocol", self.security_protocol.name().to_owned()));
        }
        let mut set = |name, value: Option<String>| {
            if let Some(value) = value {
                settings.push((name, value));
            }
        };
        set("sasl.mechanism", self.sasl_mechanism.map(|mechanism| mechanism.name().to_owned()));
        set("sasl.username", self.sasl_username.clone());
        set("sasl.password", self.sasl_password.as_ref().map(|secret| secret.0.clone()));
        set("ssl.ca.location", self.ssl_ca_location.clone());
        set("ssl.certificate.location", self.ssl_certificate_location.clone());
        set("ssl.key.location", self.ssl_key_location.clone());
        Ok(settings)
    }

    fn check_security(&self) -> Result<(), KafkaError> {
        let asked = if self.security_protocol != SecurityProtocol::Plaintext {
            Some("security_protocol")
        } else if self.sasl_mechanism.is_some()
            || self.sasl_username.is_some()
            || self.sasl_password.is_some()
        {
            Some("sasl_*")
        } else if self.ssl_ca_location.is_some()
            || self.ssl_certificate_location.is_some()
            || self.ssl_key_location.is_some()
        {
            Some("ssl_*")
        } else {
            None
        };
        let Some(setting) = asked else { return Ok(()) };
        if cfg!(not(feature = "tls")) {
            return Err(KafkaError::NeedsTls { setting });
        }
        if self.security_protocol == SecurityProtocol::Plaintext {
            // Credentials that are configured and not used would be a false comfort.
            let reason = format!("{setting} is set, but security_protocol is plaintext");
            return Err(KafkaError::Configuration { reason });
        }
        let complete =
            self.sasl_mechanism.is_some() && self.sasl_username.is_some() && self.sasl_password.is_some();
        if self.security_protocol.has_sasl() && !complete {
            let reason = "SASL needs sasl_mechanism, sasl_username and sasl_password".to_owned();
            return Err(KafkaError::Configuration { reason });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
