//! Codecs between the vocabulary, the Avro files in schemas/ and Arrow.
