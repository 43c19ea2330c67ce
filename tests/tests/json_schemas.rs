//! The JSON Schemas of the configuration files take and refuse what the product takes and refuses.

use anyhow::Result;
use modellane_tests::clients::client;
use modellane_tests::instance::{Instance, binary, skip};
use std::ffi::OsStr;

const COMMIT_MS: u64 = 15_000;

fn lacks_python(what: &str) -> bool {
    let lacks = std::env::var_os("MODELLANE_TEST_PYTHON").is_none();
    if lacks {
        skip(what, "needs MODELLANE_TEST_PYTHON with jsonschema and PyYAML, as tests/run sets it");
    }
    lacks
}

#[test]
fn the_schemas_take_the_sample_organisation_and_refuse_damaged_files() -> Result<()> {
    if lacks_python("JSON Schemas") {
        return Ok(());
    }
    client("json_schemas.py", &[]).map(drop)
}

#[test]
fn the_schemas_and_the_product_agree_on_every_file() -> Result<()> {
    let what = "JSON Schemas beside the product";
    if lacks_python(what) {
        return Ok(());
    }
    let Some(binary) = binary() else {
        skip(what, "build the binary with `cargo build -p modellane`");
        return Ok(());
    };
    let dir = tempfile::tempdir()?;
    let instance = Instance::start(&binary, &dir.path().join("data"), COMMIT_MS, &dir.path().join("log"))?;
    let collector = OsStr::new(&instance.addresses.collector);
    client("json_schemas.py", &[binary.as_os_str(), collector])?;
    instance.stop()
}
