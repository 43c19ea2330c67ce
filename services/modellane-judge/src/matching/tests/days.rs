//! Days that are summed up.

use super::*;
use proptest::prelude::*;

fn day(minutes: &[i64]) -> Vec<f64> {
    shares_of_day(minutes, Share::nearest(0.4))
}

#[test]
fn a_day_is_split_by_time() {
    // 60 and 180 minutes of 40 % undeclared; a day-long one counts 240 minutes at most.
    let shares = day(&[60, 180]);
    assert!(close(shares[0], 0.15) && close(shares[1], 0.45) && close(shares[2], 0.4), "{shares:?}");
    let shares = day(&[240, 1_440]);
    assert!(close(shares[0], 0.3) && close(shares[1], 0.3), "{shares:?}");
    assert_eq!(day(&[]), [1.0]);
}

proptest! {
    #[test]
    fn a_day_is_distributed_to_the_whole(minutes in prop::collection::vec(0i64..2_000, 0..5)) {
        let shares = day(&minutes);
        prop_assert_eq!(shares.len(), minutes.len() + 1);
        prop_assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        prop_assert!(shares.iter().all(|share| (0.0..=1.0 + 1e-9).contains(share)));
    }
}
