use super::*;
use std::collections::BTreeMap;
use std::path::Path;

pub(crate) fn sample_files() -> BTreeMap<String, Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/policy/2026.11.1");
    let read = |name: &str| (name.to_owned(), std::fs::read(folder.join(name)).unwrap());
    ["bundle.yaml", "catalogue.csv", "rules.cedar", "tests.yaml"].into_iter().map(read).collect()
}

pub(crate) fn sample() -> Bundle {
    Bundle::compile(&PolicyObject::from_files(&sample_files()).unwrap()).unwrap()
}

fn with(name: &str, change: impl Fn(String) -> String) -> Result<Bundle, ContextError> {
    let mut files = sample_files();
    let text = String::from_utf8(files[name].clone()).unwrap();
    let changed = change(text.clone());
    assert_ne!(changed, text, "the change changes nothing");
    files.insert(name.to_owned(), changed.into_bytes());
    Bundle::compile(&PolicyObject::from_files(&files)?)
}

fn faults(result: Result<Bundle, ContextError>) -> String {
    result.err().map_or_else(String::new, |error| error.to_string())
}

fn names(labels: &[Label]) -> Vec<&str> {
    labels.iter().map(Label::as_str).collect()
}

#[test]
fn with_nothing_else_known_a_standard_model_of_an_approved_vendor_is_followed() {
    let outcome = sample().evaluate([("model_class", "standard"), ("vendor_status", "approved")]);
    assert_eq!(outcome.class, OutcomeClass::Followed);
    assert_eq!(names(&outcome.missing), [""; 0]);
    assert_eq!(names(&outcome.rules), ["everyday-models"]);
    assert_eq!(names(&outcome.facts), ["model_class=standard", "vendor_status=approved"]);
}

#[test]
fn an_unapproved_vendor_lacks_the_repository_and_a_frontier_model_over_budget_the_work() {
    let bundle = sample();
    let vendor = bundle.evaluate([("model_class", "standard"), ("vendor_status", "unapproved")]);
    assert_eq!((vendor.class, names(&vendor.missing)), (OutcomeClass::Undecided, vec!["repo_sensitivity"]));
    let frontier = [("model_class", "frontier"), ("vendor_status", "approved"), ("budget_state", "over")];
    let budget = bundle.evaluate(frontier);
    assert_eq!((budget.class, names(&budget.missing)), (OutcomeClass::Undecided, vec!["work_class"]));
    // Without the budget either, both matter: architecture is allowed under budget and not over it.
    let neither = bundle.evaluate(frontier.into_iter().take(2));
    assert_eq!(names(&neither.missing), ["work_class", "budget_state"]);
}

/// Expected by reading rules.cedar, for a model of an approved vendor and known work and budget.
#[test]
fn the_rules_for_frontier_models_hold_for_every_work_and_budget() {
    let bundle = sample();
    for work in ["routine", "review", "architecture", "incident", "research", "ci"] {
        for budget in ["under", "near", "over"] {
            let facts = [
                ("model_class", "frontier"),
                ("vendor_status", "approved"),
                ("work_class", work),
                ("budget_state", budget),
            ];
            let hard = matches!(work, "architecture" | "incident" | "research");
            let allowed = hard && (budget != "over" || work == "incident");
            let expected = if allowed { OutcomeClass::Followed } else { OutcomeClass::Drifted };
            assert_eq!(bundle.evaluate(facts).class, expected, "{work} {budget}");
        }
    }
}

#[test]
fn a_denial_by_no_rule_is_a_hole_and_mixed_denials_are_undecided() {
    let bundle = sample();
    let hole = [("model_class", "light"), ("vendor_status", "trial"), ("repo_sensitivity", "restricted")];
    assert_eq!(bundle.evaluate(hole).class, OutcomeClass::NotCovered);
    // A frontier model of a vendor on trial: forbidden for routine work, spoken of by no rule for research.
    let mixed =
        bundle.evaluate([("model_class", "frontier"), ("vendor_status", "trial"), ("budget_state", "under")]);
    assert_eq!((mixed.class, names(&mixed.missing)), (OutcomeClass::Undecided, vec!["work_class"]));
    assert_eq!(names(&mixed.rules), [""; 0]);
}

#[test]
fn impossible_combinations_do_not_count_and_contradictions_decide_nothing() {
    let bundle = sample();
    // Any approved light model would be followed, but the bundle says that no consumer tool is approved.
    let light = [("model_class", "light"), ("vendor_status", "approved")];
    assert_eq!(bundle.evaluate(light).class, OutcomeClass::Followed);
    let contradiction = bundle.evaluate(light.into_iter().chain([("tool_tier", "consumer")]));
    assert_eq!(contradiction.class, OutcomeClass::Undecided);
    // On internal code the vendor matters, until an enterprise tool rules the unapproved ones out.
    let facts = [("model_class", "light"), ("tool_tier", "enterprise"), ("repo_sensitivity", "internal")];
    assert_eq!(names(&bundle.evaluate(facts).missing), ["vendor_status"]);
    let stricter = with("bundle.yaml", |text| {
        let more = "impossible:\n  - { tool_tier: [enterprise, team], vendor_status: unapproved }";
        text.replace("impossible:", more)
    });
    assert_eq!(stricter.unwrap().evaluate(facts).class, OutcomeClass::Followed);
}

#[test]
fn the_first_class_that_the_known_facts_allow_is_recommended() {
    let bundle = sample();
    let recommended = |facts: &[(&str, &str)]| {
        bundle.evaluate(facts.iter().copied()).recommended.clone().map(|class| class.to_string())
    };
    let drifted = [("model_class", "frontier"), ("vendor_status", "approved"), ("work_class", "routine")];
    assert_eq!(recommended(&drifted).as_deref(), Some("light"));
    assert_eq!(recommended(&[("vendor_status", "unapproved"), ("repo_sensitivity", "internal")]), None);
    assert_eq!(recommended(&[]), None);
}

#[test]
fn a_misspelt_attribute_names_the_rule() {
    let all = faults(with("rules.cedar", |text| {
        text.replace("context.repo_sensitivity == \"public\"", "context.repo_sensitivty == \"public\"")
    }));
    assert!(all.contains("unapproved-on-public-code") && all.contains("repo_sensitivty"), "{all}");
}

#[test]
fn a_misspelt_value_names_the_rule_too() {
    let all = faults(with("rules.cedar", |text| {
        text.replace("[\"routine\", \"review\", \"ci\"]", "[\"routin\", \"review\", \"ci\"]")
    }));
    assert_eq!(
        all,
        "rules.cedar: for policy `frontier-not-for-routine`, compares work_class with \"routin\", which bundle.yaml \
         does not list"
    );
    let all = faults(with("rules.cedar", |text| {
        text.replace("context.budget_state == \"over\"", "context.budget_state == \"ovr\"")
    }));
    assert!(all.contains("compares budget_state with \"ovr\""), "{all}");
}

#[test]
fn unreadable_rules_name_their_line() {
    let all = faults(with("rules.cedar", |text| text.replacen("permit (principal", "permt (principal", 1)));
    assert!(all.starts_with("rules.cedar: line 6: not readable as Cedar"), "{all}");
    let all = faults(with("rules.cedar", |text| text.replacen("@id(\"over-budget\")\n", "", 1)));
    assert!(all.contains("rule 4: has no @id"), "{all}");
    let all = faults(with("rules.cedar", |text| {
        text.replacen("@id(\"over-budget\")", "@id(\"trial-vendors\")", 1)
    }));
    assert!(all.contains("rule 5: has the @id `trial-vendors` of an earlier rule"), "{all}");
}

#[test]
fn a_bundle_whose_tests_fail_is_refused_with_what_differs() {
    let all = faults(with("tests.yaml", |text| {
        text.replacen(
            "verdict: followed, rules: [everyday-models], missing: []",
            "verdict: drifted, rules: [over-budget], missing: [work_class]",
            1,
        )
    }));
    assert_eq!(
        all.lines().collect::<Vec<_>>(),
        [
            "tests.yaml: tests[0] (a standard model of an approved vendor needs no further fact): expected drifted, the \
             rules say followed (by everyday-models)",
            "tests.yaml: tests[0] (a standard model of an approved vendor needs no further fact): expected the rules \
             [over-budget], they are [everyday-models]",
            "tests.yaml: tests[0] (a standard model of an approved vendor needs no further fact): expected the missing \
             facts [work_class], they are []",
        ]
    );
    let all = faults(with("tests.yaml", |text| text.replacen("model_class: light", "model_class: lite", 1)));
    assert!(all.contains("tests[1].facts.model_class: is no declared value"), "{all}");
    let all = faults(with("tests.yaml", |text| {
        text.replacen("{ verdict: followed, rules: [everyday-models], missing: [] }", "{ verdict: ~ }", 1)
    }));
    assert_eq!(all, "tests.yaml: tests[0].expect: expects nothing; state verdict, reason, rules or missing");
    let all = faults(with("tests.yaml", |text| {
        text.replacen("model_class: light", "model_class: light, actor_kind: robot", 1)
    }));
    assert!(all.contains("facts.actor_kind: must be one of person, service_account"), "{all}");
}

#[test]
fn broken_heads_and_catalogues_are_refused() {
    let head = |from: &'static str, to: &'static str| {
        faults(with("bundle.yaml", move |text| text.replacen(from, to, 1)))
    };
    assert!(head("effective: { from: 2026-11-01 }", "effective: {}").contains("effective.from: is missing"));
    assert!(head(", unlisted]", "]").contains("facts.resource.model_class: must list `unlisted`"));
    assert!(head("followed: 0.80", "followed: 1.80").contains("thresholds.followed: must be a number"));
    assert!(head("followed: 0.80", "followed: 0.40").contains("must be above 0.5"));
    assert!(head("owners:", "owner:").contains("unknown key `owner`"));
    assert!(head("    budget_state:", "    vendor_status:").contains("declared already"));
    let cell = |from: &'static str, to: &'static str| {
        faults(with("catalogue.csv", move |text| text.replacen(from, to, 1)))
    };
    assert_eq!(
        cell("haiku-5-5,light", "haiku-5-5,lite"),
        "catalogue.csv: line 2, model_class: is no value that bundle.yaml lists for this fact"
    );
    assert!(
        cell("claude-haiku-*,light,anthropic,approved,,,", "claude-haiku-*,light,anthropic,approved,,true,")
            .contains("line 5, reference: line 2 is the reference")
    );
    assert!(cell("reference,from", "referenc,from").contains("unknown column"));
    let mut files = sample_files();
    files.remove("rules.cedar");
    assert_eq!(
        PolicyObject::from_files(&files).unwrap_err().to_string(),
        "rules.cedar: is missing from the bundle"
    );
}

#[test]
fn too_many_combinations_are_refused_before_they_are_tried() {
    let many: Vec<String> = (0..60).map(|n| format!("v{n}")).collect();
    let all = faults(with("bundle.yaml", |text| {
        text.replace(
            "budget_state: [under, near, over]",
            &format!(
                "budget_state: [under, near, over]\n    extra: [{}]\n    more: [{}]",
                many.join(", "),
                many.join(", ")
            ),
        )
    }));
    assert!(all.starts_with("bundle.yaml: facts: span more than 200000 combinations"), "{all}");
}

#[test]
fn rules_may_tell_people_from_service_accounts() {
    let bundle = with("rules.cedar", |text| {
        format!(
            "{text}\n@id(\"no-robots\")\nforbid (principal is ModelLane::ServiceAccount, action, resource);\n"
        )
    });
    // The author's own tests now lack the kind of actor, and say so.
    assert!(faults(bundle).contains("missing actor_kind"));
    let mut files = sample_files();
    files.remove("tests.yaml");
    files
        .get_mut("rules.cedar")
        .unwrap()
        .extend(b"@id(\"no-robots\")\nforbid (principal is ModelLane::ServiceAccount, action, resource);\n");
    let bundle = Bundle::compile(&PolicyObject::from_files(&files).unwrap()).unwrap();
    let facts = [("model_class", "light"), ("vendor_status", "approved")];
    assert_eq!(names(&bundle.evaluate(facts).missing), ["actor_kind"]);
    assert_eq!(
        bundle.evaluate(facts.into_iter().chain([("actor_kind", "person")])).class,
        OutcomeClass::Followed
    );
    let robot = bundle.evaluate(facts.into_iter().chain([("actor_kind", "service_account")]));
    assert_eq!((robot.class, names(&robot.rules)), (OutcomeClass::Drifted, vec!["no-robots"]));
}

#[test]
fn the_most_specific_pattern_wins_and_a_tool_can_lower_a_vendor() {
    let bundle = sample();
    let at = modellane_event::Date::parse("2026-11-05").unwrap().start();
    let look = |model: &str, tool: &str| {
        let (model, tool) = (Label::new(model).ok(), Label::new(tool).ok());
        let listing = bundle.listing(model.as_ref(), tool.as_ref(), at);
        let text = |label: Option<&Label>| label.map(ToString::to_string);
        (
            listing.model_listed,
            text(listing.model_class),
            text(listing.vendor_status),
            text(listing.tool_tier),
        )
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(look("claude-opus-6", "cursor"), (true, some("frontier"), some("approved"), some("team")));
    assert_eq!(
        look("deepseek-v4", "copilot"),
        (true, some("standard"), some("unapproved"), some("enterprise"))
    );
    assert_eq!(look("mystery-1", "litellm"), (false, None, None, some("enterprise")));
    let general =
        with("catalogue.csv", |text| text.replacen('\n', "\nclaude-*,standard,anthropic,approved,,,,\n", 1));
    let opus = Label::literal("claude-opus-6");
    assert_eq!(
        general.unwrap().listing(Some(&opus), None, at).model_class,
        Some(&Label::literal("frontier"))
    );
    let late = modellane_event::Date::parse("2027-01-01").unwrap().start();
    let gemini = Label::literal("gemini-3.8-flash");
    assert!(bundle.listing(Some(&gemini), None, at).model_listed);
    assert!(!bundle.listing(Some(&gemini), None, late).model_listed);
    assert_eq!(bundle.reference_model("standard", at).map(Label::as_str), Some("claude-sonnet-5-5"));
}

#[test]
fn the_bundle_describes_itself() {
    let bundle = sample();
    assert_eq!((bundle.id().as_str(), bundle.version().as_str()), ("acme-guidance", "2026.11.1"));
    assert_eq!(bundle.vectors(), 4 * 3 * 3 * 3 * 6 * 3);
    let rule = bundle.rules().iter().find(|rule| rule.id.as_str() == "over-budget").unwrap();
    assert!(!rule.permits && rule.remedy.is_some() && rule.title.is_some());
    assert!(bundle.schema().contains("work_class: String, // routine | review"));
}

#[test]
fn line_ends_do_not_change_the_object() {
    let mut files = sample_files();
    let object = PolicyObject::from_files(&files).unwrap();
    for bytes in files.values_mut() {
        let text = String::from_utf8(bytes.clone()).unwrap();
        *bytes = format!("\u{feff}{}", text.replace('\n', "\r\n")).into_bytes();
    }
    files.insert("README.md".to_owned(), b"notes".to_vec());
    assert_eq!(PolicyObject::from_files(&files).unwrap(), object);
}
