use super::*;
use modellane_event::EventId;

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
