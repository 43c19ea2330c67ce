//! The single owner of the ledger tables: decides signs, stages Parquet, commits once.
