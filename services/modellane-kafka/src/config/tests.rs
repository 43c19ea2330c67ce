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

#[test]
fn copies_that_can_never_be_written_are_refused() {
    let config = |copies, needed| KafkaConfig {
        replication_factor: Some(copies),
        min_insync_replicas: Some(needed),
        ..KafkaConfig::single_node("localhost:9092")
    };
    assert!(config(3, 2).check().is_ok() && config(1, 1).check().is_ok());
    for (copies, needed) in [(1, 2), (0, 0), (1, 0), (-1, 1)] {
        let refused = config(copies, needed).check().unwrap_err().to_string();
        assert!(refused.contains("min_insync_replicas"), "{refused}");
    }
}

#[test]
fn a_registry_is_named_by_its_address_and_its_account_apart() {
    let with = |url: &str, name: Option<&str>, password: Option<&str>| KafkaConfig {
        schema_registry_url: Some(url.to_owned()),
        schema_registry_username: name.map(str::to_owned),
        schema_registry_password: password.map(Secret::new),
        ..KafkaConfig::single_node("localhost:9092")
    };
    assert!(with("http://registry:8081", None, None).check().is_ok());
    assert!(with("http://registry:8081/", Some("key"), Some("hunter2")).check().is_ok());
    for wrong in [
        with("registry:8081", None, None),
        with("http://key:hunter2@registry:8081", None, None),
        with("http://registry:8081", Some("key"), None),
    ] {
        let refused = wrong.check().unwrap_err().to_string();
        assert!(refused.contains("schema_registry") && !refused.contains("hunter2"), "{refused}");
    }
    let alone = KafkaConfig { schema_registry_url: None, ..with("", Some("key"), Some("hunter2")) };
    assert!(alone.check().is_err());
}

#[cfg(not(feature = "tls"))]
#[test]
fn a_registry_behind_tls_needs_the_feature_as_well() {
    let config = KafkaConfig {
        schema_registry_url: Some("https://registry".to_owned()),
        ..KafkaConfig::single_node("localhost:9092")
    };
    assert!(config.check().unwrap_err().to_string().contains("--features tls"));
}
