use super::*;
use crate::batch::tests::batch;

fn header(producer: i64, epoch: i16, sequence: i32, count: i32) -> BatchHeader {
    BatchHeader::check(&batch(producer, epoch, sequence, count, 0)).unwrap()
}

#[test]
fn a_retry_is_recognised_and_answers_with_the_first_offset() {
    let mut producers = Producers::default();
    for sequence in 0..5 {
        let header = header(9, 0, sequence, 1);
        assert_eq!(producers.admit(&header), Ok(Admission::New));
        producers.note(&header, i64::from(sequence));
    }
    for sequence in 0..5 {
        assert_eq!(
            producers.admit(&header(9, 0, sequence, 1)),
            Ok(Admission::Duplicate(i64::from(sequence)))
        );
    }
}

#[test]
fn a_gap_an_old_epoch_and_a_first_batch_from_the_middle_are_refused() {
    let mut producers = Producers::default();
    let refused = Err(ResponseError::OutOfOrderSequenceNumber);
    assert_eq!(producers.admit(&header(9, 0, 4, 1)), refused);
    producers.note(&header(9, 1, 0, 3), 0);
    assert_eq!(producers.admit(&header(9, 1, 4, 1)), refused);
    assert_eq!(producers.admit(&header(9, 1, 3, 1)), Ok(Admission::New));
    assert_eq!(producers.admit(&header(9, 0, 3, 1)), Err(ResponseError::InvalidProducerEpoch));
    assert_eq!(producers.admit(&header(9, 2, 3, 1)), refused);
    assert_eq!(producers.admit(&header(9, 2, 0, 1)), Ok(Admission::New));
}

#[test]
fn what_is_taken_back_can_be_sent_again() {
    let mut producers = Producers::default();
    producers.note(&header(9, 0, 0, 2), 0);
    let before = producers.clone();
    let taken_back = producers.note(&header(9, 0, 2, 2), 2).unwrap();
    producers.take_back(taken_back);
    assert_eq!(producers, before);
    assert_eq!(producers.admit(&header(9, 0, 2, 2)), Ok(Admission::New));
}

#[test]
fn the_longest_silent_one_is_forgotten_and_can_go_on_with_a_new_id() {
    let mut producers = Producers::default();
    for producer in 0..MAX_PRODUCERS as i64 {
        producers.note(&header(producer, 0, 0, 1), producer);
    }
    producers.note(&header(0, 0, 1, 1), 1_000);
    let full = producers.clone();
    let taken_back = producers.note(&header(5_000, 0, 0, 1), 1_001).unwrap();
    assert_eq!(producers.0.len(), MAX_PRODUCERS);
    // Producer 0 has sent something since; 1 was silent for longest.
    assert_eq!(producers.admit(&header(0, 0, 2, 1)), Ok(Admission::New));
    assert_eq!(producers.admit(&header(1, 0, 1, 1)), Err(ResponseError::UnknownProducerId));
    producers.take_back(taken_back);
    assert_eq!(producers, full);
}

#[test]
fn they_are_read_back_from_an_index() {
    let mut producers = Producers::default();
    for sequence in 0..7 {
        producers.note(&header(3, 2, sequence, 1), i64::from(sequence) + 100);
    }
    producers.note(&header(4, 0, 0, 1), 200);
    let mut bytes = Vec::new();
    producers.encode(&mut bytes);
    let mut from = &bytes[..];
    assert_eq!(Producers::decode(&mut from).as_ref(), Some(&producers));
    assert!(from.is_empty());
    for length in 0..bytes.len() {
        assert_eq!(Producers::decode(&mut &bytes[..length]), None);
    }
}
