//! Randomness.

/// Bytes from the operating system's generator.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    rand::random()
}

/// A random 16-byte id, printed as 32 hexadecimal digits.
pub fn random_id() -> [u8; 16] {
    *uuid::Uuid::new_v4().as_bytes()
}
