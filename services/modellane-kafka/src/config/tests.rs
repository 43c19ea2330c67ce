use serde::de::IntoDeserializer;
use serde::de::value::{Error, MapDeserializer};

use super::*;

fn parse(pairs: &[(&str, &str)]) -> Result<KafkaConfig, Error> {
    let pairs = pairs.iter().map(|(key, value)| (*key, (*value).into_deserializer()));
    let pairs: Vec<(&str, serde::de::value::StrDeserializer<'_, Error>)> = pairs.collect();
    KafkaConfig::deserialize(MapDeserializer::new(pairs.into_iter()))
}

#[test]
fn a_password_is_never_shown() {
    let config = KafkaConfig { sasl_password: Some(Secret::new("hunter2")), ..KafkaConfig::default() };
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn unknown_keys_are_refused() {
    assert!(parse(&[("topic_prefix", "x")]).is_ok());
    assert!(parse(&[("bootstrap_servers", "x")]).is_err());
}

#[test]
fn a_missing_address_is_explained() {
    let error = KafkaConfig::default().connection().unwrap_err();
    assert!(error.to_string().contains("bootstrap"), "{error}");
    assert!(!error.is_retryable());
}

#[cfg(not(feature = "tls"))]
#[test]
fn tls_without_the_feature_says_how_to_get_it() {
    let mut config = KafkaConfig::single_node("localhost:9092");
    config.security_protocol = SecurityProtocol::SaslSsl;
    assert!(config.connection().unwrap_err().to_string().contains("--features tls"));
    config.security_protocol = SecurityProtocol::Plaintext;
    config.ssl_ca_location = Some("ca.pem".to_owned());
    assert!(config.connection().unwrap_err().to_string().contains("--features tls"));
}

#[test]
fn a_cluster_keeps_three_copies_and_one_machine_one() {
    let cluster = KafkaConfig::default();
    assert_eq!((cluster.replication(), cluster.min_insync()), (3, 2));
    let single = KafkaConfig::single_node("localhost:9092");
    assert_eq!((single.replication(), single.min_insync()), (1, 1));
}
