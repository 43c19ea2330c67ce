//! What the command prints. A reader that leaves before the end, as `head` does, is no failure: the rest is
//! left out, and whatever is in flight still stops in order.

use anyhow::{Context, Result};
use std::fmt::Display;
use std::io::{ErrorKind, Write};

/// Prints a line.
pub(crate) fn line(text: impl Display) -> Result<()> {
    bytes(format!("{text}\n").as_bytes())
}

/// Prints bytes as they are.
pub(crate) fn bytes(bytes: &[u8]) -> Result<()> {
    write(&mut std::io::stdout().lock(), bytes)
}

/// Says on standard error what went wrong, if anybody still reads it.
pub(crate) fn complain(text: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "modellane: {text}");
}

fn write(to: &mut impl Write, bytes: &[u8]) -> Result<()> {
    match to.write_all(bytes).and_then(|()| to.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to standard output"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    struct Failing(ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_may_leave_and_a_full_disk_is_said() {
        assert!(write(&mut Failing(ErrorKind::BrokenPipe), b"x").is_ok());
        let message = write(&mut Failing(ErrorKind::StorageFull), b"x").unwrap_err().to_string();
        assert!(message.contains("standard output"), "{message}");
    }
}
