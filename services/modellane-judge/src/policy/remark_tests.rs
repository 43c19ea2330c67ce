use super::tests::{sample, sample_files};
use super::*;
use modellane_event::Date;

fn changed(changes: &[(&str, &str, &str)]) -> Bundle {
    let mut files = sample_files();
    for (name, from, to) in changes {
        let text = String::from_utf8(files[*name].clone()).unwrap();
        assert!(text.contains(from), "{name} has no {from}");
        files.insert((*name).to_owned(), text.replacen(from, to, 1).into_bytes());
    }
    files.remove("tests.yaml");
    Bundle::compile(&PolicyObject::from_files(&files).unwrap()).unwrap()
}

/// The sample bundle with another version, in force for a period.
fn dated(version: &str, effective: &str) -> Bundle {
    changed(&[
        ("bundle.yaml", "version: \"2026.11.1\"", &format!("version: \"{version}\"")),
        ("bundle.yaml", "effective: { from: 2026-11-01 }", &format!("effective: {{ {effective} }}")),
    ])
}

fn day(text: &str) -> UtcTime {
    Date::parse(text).unwrap().start()
}

fn label(text: &str) -> Label {
    Label::new(text).unwrap()
}

#[test]
fn the_sample_bundle_gives_no_cause_for_remarks() {
    assert_eq!(sample().remarks(), []);
}

#[test]
fn rules_that_decide_nothing_are_named() {
    // A consumer product of an approved vendor is declared impossible, and what is forbidden is never permitted.
    let bundle = changed(&[(
        "rules.cedar",
        "@id(\"everyday-models\")",
        "@id(\"consumer-plans\")\npermit (principal, action, resource)\nwhen { resource.tool_tier == \"consumer\" && \
         resource.vendor_status == \"approved\" };\n\n\
         @id(\"frontier-reviews\")\npermit (principal, action, resource)\nwhen { resource.model_class == \
         \"frontier\" && context.work_class == \"review\" };\n\n@id(\"everyday-models\")",
    )]);
    let never = |rule: &str| Remark::NeverDecides { rule: label(rule) };
    assert_eq!(bundle.remarks(), [never("consumer-plans"), never("frontier-reviews")]);
    // A rule that shares its decisions with others decides.
    assert!(bundle.rules().iter().any(|rule| rule.id.as_str() == "over-budget"));
}

#[test]
fn facts_that_nothing_supplies_are_named() {
    let bundle = changed(&[(
        "bundle.yaml",
        "budget_state: [under, near, over]",
        "budget_state: [under, near, over]\n    data_residency: [eu, us]\n    team: [payments, core]",
    )]);
    assert_eq!(bundle.remarks(), [Remark::NotSupplied { fact: label("data_residency") }]);
}

#[test]
fn bundles_that_follow_each_other_leave_no_hole_and_do_not_overlap() {
    let bundles = [dated("2", "from: 2026-11-01"), dated("1", "from: 2026-10-01, to: 2026-11-01")];
    assert_eq!(remarks_on_dates(&bundles), []);
}

#[test]
fn holes_and_overlaps_are_named_whatever_the_order() {
    let bundles = [
        dated("3", "from: 2026-12-10"),
        dated("2", "from: 2026-11-01, to: 2026-12-01"),
        dated("1", "from: 2026-10-01, to: 2026-11-15"),
    ];
    let overlap = Remark::Overlap {
        before: label("1"),
        after: label("2"),
        from: day("2026-11-01"),
        to: Some(day("2026-11-15")),
    };
    let hole = Remark::Hole { from: day("2026-12-01"), to: day("2026-12-10") };
    assert_eq!(remarks_on_dates(&bundles), [overlap.clone(), hole.clone()]);
    let backwards: Vec<Bundle> = bundles.into_iter().rev().collect();
    assert_eq!(remarks_on_dates(&backwards), [overlap, hole]);
}

#[test]
fn a_bundle_inside_another_one_leaves_no_hole_behind_it() {
    let bundles = [
        dated("1", "from: 2026-10-01"),
        dated("2", "from: 2026-11-01, to: 2026-11-08"),
        dated("3", "from: 2026-12-01"),
    ];
    let overlaps = |after: &str, from: &str, to: Option<&str>| Remark::Overlap {
        before: label("1"),
        after: label(after),
        from: day(from),
        to: to.map(day),
    };
    assert_eq!(
        remarks_on_dates(&bundles),
        [overlaps("2", "2026-11-01", Some("2026-11-08")), overlaps("3", "2026-12-01", None)]
    );
}

#[test]
fn the_same_version_twice_is_named() {
    let bundles = [dated("1", "from: 2026-10-01, to: 2026-11-01"), dated("1", "from: 2026-11-01")];
    assert_eq!(remarks_on_dates(&bundles), [Remark::SameVersion { version: label("1") }]);
    // Also where another one ends last.
    let bundles = [
        dated("1", "from: 2026-10-01"),
        dated("2", "from: 2026-11-01, to: 2026-11-08"),
        dated("2", "from: 2026-11-08"),
    ];
    assert_eq!(remarks_on_dates(&bundles)[0], Remark::SameVersion { version: label("2") });
}
