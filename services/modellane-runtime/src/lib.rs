//! The process-wide parts: configuration, telemetry, clock, randomness, keys, shutdown.
