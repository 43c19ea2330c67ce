//! Events a CPU-second of the sink, by itself and against a sink without an index.

#[path = "../../tests/it/support/mod.rs"]
mod support;

mod index_ratio;
mod new_events;

use anyhow::{Result, bail};

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let what = args.next();
    let mut number = |default| args.next().map_or(Ok(default), |text| text.parse());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match what.as_deref() {
        Some("new-events") => runtime.block_on(new_events::measure(number(1_000_000)?)),
        Some("index-ratio") => runtime.block_on(index_ratio::measure(number(200_000)?, number(5)?)),
        _ => bail!("say `new-events [COUNT]` or `index-ratio [EVENTS [ROUNDS]]`"),
    }
}
