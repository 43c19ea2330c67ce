//! Identity, linking, policy and prices: facts in, judgement out. Pure.
