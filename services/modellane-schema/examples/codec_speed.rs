//! Nanoseconds per encoded message, decoded message and appended row, on one thread:
//! `cargo run --release -p modellane-schema --example codec_speed`.

#[path = "../tests/it/sample.rs"]
mod sample;

use modellane_schema::{AvroCodec, LedgerBatchBuilder, judged_codec, usage_codec};
use serde::{Serialize, de::DeserializeOwned};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Runs of each measurement; the fastest is the one that other processes disturbed least.
const RUNS: usize = 9;
const REPEATS: u32 = 20_000;

fn fastest(mut run: impl FnMut()) -> Duration {
    let timed = (0..RUNS).map(|_| {
        let start = Instant::now();
        run();
        start.elapsed()
    });
    timed.min().unwrap_or_default() / REPEATS
}

fn codec<T: Serialize + DeserializeOwned>(name: &str, codec: AvroCodec<T>, value: &T) -> anyhow::Result<()> {
    let mut bytes = Vec::new();
    codec.encode(value, &mut bytes)?;
    println!("{name}: {} bytes", bytes.len());
    let mut out = Vec::with_capacity(bytes.len());
    let encode = fastest(|| {
        for _ in 0..REPEATS {
            out.clear();
            let _ = black_box(codec.encode(black_box(value), &mut out));
        }
    });
    let decode = fastest(|| {
        for _ in 0..REPEATS {
            let _ = black_box(codec.decode(black_box(&bytes)));
        }
    });
    println!("  encode {:>6} ns", encode.as_nanos());
    println!("  decode {:>6} ns", decode.as_nanos());
    Ok(())
}

fn main() -> anyhow::Result<()> {
    let event = sample::judged();
    let stamp = sample::stamp();
    codec("usage event", usage_codec(), &event.usage)?;
    codec("judged event", judged_codec(), &event)?;
    let append = fastest(|| {
        let mut builder = LedgerBatchBuilder::with_capacity(REPEATS as usize);
        for _ in 0..REPEATS {
            builder.append(black_box(&event), black_box(&stamp));
        }
        let _ = black_box(builder.finish());
    });
    println!("ledger row\n  append {:>6} ns, the batch's finish included", append.as_nanos());
    Ok(())
}
