use super::*;

fn entry(offset: i64, position: u64, latest_before: i64) -> Entry {
    Entry { offset, position, latest_before }
}

/// Batches of 2 offsets and 10 bytes each, with times that count up.
fn many(count: i64, stride: u64) -> Index {
    let mut index = Index::default();
    for number in 0..count {
        index.push(entry(number * 2, number as u64 * 10, number - 1), stride);
    }
    index
}

#[test]
fn the_latest_batches_are_found_exactly_and_others_nearly() {
    let index = many(1_000, 100);
    assert_eq!(index.entries().len(), 100);
    for offset in [1_999, 1_998, 1_500] {
        assert_eq!(index.floor(offset), offset as u64 / 2 * 10);
    }
    for offset in 0..1_400 {
        let exact = offset as u64 / 2 * 10;
        assert_eq!(index.floor(offset), exact / 100 * 100, "offset {offset}");
    }
}

#[test]
fn a_time_is_never_passed_by() {
    let index = many(1_000, 100);
    for time in 0..1_000 {
        let exact = time as u64 * 10;
        let found = index.floor_of_time(time);
        assert!(found <= exact && exact - found < 200, "time {time} begins at {found}");
    }
}

#[test]
fn what_is_cut_is_forgotten() {
    let mut index = many(1_000, 100);
    index.cut(9_990);
    assert_eq!(index.floor(1_998), 9_980);
    index.push(entry(1_998, 9_990, 998), 100);
    assert_eq!(index, many(1_000, 100));
    index.cut(0);
    assert_eq!(index, Index::default());
}

#[test]
fn a_file_is_whole_or_nothing() {
    let summary = Summary {
        base: 7,
        next: 90,
        length: 1_000,
        first_timestamp: 3,
        max_timestamp: 44,
        compacted: 5,
        tombstones: true,
    };
    let index = many(20, 50);
    let bytes = encode(&summary, index.entries(), &Producers::default());
    let sealed = Sealed { summary, entries: index.entries().to_vec(), producers: Producers::default() };
    assert_eq!(decode(&bytes).as_ref(), Some(&sealed));
    for at in 0..bytes.len() {
        let mut bad = bytes.clone();
        bad[at] ^= 1;
        assert_eq!(decode(&bad), None, "byte {at}");
        assert_eq!(decode(&bytes[..at]), None, "cut at {at}");
    }
}
