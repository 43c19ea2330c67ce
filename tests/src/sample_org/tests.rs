use super::*;
use std::path::Path;

fn repository(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

#[test]
fn the_folder_is_what_the_generator_writes() {
    let organisation = SampleOrg::generate(DEFAULT_SEED);
    let found = Files::read_from(&repository("deploy/demo")).unwrap();
    let differing: Vec<_> = organisation
        .files
        .iter()
        .filter(|(path, bytes)| !found.iter().any(|file| file == (*path, *bytes)))
        .map(|(path, _)| path)
        .collect();
    assert!(differing.is_empty(), "run generate_sample_org; these differ: {differing:?}");
    assert!(found == organisation.files, "run generate_sample_org; the folder holds other files too");
    let totals = std::fs::read_to_string(repository("tests/expected/demo_totals.json")).unwrap();
    assert!(totals == organisation.totals, "run generate_sample_org; the totals differ");
}

#[test]
fn another_seed_is_another_organisation() {
    assert_ne!(SampleOrg::generate(1).totals, SampleOrg::generate(2).totals);
}
