//! An S3 server on this machine for developers: `s3-server DIR`, until Ctrl-C.

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use modellane_tests::servers::s3::Server;

/// Runs an S3 server on this machine until Ctrl-C.
#[derive(Parser)]
struct Arguments {
    /// Where it keeps its data; the same directory gives the same objects and credentials again.
    dir: PathBuf,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let server = Server::start(&Arguments::parse().dir)?;
    println!("# pid {}, log {}", server.process()?.pid(), server.log().display());
    println!("export MODELLANE__LAKE__URL={}", server.url("lake"));
    for (name, value) in server.options(&server.endpoint()) {
        let name = name.to_uppercase();
        println!("export {name}={value} MODELLANE__LAKE__OPTIONS__{name}={value}");
    }
    modellane_tests::servers::until_interrupted().await?;
    server.stop()
}
