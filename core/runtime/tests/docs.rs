//! The examples of the documentation are what the program takes: YAML blocks that begin with `# experiment` or `# device`
//! are checked, the plugin is the one that is tested with the interface crate.

#![allow(clippy::unwrap_used)]

use blackbeam_netlist::ReadOptions;
use blackbeam_runtime::trainer;
use blackbeam_source::Source;
use std::{fs, path::PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// README.md and docs/*.md: names and texts.
fn documents() -> Vec<(String, String)> {
    let mut paths: Vec<PathBuf> = fs::read_dir(root().join("docs")).unwrap().map(|e| e.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == "md"));
    paths.sort();
    paths.insert(0, root().join("README.md"));
    paths.into_iter().map(|path| (path.display().to_string(), fs::read_to_string(&path).unwrap())).collect()
}

/// The fenced blocks of a language.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    text.split(fence.as_str()).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

#[test]
fn yaml_examples_are_usable() {
    let dir = tempfile::tempdir().unwrap();
    let (mut experiments, mut devices) = (0, 0);
    for (name, text) in documents() {
        for block in blocks(&text, "yaml") {
            if block.starts_with("# experiment\n") {
                let path = dir.path().join("example.yaml");
                let shipped = format!("{}/", root().join("devices").display());
                fs::write(&path, block.replace("../devices/", &shipped)).unwrap();
                let checked = trainer::check(&path, &[], None, false).unwrap_or_else(|e| panic!("{name}: {e}"));
                assert!(checked.warnings.is_empty(), "{name}: {}", checked.warnings.render(false));
                experiments += 1;
            } else if block.starts_with("# device\n") {
                let (_, warnings) =
                    blackbeam_netlist::read(&Source::new("example.ddl.yml", block), &ReadOptions::default())
                        .unwrap_or_else(|found| panic!("{name}: {}", found.render(false)));
                assert!(warnings.is_empty(), "{name}: {}", warnings.render(false));
                devices += 1;
            }
        }
    }
    assert!(experiments >= 2 && devices >= 1, "{experiments} experiments, {devices} devices");
}

#[test]
fn the_plugin_is_that_of_the_interface_crate() {
    let source = fs::read_to_string(root().join("core/plugin/src/lib.rs")).unwrap();
    let lines = source.lines().filter_map(|line| line.strip_prefix("//!"));
    let docs: String = lines.map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line))).collect();
    let tested = docs.split("```\n").nth(1).unwrap();
    // lines that begin with `# ` are not shown
    let shown: String = tested.lines().filter(|line| !line.starts_with("# ")).map(|line| format!("{line}\n")).collect();
    let guide = fs::read_to_string(root().join("docs/plugins.md")).unwrap();
    assert_eq!(blocks(&guide, "rust"), [shown]);
}

#[test]
fn links_lead_somewhere() {
    for (name, text) in documents() {
        let folder = PathBuf::from(&name).parent().unwrap().to_owned();
        for link in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            let file = link.split('#').next().unwrap();
            let is_here = file.is_empty() || link.contains("://") || folder.join(file).exists();
            assert!(is_here, "{name}: {link}");
        }
    }
}
