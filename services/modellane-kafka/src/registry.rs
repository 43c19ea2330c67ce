//! A schema registry with Confluent's API, and what it makes of messages.
//!
//! Inside the product a message names its schema by fingerprint. With a registry it does so by the
//! registry's id on the topics: the publisher puts that header in the place of ours, and consumers put ours
//! back. Ids never change, so each is asked for once.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use modellane_schema::wire::{self, Named};
use serde::Deserialize;
use ureq::http::StatusCode;
use ureq::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};

use crate::config::RegistryConfig;
use crate::error::KafkaError;

/// The longest that a request may take. Consumers wait for it, so it is shorter than their session.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The longest answer that is read.
const MAX_ANSWER: u64 = 4 << 20;
/// What requests and answers are.
const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";

/// A connection to a registry, with what it has answered.
pub(crate) struct Registry {
    url: String,
    authorization: Option<String>,
    may_register: bool,
    agent: ureq::Agent,
    known: Mutex<Known>,
}

/// Answers, which hold for ever.
#[derive(Default)]
struct Known {
    /// Ids of our schemas, by topic and fingerprint.
    ids: BTreeMap<String, HashMap<u64, u32>>,
    fingerprints: HashMap<u32, u64>,
}

/// What a registry says to a schema.
#[derive(Deserialize)]
struct Identified {
    id: u32,
}

/// A schema as a registry keeps it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    schema: String,
    /// Absent for Avro.
    schema_type: Option<String>,
}

/// What an answer with another status says.
#[derive(Default, Deserialize)]
struct Problem {
    #[serde(default)]
    error_code: u32,
}

/// The registry has no such subject or schema.
const NOT_FOUND: [u32; 3] = [40401, 40402, 40403];

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Registry {
    /// Prepares to ask; nothing is asked yet.
    pub(crate) fn new(config: &RegistryConfig<'_>) -> Self {
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            .build()
            .new_agent();
        let authorization = config.credentials.map(|(name, password)| {
            format!("Basic {}", BASE64_STANDARD.encode(format!("{name}:{password}")))
        });
        Self {
            url: config.url.trim_end_matches('/').to_owned(),
            authorization,
            may_register: config.may_register,
            agent,
            known: Mutex::default(),
        }
    }

    /// Finds the ids of every version of a topic's schema under the subject `<topic>-value`, and registers
    /// those that the registry lacks if the configuration allows it. Blocks.
    pub(crate) fn ensure(&self, topic: &str, schema: &str) -> Result<(), KafkaError> {
        let subject = format!("{topic}-value");
        for (fingerprint, file) in wire::versions(schema) {
            let id = match self.find(&subject, file.json)? {
                Some(id) => id,
                None if self.may_register => self.register(&subject, file.json)?,
                None => {
                    return Err(self.refused(
                        &subject,
                        format!(
                            "it lacks schemas/avro/{}.v{}.avsc, and kafka.schema_registry_register is false; \
                             register the file, or let this service do it",
                            file.name, file.version
                        ),
                    ));
                }
            };
            let mut known = self.known();
            known.ids.entry(topic.to_owned()).or_default().insert(fingerprint, id);
            known.fingerprints.insert(id, fingerprint);
        }
        Ok(())
    }

    /// A message of ours as the topic carries it. One under a schema or for a topic that was not ensured is an
    /// error: nobody could read it.
    pub(crate) fn outgoing<'a>(&self, topic: &str, payload: &'a [u8]) -> Result<Cow<'a, [u8]>, KafkaError> {
        let Some((Named::Fingerprint(fingerprint), datum)) = wire::header(payload) else {
            return Ok(Cow::Borrowed(payload));
        };
        let known = self.known();
        let id = known.ids.get(topic).and_then(|ids| ids.get(&fingerprint)).copied();
        drop(known);
        let id = id.ok_or_else(|| {
            let reason = format!("it was not asked for the schema with fingerprint {fingerprint:016x}");
            self.refused(&format!("{topic}-value"), reason)
        })?;
        let mut message = Vec::with_capacity(5 + datum.len());
        wire::write_id(id, &mut message);
        message.extend_from_slice(datum);
        Ok(Cow::Owned(message))
    }

    /// A message of a topic as the product reads it. One whose id cannot be resolved stays as it is, which
    /// its reader takes for a schema that it does not know. `unresolved` holds such ids, so that each is
    /// asked for once a poll. Blocks.
    pub(crate) fn incoming(&self, message: &[u8], unresolved: &mut HashSet<u32>) -> Vec<u8> {
        let Some((Named::Id(id), datum)) = wire::header(message) else { return message.to_vec() };
        let Some(fingerprint) = self.fingerprint(id, unresolved) else { return message.to_vec() };
        let mut payload = Vec::with_capacity(10 + datum.len());
        wire::write_fingerprint(fingerprint, &mut payload);
        payload.extend_from_slice(datum);
        payload
    }

    fn fingerprint(&self, id: u32, unresolved: &mut HashSet<u32>) -> Option<u64> {
        if let Some(fingerprint) = self.known().fingerprints.get(&id) {
            return Some(*fingerprint);
        }
        if unresolved.contains(&id) {
            return None;
        }
        match self.schema(id) {
            Ok(Some(fingerprint)) => {
                self.known().fingerprints.insert(id, fingerprint);
                Some(fingerprint)
            }
            Ok(None) => {
                tracing::warn!(id, "the schema registry has no Avro schema of this id");
                unresolved.insert(id);
                None
            }
            Err(error) => {
                tracing::warn!(id, %error, "a schema cannot be looked up");
                unresolved.insert(id);
                None
            }
        }
    }

    /// The fingerprint of the schema of an id; `None` if there is none, or no Avro schema.
    fn schema(&self, id: u32) -> Result<Option<u64>, KafkaError> {
        let subject = format!("schema {id}");
        let answer = self.ask(&format!("/schemas/ids/{id}"), None)?;
        match self.parse::<Stored>(&subject, answer)? {
            Some(Stored { schema, schema_type }) if schema_type.as_deref().unwrap_or("AVRO") == "AVRO" => {
                Ok(wire::fingerprint_of(&schema))
            }
            _ => Ok(None),
        }
    }

    fn find(&self, subject: &str, schema: &str) -> Result<Option<u32>, KafkaError> {
        let answer = self.ask(&format!("/subjects/{subject}"), Some(schema))?;
        Ok(self.parse::<Identified>(subject, answer)?.map(|found| found.id))
    }

    fn register(&self, subject: &str, schema: &str) -> Result<u32, KafkaError> {
        let answer = self.ask(&format!("/subjects/{subject}/versions"), Some(schema))?;
        let registered = self.parse::<Identified>(subject, answer)?;
        let id = registered.map(|registered| registered.id);
        tracing::info!(subject, id, "registered a schema");
        id.ok_or_else(|| self.refused(subject, "it takes no schemas at this address".to_owned()))
    }

    /// Status and body of an answer.
    fn ask(&self, path: &str, schema: Option<&str>) -> Result<(StatusCode, String), KafkaError> {
        let url = format!("{}{path}", self.url);
        let unreachable = |_| KafkaError::RegistryUnreachable { url: self.url.clone() };
        let answer = match schema {
            Some(schema) => {
                let mut request =
                    self.agent.post(&url).header(ACCEPT, MEDIA_TYPE).header(CONTENT_TYPE, MEDIA_TYPE);
                if let Some(authorization) = &self.authorization {
                    request = request.header(AUTHORIZATION, authorization);
                }
                request.send(serde_json::json!({ "schema": schema }).to_string())
            }
            None => {
                let mut request = self.agent.get(&url).header(ACCEPT, MEDIA_TYPE);
                if let Some(authorization) = &self.authorization {
                    request = request.header(AUTHORIZATION, authorization);
                }
                request.call()
            }
        };
        let mut answer = answer.map_err(unreachable)?;
        let body = answer.body_mut().with_config().limit(MAX_ANSWER).read_to_string().map_err(unreachable)?;
        Ok((answer.status(), body))
    }

    /// What an answer holds; `None` if there is nothing of that name.
    fn parse<T: for<'de> Deserialize<'de>>(
        &self,
        subject: &str,
        (status, body): (StatusCode, String),
    ) -> Result<Option<T>, KafkaError> {
        if status.is_success() {
            let parsed = serde_json::from_str(&body);
            return parsed.map(Some).map_err(|_| {
                self.refused(
                    subject,
                    "its answer is not that of a schema registry with Confluent's API".into(),
                )
            });
        }
        let code = serde_json::from_str::<Problem>(&body).unwrap_or_default().error_code;
        let reason = match status {
            _ if NOT_FOUND.contains(&code) => return Ok(None),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => format!(
                "it answers {status}: set kafka.schema_registry_username and kafka.schema_registry_password \
                 to an account that may read and write this subject, or register the files of schemas/avro \
                 with one that may and set kafka.schema_registry_register to false"
            ),
            StatusCode::CONFLICT => "the schema is incompatible with what the subject holds: give this \
                                     installation topics of its own (kafka.topic_prefix), or set the subject's \
                                     compatibility to FULL_TRANSITIVE and remove what was not written by this \
                                     product"
                .to_owned(),
            status if status.is_server_error() => {
                return Err(KafkaError::RegistryUnreachable { url: self.url.clone() });
            }
            status => format!("it answers {status}, error {code}"),
        };
        Err(self.refused(subject, reason))
    }

    fn refused(&self, subject: &str, reason: String) -> KafkaError {
        KafkaError::RegistryRefused { url: self.url.clone(), subject: subject.to_owned(), reason }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
