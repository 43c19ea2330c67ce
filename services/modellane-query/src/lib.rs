//! Read-only SQL and reports over the lake: PostgreSQL wire and HTTP.
