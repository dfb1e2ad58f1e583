//! Bad input: what is said, where it points, and that nothing is run.

use crate::support::{DENSE, Place, experiment, family};

/// MNIST files of random pixels under `data/`.
pub fn write_mnist(place: &Place, train: usize, test: usize) {
    for (prefix, n) in [("train", train), ("t10k", test)] {
        let header = |magic: u32, axes: &[usize]| -> Vec<u8> {
            let numbers = std::iter::once(magic).chain(axes.iter().map(|&a| a as u32));
            numbers.flat_map(u32::to_be_bytes).collect()
        };
        let mut state = 1u32;
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        let mut images = header(0x803, &[n, 28, 28]);
        images.extend((0..n * 784).map(|_| random()));
        let mut labels = header(0x801, &[n]);
        labels.extend((0..n).map(|_| random() % 10));
        place.write(&format!("data/mnist/{prefix}-images-idx3-ubyte"), images);
        place.write(&format!("data/mnist/{prefix}-labels-idx1-ubyte"), labels);
    }
}

fn good() -> String {
    experiment(&family("mrr", "typical"))
}

/// `check` and `train` both refuse it with all of `words`, and nothing is made.
fn refused(text: &str, words: &[&str]) {
    let place = Place::with(text);
    place.run("check experiment.yaml").ends(2, words);
    place.run("train experiment.yaml --out out").ends(2, words);
    assert!(!place.path("out").exists());
}

fn with(from: &str, to: &str) -> String {
    assert!(good().contains(from), "{from}");
    good().replace(from, to)
}

#[test]
fn errors_point_at_their_place_and_suggest() {
    refused(&with("surrogate:", "surogate:"), &["surogate", "did you mean `surrogate`?", "experiment.yaml:17:5"]);
    refused(
        &with("samples: 4}\n    surr", "sampels: 4}\n    surr"),
        &["did you mean `samples`?", "experiment.yaml:16:"],
    );
    refused(&with("method: gaussian", "method: gausian"), &["no estimator `gausian`", "did you mean `gaussian`?"]);
    refused(&with("rows: 8", "rows: 0"), &["devices.dev.source.settings:1:", "at least 1"]);
    refused(&with("name: dev}", "name: def}"), &["no device `def`", "did you mean `dev`?", "experiment.yaml:9:"]);
    refused(&with("set: glyphs", "set: glyph"), &["glyph", "experiment.yaml:3:"]);
    refused(&with("preset: typical", "preset: tipical"), &["tipical", "typical"]);
    refused(&with("steps: 20", "steps: -1"), &["steps", "experiment.yaml:20:"]);
    refused(&with("steps: 20", "steps: .nan"), &["not a finite number"]);
    refused(&with("batch: 16", "batch: 999"), &["a batch of 999 is larger than the training set of 256"]);
    refused(&with("steps: 20", "epochs: 1\n  steps: 20"), &["both `epochs` and `steps`"]);
    refused(&with("name: small", "name: a/b"), &["`a/b` is no name"]);
    refused(
        &with("mrr_bank.ddl.yml", "mrr_bunk.ddl.yml"),
        &["there is no file", "mrr_bunk.ddl.yml", "experiment.yaml:15:"],
    );
    refused(&with("{bank: {rows", "{bonk: {rows"), &["bonk", "bank"]);
    refused("name: [", &["experiment.yaml:1:"]);
    // All of them at once.
    let two = with("surrogate:", "surogate:").replace("batch:", "bach:");
    refused(&two, &["did you mean `surrogate`?", "did you mean `batch`?"]);
}

#[test]
fn what_is_not_there_is_named() {
    let place = Place::new();
    for command in ["check", "train"] {
        place.run(&format!("{command} nothing.yaml")).ends(2, &["nothing.yaml"]);
        place.run(&format!("{command} .")).ends(2, &["."]);
    }
    place.write("binary.yaml", [0xff, 0xfe, 0, 1]);
    place.run("train binary.yaml").ends(2, &["binary.yaml"]);
    place.write("empty.yaml", "");
    place.run("train empty.yaml").ends(2, &["empty.yaml"]);
}

#[test]
fn wrong_shapes_point_at_the_layer() {
    refused(&with("- linear: {out: 10}", "- linear: {out: 11}"), &["[11]", "expected [10]", "experiment.yaml:12:"]);
    refused(&with("- flatten\n", "- max_pool: {kernel: 99}\n    - flatten\n"), &["layers[0]", "experiment.yaml:6:"]);
    // The width of a plugin's device is known once it is open, and the error is the same.
    let text = experiment(DENSE).replace("- bias\n    - relu\n    - linear: {out: 10}", "- bias");
    let place = Place::with(&text);
    place.run("check experiment.yaml").done();
    place.run("train experiment.yaml --out out").ends(2, &["[8]", "expected [10]", "experiment.yaml:10:"]);
    place.write("experiment.yaml", text.replace("- bias", "- adaptive_avg_pool: {size: [1, 1]}"));
    place.run("train experiment.yaml --out out").ends(2, &["layers[4]", "experiment.yaml:10:"]);
}

#[test]
fn overrides_are_checked_as_the_file_is() {
    let place = Place::with(&good());
    for (set, words) in [
        ("train.bach=3", vec!["did you mean `batch`?", "--set"]),
        ("train.batch=many", vec!["--set", "many"]),
        ("train..batch=3", vec!["is not a path of keys"]),
        ("model.layers.99=relu", vec!["there is no element `99`"]),
        ("devices.dev.surrogate.method=risidual", vec!["did you mean `residual`?"]),
        ("controls=[digtal]", vec!["digtal"]),
        ("train.batch", vec!["KEY=VALUE"]),
    ] {
        for command in ["check", "train"] {
            place.run(&format!("{command} experiment.yaml --set {set}")).ends(2, &words);
        }
    }
    place.run("train experiment.yaml --seed -1").ends(2, &["-1"]);
    place.run("train experiment.yaml --threads 0").ends(2, &["--threads"]);
    place.run("train").ends(2, &["EXPERIMENT"]);
    place.run("nonsense").ends(2, &["nonsense"]);
    assert!(!place.path("runs").exists());
    // What is set is what is run, and is kept.
    let run = place.train("out", "--set train.steps=3 --set devices.dev.estimator.samples=2 --set name=other");
    assert_eq!((&run.summary()["steps"], &run.summary()["name"]), (&3.into(), &"other".into()));
    assert!(place.read("out/experiment.yaml").contains("samples: 2"));
}

#[test]
fn missing_and_broken_data_are_named() {
    let place = Place::with(&with("set: glyphs", "set: mnist"));
    let no_folder = place.run("train experiment.yaml --out out");
    no_folder.ends(2, &["BLACKBEAM_DATA", "mnist/", "https://"]).in_one_line();
    let train = |words: &[&str]| {
        let mut command = place.command("train experiment.yaml --quiet --out out");
        let output = command.env("BLACKBEAM_DATA", place.path("data")).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(if words.is_empty() { 0 } else { 2 }), "{error}");
        words.iter().for_each(|word| assert!(error.contains(word), "no `{word}` in {error}"));
    };
    train(&["train-images-idx3-ubyte", "is missing", "BLACKBEAM_DATA", "https://"]);
    write_mnist(&place, 255, 64);
    train(&["256 training samples", "it has 255"]);
    write_mnist(&place, 256, 64);
    place.write("data/mnist/t10k-labels-idx1-ubyte", [0, 0, 8, 1, 0, 0, 0, 64, 1, 2]);
    train(&["t10k-labels-idx1-ubyte", "cut off"]);
    place.write("data/mnist/t10k-labels-idx1-ubyte", [0, 0, 8, 3]);
    train(&["t10k-labels-idx1-ubyte", "0x00000801"]);
    assert!(!place.path("out").exists());
    write_mnist(&place, 256, 64);
    train(&[]);
    let run = place.finished("out");
    assert_eq!(run.json("lock.json")["data"].as_array().unwrap().len(), 4);
}

#[test]
fn what_cannot_be_written_is_said() {
    let place = Place::with(&good());
    place.write("file", "in the way");
    place.run("train experiment.yaml --out file/out").ends(1, &["file/out"]).in_one_line();
    place.run("plugin add nothing.so --dir nowhere").ends(2, &["nothing.so"]).in_one_line();
}

#[test]
fn nothing_that_is_broken_panics() {
    let place = Place::new();
    let text = good();
    let lines: Vec<&str> = text.lines().collect();
    for skipped in 0..lines.len() {
        let rest: Vec<&str> = lines.iter().enumerate().filter(|(i, _)| *i != skipped).map(|(_, line)| *line).collect();
        place.write("experiment.yaml", rest.join("\n"));
        let finished = place.run("check experiment.yaml");
        let code = finished.code.unwrap();
        assert!(code == 0 || code == 2, "without line {skipped}");
        finished.ends(code, &[]);
    }
}
