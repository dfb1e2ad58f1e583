//! A C compiler, if there is one.

use std::{
    env::consts::{DLL_PREFIX, DLL_SUFFIX},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

/// The folder of this workspace.
pub const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Compilers: the language, the command.
#[derive(Clone, Copy, PartialEq)]
pub enum Language {
    C,
    Cpp,
}

impl Language {
    fn command(self) -> String {
        let (variable, usual) = match self {
            Language::C => ("CC", "cc"),
            Language::Cpp => ("CXX", "c++"),
        };
        std::env::var(variable).unwrap_or_else(|_| usual.into())
    }

    fn flags(self) -> &'static [&'static str] {
        match self {
            Language::C => &["-std=c99"],
            Language::Cpp => &["-std=c++17"],
        }
    }

    /// False, and said loudly, if there is no such compiler.
    pub fn there(self) -> bool {
        let there = Command::new(self.command()).arg("--version").output().is_ok_and(|o| o.status.success());
        if !there {
            let test = std::thread::current().name().unwrap_or("a test").to_owned();
            // Not by a macro, whose output would be captured.
            let _ = writeln!(std::io::stderr(), "SKIPPED: {test} needs a compiler, `{}` is none", self.command());
        }
        there
    }

    /// Compiles without a warning.
    pub fn compile(self, source: &Path, includes: &[&Path], to: &Path, library: bool) {
        let mut command = Command::new(self.command());
        command.args(self.flags()).args(["-O1", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fvisibility=hidden"]);
        if library {
            command.args(["-shared", "-fPIC"]);
        }
        for folder in includes {
            command.arg("-I").arg(folder);
        }
        let output = command.arg(source).arg("-o").arg(to).arg("-lm").output().unwrap();
        assert!(output.status.success(), "{}: {}", source.display(), String::from_utf8_lossy(&output.stderr));
    }
}

pub fn include() -> PathBuf {
    Path::new(ROOT).join("include")
}

/// Where the library `name` is to be in `folder`.
pub fn library(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{DLL_PREFIX}{name}{DLL_SUFFIX}"))
}
