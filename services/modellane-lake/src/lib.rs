//! The only writer of object storage: Delta tables, Parquet files, context objects.
