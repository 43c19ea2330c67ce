//! Request bodies: encodings, and limits that a bomb cannot pass.

use super::budget::{Full, Held};
use axum::extract::Request;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use futures::StreamExt;
use std::io::Read;

/// What an unpacked body is charged with: itself, and as much again for the messages that are made of it.
pub(crate) const WORK: usize = 2;
/// Bytes that are unpacked before room for them is asked for.
const STEP: usize = 256 << 10;
/// The largest window of a zstd frame, as a power of two: what every decoder should take by its
/// specification (RFC 8878, 8 MiB). A frame could ask for gigabytes.
const ZSTD_WINDOW_LOG: u32 = 23;

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Identity,
    Gzip,
    Zstd,
}

/// The body's encoding, or 415 for one that is not understood.
pub(crate) fn encoding(headers: &HeaderMap) -> Result<Encoding, StatusCode> {
    match headers.get(CONTENT_ENCODING).map(|value| value.to_str().unwrap_or("?").trim()) {
        None | Some("" | "identity") => Ok(Encoding::Identity),
        Some("gzip" | "x-gzip") => Ok(Encoding::Gzip),
        Some("zstd") => Ok(Encoding::Zstd),
        Some(_) => Err(StatusCode::UNSUPPORTED_MEDIA_TYPE),
    }
}

/// The media type without its parameters, in lower case; empty if there is none.
pub(crate) fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    value.split(';').next().unwrap_or("").trim().to_ascii_lowercase()
}

/// Whether the media type can carry a vendor's export.
pub(crate) fn carries_records(media_type: &str) -> bool {
    matches!(
        media_type,
        "" | "application/json"
            | "application/x-ndjson"
            | "application/ndjson"
            | "application/jsonl"
            | "application/x-jsonlines"
            | "text/csv"
            | "text/plain"
            | "application/octet-stream"
            // What curl says when nobody tells it anything.
            | "application/x-www-form-urlencoded"
    )
}

/// Why a body was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// For what it is.
    Status(StatusCode),
    /// For what others hold.
    Full(Full),
}

impl From<Full> for Refusal {
    fn from(full: Full) -> Self {
        Self::Full(full)
    }
}

const TOO_LARGE: Refusal = Refusal::Status(StatusCode::PAYLOAD_TOO_LARGE);
const UNREADABLE: Refusal = Refusal::Status(StatusCode::BAD_REQUEST);

/// Reads a body as it is sent, up to a limit. One that states its length has room for all of it or is refused
/// before it is read.
pub(crate) async fn read_body(
    request: Request,
    encoding: Encoding,
    limit: usize,
    held: &mut Held,
) -> Result<Bytes, Refusal> {
    // A compressed body is gone once it is unpacked.
    let charge = if encoding == Encoding::Identity { WORK } else { 1 };
    let stated = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let stated: usize = stated.unwrap_or(0);
    if stated > limit {
        return Err(TOO_LARGE);
    }
    held.grow(stated * charge)?;
    let mut body = Vec::with_capacity(stated);
    let mut chunks = request.into_body().into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| UNREADABLE)?;
        if body.len() + chunk.len() > limit {
            return Err(TOO_LARGE);
        }
        held.grow((body.len() + chunk.len()).saturating_sub(stated.max(body.len())) * charge)?;
        body.extend_from_slice(&chunk);
    }
    Ok(Bytes::from(body))
}

/// Decompresses up to a limit: 413 beyond it, 400 for what is not in the stated encoding. Blocks.
pub(crate) fn decompress(
    body: Bytes,
    encoding: Encoding,
    limit: usize,
    held: &mut Held,
) -> Result<Bytes, Refusal> {
    let out = match encoding {
        Encoding::Identity => return if body.len() > limit { Err(TOO_LARGE) } else { Ok(body) },
        Encoding::Gzip => read_up_to(flate2::read::MultiGzDecoder::new(&body[..]), limit, held),
        Encoding::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::new(&body[..]).map_err(|_| UNREADABLE)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(|_| UNREADABLE)?;
            read_up_to(decoder, limit, held)
        }
    };
    out.map(Bytes::from)
}

fn read_up_to(mut reader: impl Read, limit: usize, held: &mut Held) -> Result<Vec<u8>, Refusal> {
    let mut out = Vec::new();
    loop {
        let read = (&mut reader).take(STEP as u64).read_to_end(&mut out).map_err(|_| UNREADABLE)?;
        if out.len() > limit {
            return Err(TOO_LARGE);
        }
        held.grow(read * WORK)?;
        if read < STEP {
            return Ok(out);
        }
    }
}
