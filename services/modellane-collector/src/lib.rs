//! Receives and imports vendor exports, normalizes them and publishes usage events.
