//! An S3 server on this machine for developers: `s3-server DIR`, until Ctrl-C.

use std::path::PathBuf;

use anyhow::{Error, Result};
use clap::Parser;
use modellane_tests::servers::s3::{self, Server};

/// Runs an S3 server on this machine until Ctrl-C.
#[derive(Parser)]
struct Arguments {
    /// Where it keeps its data; the same directory gives the same objects and credentials again.
    #[arg(required_unless_present = "install")]
    dir: Option<PathBuf>,
    /// Only brings the server into the cache, or says what this machine lacks.
    #[arg(long, conflicts_with = "dir")]
    install: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let Some(dir) = Arguments::parse().dir else {
        s3::availability().map_err(Error::msg)?;
        return s3::install().map(drop);
    };
    let server = Server::start(&dir)?;
    println!("# pid {}, log {}", server.process()?.pid(), server.log().display());
    println!("export MODELLANE__LAKE__URL={}", server.url("lake"));
    for (name, value) in server.options(&server.endpoint()) {
        println!("export {}={value}", name.to_uppercase());
    }
    modellane_tests::servers::until_interrupted().await?;
    server.stop()
}
