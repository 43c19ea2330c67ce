use super::*;
use modellane_event::{ContentHash, EventId, UtcTime};
use modellane_ledger::{Content, JudgementVersion, Observation};

fn id(first: u8, last: u8) -> EventId {
    let mut bytes = [first; 16];
    bytes[15] = last;
    EventId(bytes)
}

const fn place(file: u32, row: u32) -> RowPlace {
    RowPlace { file, row }
}

#[test]
fn events_with_one_fingerprint_stay_apart() {
    let mut page = Page::default();
    page.put(id(1, 1), None, place(0, 0));
    page.put(id(1, 2), None, place(0, 1));
    page.put(id(2, 1), None, place(0, 2));
    let mut candidates: Vec<_> = page.candidates(id(1, 1)).collect();
    candidates.sort();
    assert_eq!(candidates, [place(0, 0), place(0, 1)]);

    page.put(id(1, 2), Some(place(0, 1)), place(7, 7));
    let mut candidates: Vec<_> = page.candidates(id(1, 1)).collect();
    candidates.sort();
    assert_eq!(candidates, [place(0, 0), place(7, 7)]);
    assert_eq!(page.candidates(id(3, 1)).count(), 0);
}

#[test]
fn an_event_takes_few_bytes() {
    let mut page = Page::with_capacity(100_000);
    for number in 0..100_000u64 {
        let mut bytes = [0; 16];
        // Spread as a keyed hash spreads.
        bytes[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
        page.put(EventId(bytes), None, place(0, number as u32));
    }
    assert!(page.bytes() / 100_000 <= 24, "{} bytes an event", page.bytes() / 100_000);
}

fn observation(event: u8, observed_at: i64) -> Observation {
    let judged = JudgementVersion { settle_run: 0, context_version: 1 };
    Observation {
        event_id: id(event, 1),
        content: Content { observed_at: UtcTime(observed_at), hash: ContentHash([7; 16]) },
        entry_judged: judged,
        judged,
    }
}

fn page() -> Page {
    let mut page = Page::default();
    for event in 1..5 {
        page.put(id(event, 1), None, place(u32::from(event), 9));
        page.observed.add(observation(event, 10));
    }
    page
}

#[test]
fn a_page_that_is_used_as_it_should_is_sound() {
    let mut page = page();
    assert!(Page::default().is_sound() && page.is_sound());
    page.put(id(2, 1), Some(place(2, 9)), place(8, 0));
    page.put(id(9, 1), None, place(9, 9));
    page.observed.add(observation(2, 30));
    page.observed.add(observation(2, 20));
    page.observed.add(observation(9, 1));
    assert!(page.is_sound());
}

#[test]
fn damage_shows_whatever_bit_it_hits_and_whatever_comes_after_it() {
    for pick in (0..1 << 14).map(|pick: u64| pick | pick << 40) {
        let mut page = page();
        page.damage(pick);
        assert!(!page.is_sound(), "pick {pick:#x}");
        for event in 1..5 {
            page.put(id(event, 1), Some(place(u32::from(event), 9)), place(20, u32::from(event)));
        }
        assert!(!page.is_sound(), "pick {pick:#x}, after more was put into it");
    }
}
