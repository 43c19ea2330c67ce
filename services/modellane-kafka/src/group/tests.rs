use super::*;

fn config() -> KafkaConfig {
    KafkaConfig::single_node("127.0.0.1:1")
}

#[test]
fn a_member_has_a_name_of_its_own_only_if_it_is_given_one() {
    let member = GroupMember::of("g");
    assert_eq!(member.settings(&config()).expect("settings").get("group.instance.id"), None);
    let named = GroupMember { instance: Some("processor-3"), ..member };
    assert_eq!(named.settings(&config()).expect("settings").get("group.instance.id"), Some("processor-3"));
}

#[test]
fn settings_of_both_protocols_are_what_the_client_library_takes() {
    for protocol in [GroupProtocol::Classic, GroupProtocol::Consumer] {
        let member = GroupMember { protocol, instance: Some("a"), ..GroupMember::of("g") };
        GroupConsumer::new(&config(), member, &["t"]).expect("a consumer");
    }
}
