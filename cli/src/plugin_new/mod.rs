//! `blackbeam plugin new`.

use crate::{Failure, args::Lang, print};
use std::{
    env::consts::{DLL_PREFIX, DLL_SUFFIX},
    fs, io,
    path::Path,
};

/// What the device is called in the templates.
const PLACEHOLDER: &str = "my_device";
/// The same as the name of a type.
const PLACEHOLDER_TYPE: &str = "MyDevice";

const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");
const README: &str = include_str!("templates/README.md");
const EXPERIMENT: &str = include_str!("templates/experiment.yaml");
const HEADERS: [(&str, &str); 2] = [
    ("include/blackbeam_device.h", include_str!("../../../include/blackbeam_device.h")),
    ("include/blackbeam_driver.h", include_str!("../../../include/blackbeam_driver.h")),
];

/// Runs the command. `checkout`: where a crate finds Blackbeam.
pub fn run(name: &str, lang: Lang, dir: &Path, checkout: Option<&Path>) -> Result<(), Failure> {
    check_name(name)?;
    let folder = dir.join(name);
    let failed = |e: io::Error| Failure::Input(format!("{}: {e}", folder.display()));
    if let Some(checkout) = checkout.filter(|_| lang != Lang::Rust) {
        return Err(Failure::Input(format!("--blackbeam {} is for --lang rust only", checkout.display())));
    }
    let dependency = match checkout {
        None => format!("git = \"{REPOSITORY}\""),
        Some(path) => {
            let driver = path.join("core/driver");
            let driver = driver.canonicalize().map_err(|e| Failure::Input(format!("{}: {e}", driver.display())))?;
            format!("path = {:?}", driver.display().to_string())
        }
    };
    // Never into a folder that is there: it may be somebody's work.
    fs::create_dir_all(dir).and_then(|()| fs::create_dir(&folder)).map_err(failed)?;
    for (path, text) in files(lang) {
        let path = folder.join(path.replace(PLACEHOLDER, name));
        let text = text.replace("DEPENDENCY", &dependency).replace(PLACEHOLDER, name);
        let text = text.replace(PLACEHOLDER_TYPE, &type_name(name));
        let parent = path.parent().unwrap_or(&folder);
        fs::create_dir_all(parent).and_then(|()| fs::write(&path, text)).map_err(failed)?;
    }
    print(&format!("made {}: its README.md says how to go on\n", folder.display()))
}

/// A name must do as that of a crate, of a file and of a type.
fn check_name(name: &str) -> Result<(), Failure> {
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase());
    let goes_on = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    let taken = ["test", "core", "std", "alloc", "blackbeam_driver", "blackbeam_device", "self", "crate", "super"];
    if begins && goes_on && !name.ends_with('_') && name.len() <= 64 && !taken.contains(&name) {
        return Ok(());
    }
    Err(Failure::Input(format!(
        "`{name}` cannot be the name of a device library: expected lower-case letters, digits and `_`, a letter first"
    )))
}

/// `thermal_mesh` as `ThermalMesh`.
fn type_name(name: &str) -> String {
    let word = |word: &str| word[..1].to_ascii_uppercase() + &word[1..];
    name.split('_').filter(|part| !part.is_empty()).map(word).collect()
}

/// Paths and texts.
fn files(lang: Lang) -> Vec<(&'static str, String)> {
    let built = format!("{DLL_PREFIX}{PLACEHOLDER}{DLL_SUFFIX}");
    let header = "`include/blackbeam_device.h` is the whole interface, with what each function must do; `include/blackbeam_driver.h` \
                  are helpers that you may change.";
    let (build, library, source, reference) = match lang {
        Lang::Rust => (
            "cargo build --release",
            format!("target/release/{built}"),
            "src/lib.rs",
            "`cargo doc --open -p blackbeam-driver` shows the whole interface.",
        ),
        Lang::C => ("make", built, "my_device.c", header),
        Lang::Cpp => ("make", built, "my_device.cpp", header),
    };
    let readme = README.replace("BUILD", build).replace("LIBRARY", &library);
    let readme = readme.replace("SOURCE", source).replace("REFERENCE", reference);
    let mut all = vec![("README.md", readme), ("experiment.yaml", EXPERIMENT.replace("LIBRARY", &library))];
    match lang {
        Lang::Rust => {
            all.push(("Cargo.toml", include_str!("templates/rust/Cargo.toml.in").to_owned()));
            all.push(("src/lib.rs", include_str!("templates/rust/lib.rs").to_owned()));
            all.push((".gitignore", "/target\n/runs\n".to_owned()));
        }
        Lang::C => {
            all.push(("Makefile", include_str!("templates/c/Makefile").to_owned()));
            all.push(("my_device.c", include_str!("templates/c/my_device.c").to_owned()));
        }
        Lang::Cpp => {
            all.push(("Makefile", include_str!("templates/cpp/Makefile").to_owned()));
            all.push(("my_device.cpp", include_str!("templates/cpp/my_device.cpp").to_owned()));
        }
    }
    if lang != Lang::Rust {
        all.extend(HEADERS.map(|(path, text)| (path, text.to_owned())));
        all.push((".gitignore", "*.so\n*.dylib\n/runs\n".to_owned()));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_everywhere() {
        for name in ["a", "thermal_mesh", "slm2"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", "2slm", "a-b", "A", "ä", "../x", "core", "a_", "_a"] {
            assert!(check_name(name).is_err(), "{name}");
        }
        assert_eq!(type_name("thermal__mesh2"), "ThermalMesh2");
    }

    #[test]
    fn nothing_of_a_template_is_left() {
        for lang in [Lang::Rust, Lang::C, Lang::Cpp] {
            for (path, text) in files(lang) {
                for word in ["LIBRARY", "BUILD", "SOURCE", "REFERENCE"] {
                    assert!(!text.contains(word) || path == "Makefile", "{word} in {path}");
                }
            }
        }
    }
}
