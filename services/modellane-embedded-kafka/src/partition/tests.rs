use super::*;
use crate::batch::tests::batch;

fn header(producer: i64, epoch: i16, sequence: i32, count: i32) -> BatchHeader {
    BatchHeader::check(&batch(producer, epoch, sequence, count, 0)).unwrap()
}

#[test]
fn a_retry_is_recognised_and_answers_with_the_first_offset() {
    let mut partition = Partition::default();
    for sequence in 0..5 {
        let header = header(9, 0, sequence, 1);
        assert_eq!(partition.admit(&header), Ok(Admission::New));
        partition.append(&header, 0, 0);
    }
    for sequence in 0..5 {
        assert_eq!(
            partition.admit(&header(9, 0, sequence, 1)),
            Ok(Admission::Duplicate(i64::from(sequence)))
        );
    }
}

#[test]
fn a_gap_an_old_epoch_and_a_first_batch_from_the_middle_are_refused() {
    let mut partition = Partition::default();
    let refused = Err(ResponseError::OutOfOrderSequenceNumber);
    assert_eq!(partition.admit(&header(9, 0, 4, 1)), refused);
    partition.append(&header(9, 1, 0, 3), 0, 0);
    assert_eq!(partition.admit(&header(9, 1, 4, 1)), refused);
    assert_eq!(partition.admit(&header(9, 1, 3, 1)), Ok(Admission::New));
    assert_eq!(partition.admit(&header(9, 0, 3, 1)), Err(ResponseError::InvalidProducerEpoch));
    assert_eq!(partition.admit(&header(9, 2, 3, 1)), refused);
    assert_eq!(partition.admit(&header(9, 2, 0, 1)), Ok(Admission::New));
}

#[test]
fn readers_see_only_what_was_published() {
    let mut partition = Partition::default();
    partition.append(&header(-1, -1, -1, 3), 0, 10);
    partition.append(&header(-1, -1, -1, 2), 10, 10);
    assert!(partition.starting_at(0).is_empty());
    partition.publish(3);
    assert_eq!(partition.starting_at(0).len(), 1);
    assert_eq!(partition.starting_at(3).len(), 0);
    partition.publish(5);
    assert_eq!(partition.starting_at(4)[0].base, 3);
    assert_eq!(partition.high_watermark(), 5);
}

#[test]
fn what_is_taken_back_can_be_sent_again() {
    let mut partition = Partition::default();
    let first = header(9, 0, 0, 2);
    let (base, before) = partition.append(&first, 0, 10);
    partition.publish(2);
    let second = header(9, 0, 2, 2);
    let (base_second, before_second) = partition.append(&second, 10, 10);
    partition.take_back(base_second, 9, before_second);
    assert_eq!(partition.admit(&second), Ok(Admission::New));
    assert_eq!(partition.append(&second, 10, 10).0, 2);
    assert_eq!((base, before.is_none()), (0, true));
}
