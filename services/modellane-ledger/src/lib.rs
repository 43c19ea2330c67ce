//! The decision of the ledger: current version and judged event in, signed entries out. Pure.
