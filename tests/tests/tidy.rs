//! Rules of the tree that no compiler checks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A heavy dependency and the only crates whose manifest may name it.
const NAMED_BY: &[(&str, &[&str])] = &[
    ("rdkafka", &["modellane-kafka", "modellane-tests"]),
    ("kafka-protocol", &["modellane-embedded-kafka"]),
    ("datafusion", &["modellane-query"]),
    ("datafusion-postgres", &["modellane-query"]),
    ("pgwire", &["modellane-query"]),
    ("object_store", &["modellane-lake"]),
    ("cedar-policy", &["modellane-judge"]),
    ("serde_avro_fast", &["modellane-schema"]),
    ("figment", &["modellane-runtime"]),
    ("clap", &["modellane", "modellane-tests"]),
    ("indicatif", &["modellane"]),
];

/// Crates that decide and do no input or output, and what would betray them.
const PURE: &[&str] = &["modellane-event", "modellane-ledger", "modellane-judge"];
const IMPURE: &[&str] = &["std::fs", "std::net", "std::env", "tokio::", "std::process"];

const LONGEST_FILE: usize = 500;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ has a parent").to_owned()
}

fn files(dir: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("a readable tree").flatten() {
        let path = entry.path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                files(&path, ending, found);
            }
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
}

fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    files(&root().join("services"), ".rs", &mut found);
    found.sort();
    found
        .into_iter()
        .map(|path| (path.clone(), std::fs::read_to_string(&path).expect("a text file")))
        .collect()
}

fn is_test(path: &Path) -> bool {
    let text = path.to_string_lossy();
    text.contains("/tests/")
        || text.ends_with("tests.rs")
        || text.contains("/examples/")
        || text.contains("/benches/")
}

/// The part of a file before its unit tests.
fn product_part(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or(text)
}

fn no_problems(problems: Vec<String>) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn each_heavy_dependency_is_named_by_one_crate() {
    let mut manifests = Vec::new();
    files(&root().join("services"), "Cargo.toml", &mut manifests);
    manifests.push(root().join("tests/Cargo.toml"));
    let mut problems = Vec::new();
    for manifest in manifests {
        let text = std::fs::read_to_string(&manifest).expect("a manifest");
        let folder =
            manifest.parent().and_then(Path::file_name).expect("a folder").to_string_lossy().into_owned();
        let krate = if folder == "tests" { "modellane-tests".to_owned() } else { folder };
        let product = text.split("[dev-dependencies]").next().unwrap_or(&text);
        for (dependency, allowed) in NAMED_BY {
            let named = product
                .lines()
                .any(|line| line.split(['.', ' ', '=']).next().is_some_and(|name| name == *dependency));
            if named && !allowed.contains(&krate.as_str()) {
                problems.push(format!("{krate} names {dependency}; only {allowed:?} may"));
            }
        }
    }
    no_problems(problems);
}

#[test]
fn a_folder_is_named_like_its_crate() {
    let mut manifests = Vec::new();
    files(&root().join("services"), "Cargo.toml", &mut manifests);
    let wrong = manifests.iter().filter(|manifest| {
        let folder =
            manifest.parent().and_then(Path::file_name).expect("a folder").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(manifest).expect("a manifest");
        !text.contains(&format!("name = \"{folder}\""))
    });
    no_problems(wrong.map(|path| format!("{} has another package name", path.display())).collect());
}

#[test]
fn files_stay_short() {
    let long = sources().into_iter().filter(|(path, _)| !is_test(path)).filter_map(|(path, text)| {
        let lines = product_part(&text).lines().count();
        (lines > LONGEST_FILE).then(|| format!("{}: {lines} lines, {LONGEST_FILE} at most", path.display()))
    });
    no_problems(long.collect());
}

#[test]
fn clock_and_randomness_live_in_the_runtime() {
    let banned = ["Utc::now", "SystemTime::now", "rand::random", "thread_rng", "rand::rng()", "Uuid::new_v4"];
    // The embedded broker is an adapter that knows no other crate; its clock is one file.
    let exempt = ["services/modellane-runtime/", "services/modellane-embedded-kafka/src/time.rs"];
    let mut problems = Vec::new();
    for (path, text) in sources() {
        let shown = path.display().to_string();
        if is_test(&path) || exempt.iter().any(|part| shown.contains(part)) {
            continue;
        }
        let found = banned.iter().filter(|word| product_part(&text).contains(**word));
        problems.extend(found.map(|word| format!("{shown} uses {word}; take it from modellane-runtime")));
    }
    no_problems(problems);
}

#[test]
fn pure_crates_do_no_input_or_output() {
    let mut problems = Vec::new();
    for (path, text) in sources() {
        let shown = path.display().to_string();
        if is_test(&path) || !PURE.iter().any(|krate| shown.contains(&format!("services/{krate}/"))) {
            continue;
        }
        let found = IMPURE.iter().filter(|word| product_part(&text).contains(**word));
        problems.extend(found.map(|word| format!("{shown} uses {word}")));
    }
    no_problems(problems);
}

#[test]
fn the_root_holds_what_it_should() {
    let allowed = [
        "Cargo.toml",
        "Cargo.lock",
        "services",
        "schemas",
        "deploy",
        "helm",
        "tests",
        "README.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "LICENSE",
        "target",
    ];
    let extra = std::fs::read_dir(root()).expect("a readable root").flatten().filter_map(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        (!name.starts_with('.') && !allowed.contains(&name.as_str()))
            .then(|| format!("{name} stands at the root"))
    });
    no_problems(extra.collect());
}

#[test]
fn every_invariant_is_named_in_code_and_in_the_architecture() {
    let architecture = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let code: String = sources().into_iter().map(|(_, text)| text).collect();
    let mut missing: BTreeMap<String, &str> = BTreeMap::new();
    for number in 1..=11 {
        let name = format!("I{number}");
        let has = |text: &str| text.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == name);
        if !has(&architecture) {
            missing.insert(name.clone(), "ARCHITECTURE.md");
        } else if !has(&code) {
            missing.insert(name.clone(), "the code");
        }
    }
    no_problems(missing.into_iter().map(|(name, place)| format!("{name} is not named in {place}")).collect());
}
