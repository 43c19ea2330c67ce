//! The vocabulary of ModelLane: usage events, judgements, bounded labels, decimal money, keyed ids.
