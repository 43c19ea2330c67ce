//! A producer's retry: no client library can be told to send a batch twice.

use anyhow::{Result, ensure};

use super::wire::{self, batch, new_producer};
use super::{create_topic, read_topic, unique};

const OUT_OF_ORDER: i16 = 45;
const CORRUPT: i16 = 2;

/// A batch that is sent again is acknowledged with its first offset and stored once; a gap is refused.
pub async fn check_duplicate_batches(bootstrap: &str) -> Result<()> {
    let topic = unique("twice");
    create_topic(bootstrap, &topic, 1).await?;
    let mut stream = wire::connect(bootstrap, &topic)?;
    let producer = new_producer(&mut stream)?;
    let mut produce =
        |sequence, value: &[u8]| wire::produce(&mut stream, &topic, &batch(producer, sequence, value));
    ensure!(produce(0, b"zero")? == (0, 0), "the first batch");
    ensure!(produce(1, b"one")? == (0, 1), "the second batch");
    ensure!(produce(1, b"one")? == (0, 1), "the second batch, sent again, is not recognised");
    ensure!(produce(0, b"zero")? == (0, 0), "the first batch, sent again, is not recognised");
    ensure!(produce(3, b"gap")?.0 == OUT_OF_ORDER, "a gap in the sequence is not refused");
    ensure!(produce(2, b"two")? == (0, 2), "the batch that was missing");
    let mut damaged = batch(producer, 3, b"three");
    if let Some(last) = damaged.last_mut() {
        *last ^= 1;
    }
    ensure!(wire::produce(&mut stream, &topic, &damaged)?.0 == CORRUPT, "a damaged batch is not refused");
    let values: Vec<_> = read_topic(bootstrap, &topic, 1)?.into_iter().map(|seen| seen.value).collect();
    ensure!(values == [b"zero".to_vec(), b"one".to_vec(), b"two".to_vec()], "stored: {values:?}");
    Ok(())
}
