//! Request bodies: encodings, and limits that a bomb cannot pass.

use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use std::io::Read;

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

/// Decompresses up to a limit: 413 beyond it, 400 for what is not in the stated encoding.
pub(crate) fn decompress(body: Bytes, encoding: Encoding, limit: usize) -> Result<Bytes, StatusCode> {
    let out = match encoding {
        Encoding::Identity => {
            return if body.len() > limit { Err(StatusCode::PAYLOAD_TOO_LARGE) } else { Ok(body) };
        }
        Encoding::Gzip => read_up_to(flate2::read::MultiGzDecoder::new(&body[..]), limit),
        Encoding::Zstd => match zstd::stream::read::Decoder::new(&body[..]) {
            Ok(decoder) => read_up_to(decoder, limit),
            Err(_) => Err(StatusCode::BAD_REQUEST),
        },
    };
    out.map(Bytes::from)
}

fn read_up_to(reader: impl Read, limit: usize) -> Result<Vec<u8>, StatusCode> {
    let mut out = Vec::new();
    let mut reader = reader.take(limit as u64 + 1);
    reader.read_to_end(&mut out).map_err(|_| StatusCode::BAD_REQUEST)?;
    if out.len() > limit { Err(StatusCode::PAYLOAD_TOO_LARGE) } else { Ok(out) }
}
