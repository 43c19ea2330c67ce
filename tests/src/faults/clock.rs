//! A wall clock that jumps, for single processes: a small library that is loaded before the others.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// What the library is made of.
const SOURCE: &str = include_str!("clock.c");

/// The clock of one process.
pub struct Clock {
    library: PathBuf,
    ahead: PathBuf,
}

impl Clock {
    /// Compiles the library into a folder.
    pub fn library(dir: &Path) -> Result<PathBuf> {
        let (source, library) = (dir.join("clock.c"), dir.join("clock.so"));
        std::fs::write(&source, SOURCE)?;
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
            .args([&library, &source])
            .output()
            .context("run the C compiler")?;
        ensure!(compiled.status.success(), "clock.c: {}", String::from_utf8_lossy(&compiled.stderr));
        Ok(library)
    }

    /// A clock that is right for now. Its state is kept in `ahead`.
    pub fn new(library: &Path, ahead: &Path) -> Result<Self> {
        let clock = Self { library: library.to_owned(), ahead: ahead.to_owned() };
        clock.set(0)?;
        Ok(clock)
    }

    /// What a process with this clock has in its environment.
    pub fn environment(&self) -> Vec<(String, String)> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        vec![("LD_PRELOAD".to_owned(), text(&self.library)), ("FAULT_CLOCK".to_owned(), text(&self.ahead))]
    }

    /// Jumps so that the clock is so many seconds ahead, also in a process that runs.
    pub fn set(&self, seconds: i64) -> Result<()> {
        // In place: the process has this very file in its memory.
        let mut file = std::fs::File::options().create(true).write(true).truncate(false).open(&self.ahead)?;
        std::io::Write::write_all(&mut file, &seconds.to_ne_bytes())?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(clock: Option<&Clock>) -> i64 {
        let environment = clock.map(Clock::environment).unwrap_or_default();
        let said = Command::new("date").arg("+%s").envs(environment).output().unwrap();
        String::from_utf8(said.stdout).unwrap().trim().parse().unwrap()
    }

    #[test]
    fn a_process_sees_the_jump_and_others_do_not() {
        let dir = tempfile::tempdir().unwrap();
        let library = Clock::library(dir.path()).unwrap();
        let clock = Clock::new(&library, &dir.path().join("ahead")).unwrap();
        let before = now(None);
        assert!((before..before + 60).contains(&now(Some(&clock))));
        for seconds in [3_540, -3_540] {
            clock.set(seconds).unwrap();
            let jumped = now(Some(&clock));
            assert!((before + seconds..before + seconds + 60).contains(&jumped), "{jumped} {before}");
        }
    }
}
