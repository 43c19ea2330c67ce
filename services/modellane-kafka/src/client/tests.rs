use super::*;

fn not_ready() -> KafkaError {
    KafkaError::Temporary { action: "read watermarks", code: "NotLeaderForPartition".to_owned() }
}

#[test]
fn a_cluster_that_is_not_ready_yet_is_asked_again() {
    let mut asked = 0;
    let answer = until_ready(600, || {
        asked += 1;
        if asked < 3 { Err(not_ready()) } else { Ok(asked) }
    });
    assert_eq!(answer.ok(), Some(3));
}

#[test]
fn one_that_never_is_ready_is_not_waited_for_without_end() {
    let mut asked = 0;
    let answer = until_ready(3, || -> Result<(), _> {
        asked += 1;
        Err(not_ready())
    });
    assert!(matches!(answer, Err(KafkaError::Temporary { .. })), "{answer:?}");
    assert_eq!(asked, 3);
}

#[test]
fn a_refusal_is_final() {
    let mut asked = 0;
    let refusal = KafkaError::Refused { action: "commit", code: "GroupAuthorizationFailed".to_owned() };
    let answer = until_ready(600, || -> Result<(), _> {
        asked += 1;
        Err(refusal.clone())
    });
    assert!(matches!((answer, asked), (Err(KafkaError::Refused { .. }), 1)));
}

#[test]
fn a_broker_sees_which_service_asks() {
    let config = KafkaConfig::single_node("127.0.0.1:1").on_behalf_of("sink");
    let settings = base(&config).expect("settings");
    assert_eq!(settings.get("client.id"), Some("modellane-sink"));
    let copy = config.on_single_node("127.0.0.1:2");
    assert_eq!(base(&copy).expect("settings").get("client.id"), Some("modellane-sink"));
}
