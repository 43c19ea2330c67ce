//! Where servers are kept, and how they get there once.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::process::tail;

/// The folder of one version of a server in the cache of this user.
pub(super) fn cached(name: &str, version: &str) -> Result<PathBuf> {
    let home = std::env::var_os("HOME").context("HOME is not set, so there is no place for a cache")?;
    Ok(Path::new(&home).join(".cache/modellane").join(name).join(version))
}

/// Lets `fill` make the folder, unless it is there. Processes that ask at the same time wait for the first
/// one, and a folder that is there is complete.
pub(super) fn once(folder: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    if folder.exists() {
        return Ok(());
    }
    let parent = folder.parent().context("a folder in the cache")?;
    std::fs::create_dir_all(parent)?;
    let lock = File::create(parent.join("install.lock"))?;
    lock.lock()?;
    if folder.exists() {
        return Ok(());
    }
    let partial = tempfile::Builder::new().prefix("partial-").tempdir_in(parent)?;
    fill(partial.path())?;
    std::fs::rename(partial.keep(), folder).with_context(|| format!("finish {}", folder.display()))
}

/// Runs a command to its end with its output in a file; an error holds the last lines of it.
pub(super) fn run(command: &mut Command, log: &Path) -> Result<()> {
    let output = File::create(log)?;
    let status = command
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .status()
        .with_context(|| format!("run {:?}", command.get_program()))?;
    if !status.success() {
        bail!("{:?} ended with {status}; its last lines:\n{}", command.get_program(), tail(log));
    }
    Ok(())
}

/// What a program prints about its version, if it can be run.
pub(super) fn version_text(program: &str, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).stdin(Stdio::null()).output().ok()?;
    // java prints it as an error.
    let text = [output.stdout, output.stderr].concat();
    output.status.success().then(|| String::from_utf8_lossy(&text).into_owned())
}

/// The first two numbers behind `mark` in the text of a version: `1.26` in `go version go1.26.8`.
pub(super) fn version_after(text: &str, mark: &str) -> Option<(u32, u32)> {
    let (_, rest) = text.split_once(mark)?;
    let mut numbers = rest.split(|c: char| !c.is_ascii_digit());
    let first = numbers.next()?.parse().ok()?;
    Some((first, numbers.next().and_then(|number| number.parse().ok()).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_programs_print() {
        assert_eq!(version_after("go version go1.26.8 linux/amd64", "version go"), Some((1, 26)));
        assert_eq!(version_after("openjdk version \"17.0.15\" 2025-04-15", "version \""), Some((17, 0)));
        assert_eq!(version_after("openjdk version \"25\" 2025-09-16", "version \""), Some((25, 0)));
        assert_eq!(version_after("something else", "version \""), None);
    }

    #[test]
    fn a_folder_is_filled_once_and_never_half() {
        let cache = tempfile::tempdir().unwrap();
        let folder = cache.path().join("server/1");
        let failed = once(&folder, |partial| {
            std::fs::write(partial.join("half"), b"")?;
            bail!("no network")
        });
        assert!(failed.is_err() && !folder.exists());
        once(&folder, |partial| Ok(std::fs::write(partial.join("whole"), b"")?)).unwrap();
        once(&folder, |_| bail!("asked twice")).unwrap();
        assert!(folder.join("whole").exists() && !folder.join("half").exists());
    }
}
