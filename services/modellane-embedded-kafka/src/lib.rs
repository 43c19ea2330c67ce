//! A single-node Kafka-protocol broker inside the process, for one machine, loopback only.
