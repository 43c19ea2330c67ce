use super::*;

fn check(topic: Topic, settings: &[(&str, &str)]) -> Result<(), String> {
    let value = |name: &str| settings.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
    let config = KafkaConfig::default();
    check_values(topic, &topic.name("p"), value, &config).map_err(|error| error.to_string())
}

#[test]
fn names_have_the_prefix() {
    let names: Vec<_> = Topic::ALL.iter().map(|topic| topic.name("modellane")).collect();
    assert_eq!(
        names,
        [USAGE_TOPIC, JUDGED_TOPIC, INTENTS_TOPIC, CONTEXT_TOPIC, REJECTS_TOPIC, FETCHES_TOPIC]
    );
}

#[test]
fn settings_that_could_lose_data_are_named() {
    for (topic, setting, bad, good) in [
        (Topic::Usage, "retention.ms", "604799999", "604800000"),
        (Topic::Context, "retention.ms", "604800000", "-1"),
        (Topic::Judged, "retention.bytes", "1000000", "-1"),
        (Topic::Intents, "cleanup.policy", "compact", "delete"),
        (Topic::Rejects, "unclean.leader.election.enable", "true", "false"),
        (Topic::Usage, "min.insync.replicas", "1", "2"),
        (Topic::Judged, "max.message.bytes", "1000000", "1048588"),
    ] {
        let refused = check(topic, &[(setting, bad)]).unwrap_err();
        assert!(refused.contains(setting) && refused.contains(&topic.name("p")), "{refused}");
        assert_eq!(check(topic, &[(setting, good)]), Ok(()));
    }
}

#[test]
fn more_copies_than_brokers_are_refused_with_what_to_do() {
    let config = KafkaConfig::default();
    assert!(check_size(3, &config).is_ok());
    for (brokers, said) in [(1, "the cluster has 1 broker:"), (2, "the cluster has 2 brokers:")] {
        let refused = check_size(brokers, &config).unwrap_err().to_string();
        for part in ["replication_factor is 3", said, "kafka.replication_factor"] {
            assert!(refused.contains(part), "{refused}");
        }
    }
    assert!(check_size(1, &KafkaConfig::single_node("localhost:9092")).is_ok());
}
