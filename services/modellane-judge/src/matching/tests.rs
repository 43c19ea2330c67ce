//! Weighing evidence.
