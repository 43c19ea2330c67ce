//! Judges each usage event against the context of its time; keeps no memory of events.
