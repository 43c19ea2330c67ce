//! What can go wrong, by what the caller can do about it.

use rdkafka::error::KafkaError as ClientError;
use rdkafka::types::RDKafkaErrorCode as Code;

/// An error of the log. None of them holds a key or a payload.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum KafkaError {
    /// A setting is missing or wrong: change the configuration.
    #[error("kafka configuration: {reason}")]
    Configuration {
        /// What to change.
        reason: String,
    },
    /// TLS or SASL is configured in a build that has neither: build with the feature.
    #[error("{setting} needs TLS and SASL, which this build leaves out: build with `--features tls`")]
    NeedsTls {
        /// The setting that asks for it.
        setting: &'static str,
    },
    /// No broker answered: start it, or correct the address. Trying again may help.
    #[error(
        "no kafka broker answered at {bootstrap} while trying to {action}: \
         check that it runs and that the address is right"
    )]
    Unreachable {
        /// The configured address.
        bootstrap: String,
        /// What was tried.
        action: &'static str,
    },
    /// A topic is not there: create the topics first.
    #[error("topic {topic} does not exist or is not readable: create the topics first")]
    TopicMissing {
        /// The topic, or several.
        topic: String,
    },
    /// A topic exists with a setting that could lose data: change that setting on the cluster.
    #[error("topic {topic} has {setting} = {found}, but {needed} is needed: change it on the cluster")]
    TopicUnsuitable {
        /// The topic.
        topic: String,
        /// The name of the setting.
        setting: &'static str,
        /// What the cluster says.
        found: String,
        /// What would do.
        needed: String,
    },
    /// The log no longer has the offset, or never had: data may be missing, so a person has to look.
    #[error("offset {offset} of {topic}/{partition} is not in the log, which has {low} to {high}")]
    OffsetOutOfRange {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The offset that was wanted.
        offset: i64,
        /// The first offset there is.
        low: i64,
        /// The offset after the last one.
        high: i64,
    },
    /// A message is larger than a broker takes: it can never be sent.
    #[error("a message of {bytes} bytes for {topic} is larger than a broker takes")]
    TooLarge {
        /// The topic.
        topic: String,
        /// The size of key and payload.
        bytes: usize,
    },
    /// Some messages were not acknowledged in time: send the whole batch again.
    #[error("{failed} messages of a batch of {total} were not acknowledged: {code}")]
    NotAcknowledged {
        /// How many failed.
        failed: usize,
        /// How many were sent.
        total: usize,
        /// The first reason.
        code: String,
    },
    /// The cluster or the client is not ready: try again.
    #[error("could not {action} for now: {code}")]
    Temporary {
        /// What was tried.
        action: &'static str,
        /// The client library's reason.
        code: String,
    },
    /// No schema registry answered: start it, or correct the address. Trying again may help.
    #[error(
        "no schema registry answered at {url}: check that it runs and that kafka.schema_registry_url is right; \
         without that setting messages are single-object Avro and need none"
    )]
    RegistryUnreachable {
        /// The configured address.
        url: String,
    },
    /// The schema registry refuses, and will again.
    #[error("the schema registry at {url} cannot be used for {subject}: {reason}")]
    RegistryRefused {
        /// The configured address.
        url: String,
        /// The subject.
        subject: String,
        /// Why, and what to do.
        reason: String,
    },
    /// The cluster refuses, and will again: look at permissions and settings.
    #[error("could not {action}: {code}")]
    Refused {
        /// What was tried.
        action: &'static str,
        /// The client library's reason.
        code: String,
    },
}

impl KafkaError {
    /// Whether the same call may succeed later without anybody changing anything.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::RegistryUnreachable { .. }
                | Self::Temporary { .. }
                | Self::NotAcknowledged { .. }
        )
    }

    /// Sorts an error of the client library.
    pub(crate) fn from_client(error: &ClientError, bootstrap: &str, action: &'static str) -> Self {
        let Some(code) = error.rdkafka_error_code() else {
            return Self::Configuration { reason: error.to_string() };
        };
        Self::from_code(code, bootstrap, action)
    }

    /// Sorts an error code.
    pub(crate) fn from_code(code: Code, bootstrap: &str, action: &'static str) -> Self {
        match code {
            Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::Resolve
            | Code::OperationTimedOut
            | Code::RequestTimedOut
            | Code::MessageTimedOut => Self::Unreachable { bootstrap: bootstrap.to_owned(), action },
            code if is_temporary(code) => Self::Temporary { action, code: code.to_string() },
            code => Self::Refused { action, code: code.to_string() },
        }
    }
}

fn is_temporary(code: Code) -> bool {
    matches!(
        code,
        Code::QueueFull
            | Code::LeaderNotAvailable
            | Code::NotLeaderForPartition
            | Code::ReplicaNotAvailable
            | Code::NotEnoughReplicas
            | Code::NotEnoughReplicasAfterAppend
            | Code::CoordinatorLoadInProgress
            | Code::CoordinatorNotAvailable
            | Code::NotCoordinator
            | Code::RebalanceInProgress
            | Code::IllegalGeneration
            | Code::UnknownMemberId
            | Code::KafkaStorageError
            | Code::NotController
            | Code::State
    )
}
