//! A look at a request's shape before it is decoded.
//!
//! The decoder reserves memory for as many elements as an array claims to have. A frame of a few bytes
//! could thus ask for gigabytes and end the process, so every array is first checked against the bytes
//! that are really there. The same table says which versions are served: all of them older than the
//! "flexible" encoding, whose layout is plain.

use kafka_protocol::messages::ApiKey;

/// More elements than any honest request of this product's size has.
const MAX_ELEMENTS: usize = 100_000;

/// The layout of some versions of a request. `b`, `h`, `i`, `l`: integers of 1, 2, 4, 8 bytes;
/// `s`: text with a 2-byte length; `y`: bytes with a 4-byte length; `[...]`: an array of that.
pub(crate) type Layout = (ApiKey, i16, i16, &'static str);

/// All layouts; the versions of a request stand together, lowest first.
pub(crate) const LAYOUTS: &[Layout] = &[
    (ApiKey::Produce, 3, 8, "shi[s[iy]]"),
    (ApiKey::Fetch, 4, 4, "iiiib[s[ili]]"),
    (ApiKey::Fetch, 5, 6, "iiiib[s[illi]]"),
    (ApiKey::Fetch, 7, 8, "iiiibii[s[illi]][s[i]]"),
    (ApiKey::Fetch, 9, 10, "iiiibii[s[iilli]][s[i]]"),
    (ApiKey::Fetch, 11, 11, "iiiibii[s[iilli]][s[i]]s"),
    (ApiKey::ListOffsets, 1, 1, "i[s[il]]"),
    (ApiKey::ListOffsets, 2, 3, "ib[s[il]]"),
    (ApiKey::ListOffsets, 4, 5, "ib[s[iil]]"),
    (ApiKey::Metadata, 0, 3, "[s]"),
    (ApiKey::Metadata, 4, 7, "[s]b"),
    (ApiKey::Metadata, 8, 8, "[s]bbb"),
    (ApiKey::OffsetCommit, 2, 4, "sisl[s[ils]]"),
    (ApiKey::OffsetCommit, 5, 5, "sis[s[ils]]"),
    (ApiKey::OffsetCommit, 6, 6, "sis[s[ilis]]"),
    (ApiKey::OffsetFetch, 1, 5, "s[s[i]]"),
    (ApiKey::FindCoordinator, 0, 0, "s"),
    (ApiKey::FindCoordinator, 1, 2, "sb"),
    (ApiKey::JoinGroup, 0, 0, "siss[sy]"),
    (ApiKey::JoinGroup, 1, 4, "siiss[sy]"),
    (ApiKey::Heartbeat, 0, 2, "sis"),
    (ApiKey::LeaveGroup, 0, 2, "ss"),
    (ApiKey::SyncGroup, 0, 2, "sis[sy]"),
    (ApiKey::DescribeGroups, 0, 2, "[s]"),
    (ApiKey::DescribeGroups, 3, 4, "[s]b"),
    (ApiKey::ListGroups, 0, 2, ""),
    (ApiKey::CreateTopics, 2, 4, "[sih[i[i]][ss]]ib"),
    (ApiKey::DeleteTopics, 1, 3, "[s]i"),
    (ApiKey::InitProducerId, 0, 1, "si"),
    (ApiKey::DescribeConfigs, 1, 2, "[bs[s]]b"),
    (ApiKey::DescribeConfigs, 3, 3, "[bs[s]]bb"),
    (ApiKey::CreatePartitions, 0, 1, "[si[[i]]]ib"),
];

/// The versions of `ApiVersions`; its body has no arrays and is read leniently.
pub(crate) const API_VERSIONS: (i16, i16) = (0, 3);

/// What is served: request, lowest and highest version.
pub(crate) fn served() -> Vec<(ApiKey, i16, i16)> {
    let mut all = vec![(ApiKey::ApiVersions, API_VERSIONS.0, API_VERSIONS.1)];
    for &(api, low, high, _) in LAYOUTS {
        match all.last_mut() {
            // The table lists the versions of a request without gaps, lowest first.
            Some(last) if last.0 as i16 == api as i16 => last.2 = high,
            _ => all.push((api, low, high)),
        }
    }
    all
}

/// Whether the body of a request has the shape of a version that is served.
pub(crate) fn well_formed(api: ApiKey, version: i16, body: &[u8]) -> bool {
    let layout = LAYOUTS
        .iter()
        .find(|(key, low, high, _)| *key as i16 == api as i16 && (*low..=*high).contains(&version));
    let Some((_, _, _, layout)) = layout else { return false };
    let mut rest = body;
    walk(layout.as_bytes(), &mut rest).is_some() && rest.is_empty()
}

fn walk(mut layout: &[u8], rest: &mut &[u8]) -> Option<()> {
    while let Some((&field, after)) = layout.split_first() {
        layout = after;
        match field {
            b'b' => skip(rest, 1)?,
            b'h' => skip(rest, 2)?,
            b'i' => skip(rest, 4)?,
            b'l' => skip(rest, 8)?,
            b's' => {
                let length = i64::from(i16::from_be_bytes(take(rest)?));
                skip(rest, length.max(0) as usize)?;
            }
            b'y' => {
                let length = i64::from(i32::from_be_bytes(take(rest)?));
                skip(rest, length.max(0) as usize)?;
            }
            b'[' => {
                let (element, after) = layout.split_at_checked(closing(layout)?)?;
                layout = after.get(1..)?;
                // A missing array counts as an empty one.
                let count = i32::from_be_bytes(take(rest)?).max(0) as usize;
                if count > MAX_ELEMENTS {
                    return None;
                }
                for _ in 0..count {
                    walk(element, rest)?;
                }
            }
            _ => return None,
        }
    }
    Some(())
}

/// Where the bracket that is open at the beginning closes.
pub(crate) fn closing(layout: &[u8]) -> Option<usize> {
    let mut depth = 1;
    layout.iter().position(|field| {
        match field {
            b'[' => depth += 1,
            b']' => depth -= 1,
            _ => {}
        }
        depth == 0
    })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

fn skip(rest: &mut &[u8], length: usize) -> Option<()> {
    *rest = rest.get(length..)?;
    Some(())
}

#[cfg(test)]
mod tests;
