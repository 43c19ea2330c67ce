//! Rules of the tree that no compiler checks.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A heavy dependency, and who names it.
struct Heavy {
    dependency: &'static str,
    /// All crates that name it, and the only ones that may.
    product: &'static [&'static str],
    /// The same for tests and benchmarks alone.
    tests: &'static [&'static str],
}

const fn heavy(
    dependency: &'static str,
    product: &'static [&'static str],
    tests: &'static [&'static str],
) -> Heavy {
    Heavy { dependency, product, tests }
}

const HEAVY: &[Heavy] = &[
    heavy("rdkafka", &["modellane-kafka", "modellane-tests"], &[]),
    heavy("kafka-protocol", &["modellane-embedded-kafka"], &[]),
    heavy("datafusion", &["modellane-query"], &[]),
    heavy("datafusion-postgres", &["modellane-query"], &[]),
    heavy("pgwire", &["modellane-query"], &[]),
    heavy("tokio-postgres", &[], &["modellane-query"]),
    // The whole of it brings DataFusion to whoever names it; its core does not.
    heavy("deltalake", &[], &[]),
    heavy("deltalake-core", &["modellane-lake", "modellane-query"], &[]),
    heavy("object_store", &["modellane-lake"], &[]),
    heavy("parquet", &["modellane-lake"], &["modellane-maintenance", "modellane-sink"]),
    // Batches are what schema, sink, lake, maintenance and the binary's tables have in common.
    heavy(
        "arrow",
        &["modellane", "modellane-lake", "modellane-maintenance", "modellane-schema", "modellane-sink"],
        &[],
    ),
    heavy("serde_avro_fast", &["modellane-schema"], &[]),
    heavy("apache-avro", &[], &["modellane-schema"]),
    // Whoever serves HTTP.
    heavy(
        "axum",
        &["modellane", "modellane-collector", "modellane-query", "modellane-runtime"],
        &["modellane-kafka", "modellane-processor"],
    ),
    heavy("cedar-policy", &["modellane-judge"], &[]),
    heavy("figment", &["modellane-runtime"], &[]),
    heavy("clap", &["modellane", "modellane-tests"], &[]),
    heavy("indicatif", &["modellane"], &[]),
    heavy("comfy-table", &["modellane"], &[]),
];

/// Crates that decide and do no input or output, and what would betray them.
const PURE: &[&str] = &["modellane-event", "modellane-ledger", "modellane-judge"];
const IMPURE: &[&str] = &["std::fs", "std::net", "std::env", "tokio::", "std::process"];

/// A file and what it takes from the machine itself.
struct Exception {
    path: &'static str,
    words: &'static [&'static str],
    reason: &'static str,
}

const CLOCKS: &[&str] = &[
    "Utc::now",
    "SystemTime::now",
    "Instant::now",
    "rand::random",
    "thread_rng",
    "rand::rng()",
    "Uuid::new_v4",
];

const OWN_CLOCKS: &[Exception] = &[
    Exception {
        path: "services/modellane-embedded-kafka/src/time.rs",
        words: &["Instant::now", "SystemTime::now"],
        reason: "the broker is an adapter that knows no other crate; its clocks are one file",
    },
    Exception {
        path: "services/modellane-embedded-kafka/src/api/fetch.rs",
        words: &["Instant::now"],
        reason: "the deadline of a timer of tokio is a time of tokio's own clock",
    },
    Exception {
        path: "services/modellane-query/src/query/million.rs",
        words: &["Instant::now"],
        reason: "a measurement, compiled for tests alone",
    },
];

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

/// What a manifest depends on: the product, and tests and benchmarks alone.
#[derive(Default)]
struct Dependencies {
    product: BTreeSet<String>,
    tests: BTreeSet<String>,
}

impl Dependencies {
    fn of(manifest: &str) -> Self {
        let mut found = Self::default();
        let mut section = "";
        for line in manifest.lines() {
            let named = if let Some(header) = line.strip_prefix('[') {
                section = header.trim_end_matches(']');
                // A dependency may be a section of its own.
                section.split_once("dependencies.").map(|(_, name)| name)
            } else if let Some((_, rest)) = line.split_once("package = \"").filter(|_| section != "package") {
                rest.split('"').next()
            } else {
                line.split(['.', ' ', '=']).next().filter(|_| section.ends_with("dependencies"))
            };
            let names = if section.starts_with("dev-") { &mut found.tests } else { &mut found.product };
            names.extend(named.map(str::to_owned));
        }
        found
    }
}

#[test]
fn each_heavy_dependency_is_named_where_it_should() {
    let mut manifests = Vec::new();
    files(&root().join("services"), "Cargo.toml", &mut manifests);
    manifests.push(root().join("tests/Cargo.toml"));
    let mut product: BTreeSet<(String, String)> = BTreeSet::new();
    let mut tests = BTreeSet::new();
    for manifest in manifests {
        let text = std::fs::read_to_string(&manifest).expect("a manifest");
        let folder =
            manifest.parent().and_then(Path::file_name).expect("a folder").to_string_lossy().into_owned();
        let krate = if folder == "tests" { "modellane-tests".to_owned() } else { folder };
        let found = Dependencies::of(&text);
        product.extend(found.product.into_iter().map(|name| (name, krate.clone())));
        tests.extend(found.tests.into_iter().map(|name| (name, krate.clone())));
    }
    let mut problems = Vec::new();
    for Heavy { dependency, product: in_product, tests: in_tests } in HEAVY {
        for (named, allowed, what) in [(&product, in_product, "product"), (&tests, in_tests, "tests")] {
            let named = named.iter().filter(|(name, _)| name == dependency).map(|(_, krate)| krate.as_str());
            let (named, allowed): (BTreeSet<_>, BTreeSet<_>) =
                (named.collect(), allowed.iter().copied().collect());
            let more = named
                .difference(&allowed)
                .map(|krate| format!("{krate} must not name {dependency} ({what})"));
            let less = allowed
                .difference(&named)
                .map(|krate| format!("{krate} need not name {dependency} ({what})"));
            problems.extend(more.chain(less));
        }
    }
    no_problems(problems);
}

#[test]
fn dependencies_are_found_however_they_are_written() {
    let manifest = "[package]\nname = \"a\"\n[dependencies]\nb.workspace = true\nc = { version = \"1\" }\n\
                    short = { package = \"d\", version = \"1\" }\n[dependencies.e]\nversion = \"1\"\n\
                    [target.'cfg(unix)'.dependencies]\nf = \"1\"\n[dev-dependencies]\ng = \"1\"\n\
                    [features]\nh = []\n";
    let found = Dependencies::of(manifest);
    for name in ["b", "c", "d", "e", "f"] {
        assert!(found.product.contains(name), "{name} was not found");
    }
    assert!(found.tests.contains("g") && !found.product.contains("g"));
    assert!(!found.product.contains("h") && !found.product.contains("name"));
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
    let mut found = Vec::new();
    files(&root().join("services"), ".rs", &mut found);
    for ending in [".rs", ".py"] {
        files(&root().join("tests"), ending, &mut found);
    }
    let long = found.into_iter().filter_map(|path| {
        let text = std::fs::read_to_string(&path).expect("a text file");
        let lines = product_part(&text).lines().count();
        (lines > LONGEST_FILE).then(|| format!("{}: {lines} lines, {LONGEST_FILE} at most", path.display()))
    });
    no_problems(long.collect());
}

#[test]
fn clock_and_randomness_live_in_the_runtime() {
    let mut problems = Vec::new();
    for (path, text) in sources() {
        let shown = path.display().to_string();
        if is_test(&path) || shown.contains("services/modellane-runtime/") {
            continue;
        }
        let exception = OWN_CLOCKS.iter().find(|exception| shown.ends_with(exception.path));
        let excepted = |word: &&str| exception.is_some_and(|exception| exception.words.contains(word));
        let found = CLOCKS.iter().filter(|word| product_part(&text).contains(**word) && !excepted(word));
        problems.extend(found.map(|word| format!("{shown} uses {word}; take it from modellane-runtime")));
    }
    no_problems(problems);
}

#[test]
fn an_exception_is_used_and_has_its_reason() {
    let sources = sources();
    let unused = OWN_CLOCKS.iter().flat_map(|exception| {
        let text = sources.iter().find(|(path, _)| path.ends_with(exception.path)).map(|(_, text)| text);
        let used =
            move |word: &str| text.is_some_and(|text| text.contains(word)) && !exception.reason.is_empty();
        exception.words.iter().filter(move |word| !used(word)).map(|word| (exception.path, word))
    });
    no_problems(unused.map(|(path, word)| format!("{path} needs no exception for {word}")).collect());
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
