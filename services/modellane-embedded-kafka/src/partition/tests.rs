use super::*;
use crate::batch::tests::batch;

fn header(producer: i64, sequence: i32, count: i32, timestamp: i64) -> BatchHeader {
    BatchHeader::check(&batch(producer, 0, sequence, count, timestamp)).unwrap()
}

fn settings(segment_bytes: u64) -> Settings {
    Settings { segment_bytes, segment_ms: 1_000, ..Settings::default() }
}

/// Appends a batch of one record whose frame has 10 bytes, and publishes it.
fn add(partition: &mut Partition, settings: &Settings, timestamp: i64) {
    let placed = partition.append(&header(-1, -1, 1, timestamp), 10, settings);
    partition.publish(placed.segment, placed.end);
}

fn bases(partition: &Partition) -> Vec<i64> {
    partition.segments.iter().map(|segment| segment.base).collect()
}

#[test]
fn readers_see_only_what_was_published() {
    let mut partition = Partition::default();
    let settings = settings(100);
    let first = partition.append(&header(-1, -1, 3, 0), 10, &settings);
    let second = partition.append(&header(-1, -1, 2, 0), 10, &settings);
    assert_eq!(partition.spans_from_offset(0, 100), Some((vec![], 0)));
    assert_eq!(partition.spans_from_offset(1, 100), None);
    partition.publish(first.segment, first.end);
    let span = |from, visible| Span { base: 0, from: Some(from), visible };
    assert_eq!(partition.spans_from_offset(0, 100), Some((vec![span(0, 10)], 10)));
    assert_eq!(partition.spans_from_offset(3, 100), Some((vec![], 0)));
    partition.publish(second.segment, second.end);
    assert_eq!(partition.spans_from_offset(4, 100), Some((vec![span(10, 20)], 10)));
    assert_eq!((partition.high_watermark(), partition.spans_from_offset(6, 100)), (5, None));
}

#[test]
fn segments_end_by_size_and_by_time() {
    let mut partition = Partition::default();
    let settings = settings(25);
    for time in [0, 1, 2, 3, 1_003, 2_004] {
        add(&mut partition, &settings, time);
    }
    assert_eq!(bases(&partition), [0, 2, 4, 5]);
    // A batch that is larger than a segment gets one for itself.
    let large = partition.append(&header(-1, -1, 1, 2_004), 1_000, &settings);
    assert_eq!((large.segment, large.position), (6, 0));
}

#[test]
fn what_is_taken_back_leaves_nothing() {
    let settings = settings(25);
    let mut partition = Partition::default();
    add(&mut partition, &settings, 5);
    add(&mut partition, &settings, 6);
    let shown = format!("{partition:?}");
    let mut undone = Vec::new();
    for sequence in 0..4 {
        undone.push(partition.append(&header(7, sequence, 1, 9), 10, &settings).undo);
    }
    undone.push(partition.roll().unwrap().undo);
    assert_eq!(bases(&partition), [0, 2, 4, 6]);
    while let Some(undo) = undone.pop() {
        partition.take_back(undo);
    }
    assert_eq!(format!("{partition:?}"), shown);
}

#[test]
fn old_segments_expire_by_time_and_by_size() {
    let mut partition = Partition::default();
    let one = settings(10);
    for time in [100, 200, 300, 400] {
        add(&mut partition, &one, time);
    }
    let expired = |retention_ms, retention_bytes, now| {
        let settings = Settings { retention_ms, retention_bytes, ..one };
        let Expired { segments, until, roll } = partition.expired(&settings, now);
        (segments, until, roll)
    };
    assert_eq!(expired(None, None, i64::MAX), (vec![], 0, false));
    assert_eq!(expired(Some(100), None, 300), (vec![0], 1, false));
    assert_eq!(expired(Some(100), None, 301), (vec![0, 1], 2, false));
    // The last one goes as well, but only after another one has begun.
    assert_eq!(expired(Some(100), None, 501), (vec![0, 1, 2], 3, true));
    assert_eq!(expired(None, Some(40), 0), (vec![], 0, false));
    assert_eq!(expired(None, Some(21), 0), (vec![0], 1, false));
    assert_eq!(expired(None, Some(20), 0), (vec![0, 1], 2, false));
    let compacted = Settings { delete: false, retention_ms: Some(1), ..one };
    assert_eq!(partition.expired(&compacted, i64::MAX).segments, Vec::<i64>::new());
}

#[test]
fn a_segment_without_times_has_no_age() {
    let mut partition = Partition::default();
    let settings = Settings { retention_ms: Some(1), ..settings(10) };
    for _ in 0..3 {
        add(&mut partition, &settings, -1);
    }
    assert_eq!(partition.expired(&settings, i64::MAX).segments, Vec::<i64>::new());
}

#[test]
fn what_is_not_on_the_disk_is_left_alone() {
    let mut partition = Partition::default();
    let settings = Settings { retention_ms: Some(1), ..settings(10) };
    add(&mut partition, &settings, 5);
    let rolled = partition.append(&header(-1, -1, 1, 5), 10, &settings);
    assert_eq!(
        partition.expired(&settings, 100).segments,
        Vec::<i64>::new(),
        "its successor has no file yet"
    );
    partition.publish(rolled.segment, rolled.end);
    assert_eq!(partition.expired(&settings, 100).segments, [0]);
}

#[test]
fn segments_are_replaced_in_place() {
    let mut partition = Partition::default();
    let settings = settings(10);
    for _ in 0..5 {
        add(&mut partition, &settings, 5);
    }
    partition.replace(0..2, &[]);
    assert_eq!((bases(&partition), partition.log_start()), (vec![2, 3, 4], 2));
    assert_eq!(partition.spans_from_offset(1, 100), None);
    let one = Segment { length: 7, visible: 7, settled: true, ..Segment::new(2) };
    partition.replace(2..4, &[one]);
    assert_eq!(bases(&partition), [2, 4]);
    let spans: Vec<_> =
        partition.spans_from_offset(3, 100).unwrap().0.iter().map(|s| (s.base, s.from)).collect();
    assert_eq!(spans, [(2, None), (4, Some(0))]);
}
