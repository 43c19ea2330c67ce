use super::*;
use crate::Lake;

fn with_option(key: &str, value: &str) -> LakeConfig {
    let options = BTreeMap::from([(key.to_owned(), value.to_owned())]);
    LakeConfig { url: "s3://bucket/lake".into(), options }
}

#[test]
fn options_that_give_up_atomic_commits_are_refused() {
    for (key, value) in [
        ("AWS_S3_ALLOW_UNSAFE_RENAME", "true"),
        ("allow_unsafe_rename", "true"),
        ("aws_conditional_put", "disabled"),
    ] {
        assert!(matches!(with_option(key, value).root(), Err(LakeError::Config(_))), "{key}");
    }
    assert!(with_option("aws_conditional_put", "etag").root().is_ok());
}

#[test]
fn every_kind_of_place_becomes_a_url() {
    let root = tempfile::tempdir().unwrap();
    let directory = LakeConfig::directory(&root.path().join("a b/lake")).root().unwrap();
    assert!(directory.as_str().ends_with("/a%20b/lake/"), "{directory}");
    assert!(root.path().join("a b/lake").is_dir());
    let url = LakeConfig { url: directory.to_string(), options: BTreeMap::new() };
    assert_eq!(url.root().unwrap(), directory);
    assert_eq!(with_option("aws_region", "eu-west-1").root().unwrap().as_str(), "s3://bucket/lake/");
}

#[test]
fn stores_of_all_vendors_open_without_a_network() {
    for (url, key, value) in [
        ("s3://bucket/lake", "aws_region", "eu-west-1"),
        ("gs://bucket/lake", "google_skip_signature", "true"),
        ("az://container/lake", "azure_storage_account_name", "acme"),
    ] {
        let options = BTreeMap::from([(key.to_owned(), value.to_owned())]);
        let lake = Lake::open(&LakeConfig { url: url.into(), options });
        assert!(lake.is_ok(), "{url}: {}", lake.unwrap_err());
    }
    let unknown = LakeConfig { url: "ftp://host/lake".into(), options: BTreeMap::new() };
    assert!(matches!(Lake::open(&unknown), Err(LakeError::Config(_))));
}

#[test]
fn a_place_that_cannot_be_a_directory_is_said_plainly() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let error = LakeConfig::directory(&file.join("lake")).root().unwrap_err();
    assert!(error.to_string().contains("create the lake directory"), "{error}");
}
