use super::*;

fn configs(given: &[(&str, &str)]) -> BTreeMap<String, String> {
    given.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

#[test]
fn nothing_is_removed_unless_it_is_asked_for() {
    let settings = Settings::default();
    assert_eq!((settings.retention_ms, settings.retention_bytes), (None, None));
    assert_eq!((settings.delete, settings.compact), (true, false));
    assert_eq!((settings.segment_bytes, settings.segment_ms), (64 << 20, 7 * 24 * 60 * 60 * 1000));
}

#[test]
fn what_is_given_is_what_happens() {
    let given = configs(&[
        ("cleanup.policy", "compact,delete"),
        ("retention.ms", "60000"),
        ("retention.bytes", "0"),
        ("segment.bytes", "1048576"),
        ("delete.retention.ms", "5"),
        ("min.cleanable.dirty.ratio", "0.1"),
    ]);
    let settings = Settings::new(&given);
    assert_eq!((settings.retention_ms, settings.retention_bytes), (Some(60_000), Some(0)));
    assert_eq!((settings.delete, settings.compact), (true, true));
    assert_eq!((settings.segment_bytes, settings.delete_retention_ms), (1 << 20, 5));
    assert!((settings.min_dirty - 0.1).abs() < f64::EPSILON);
}

#[test]
fn every_default_is_a_value_and_strange_ones_are_none() {
    for setting in SETTINGS {
        assert!(is_valid(setting.name, setting.default), "{}", setting.name);
    }
    for (name, value) in [
        ("retention.ms", "soon"),
        ("retention.ms", "-2"),
        ("segment.bytes", "1000"),
        ("segment.bytes", "1073741825"),
        ("cleanup.policy", "forget"),
        ("min.insync.replicas", "2"),
        ("compression.type", "zstd"),
        ("min.cleanable.dirty.ratio", "NaN"),
        ("no.such.setting", "1"),
    ] {
        assert!(!is_valid(name, value), "{name}={value}");
    }
}

#[test]
fn a_description_says_what_holds() {
    // The first format stored whatever it was given.
    let given = configs(&[("retention.ms", "7"), ("retention.bytes", "many"), ("no.such.setting", "1")]);
    let described = describe(&given);
    let of =
        |name: &str| described.iter().find(|(known, ..)| *known == name).map(|(_, v, given)| (*v, *given));
    assert_eq!(of("retention.ms"), Some(("7", true)));
    assert_eq!(of("retention.bytes"), Some(("-1", false)));
    assert_eq!(of("segment.bytes"), Some(("67108864", false)));
    assert_eq!(of("no.such.setting"), None);
    assert_eq!(Settings::new(&given).retention_bytes, None);
}
