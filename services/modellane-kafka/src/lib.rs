//! The log: publisher, consumers and topic checks on any Kafka-protocol broker.
