use super::*;
use blackbeam_data::{CopyingMemory, Equalization, Set};
use blackbeam_layers::{Decay, Layer, Loss};
use blackbeam_plugin::{Kind, Manifest};
use blackbeam_source::{Diagnostics, Source as Text};
use std::path::{Path, PathBuf};

const GOOD: &str = "\
name: example
seed: 7
data: {set: fashion_mnist, train: 1e3, augment: {flip: true, crop: 2}}
model:
  layers:
    - flatten
    - linear: {out: 8}
    - relu
    - device: {name: mesh}
    - linear: {out: 10}
devices:
  mesh:
    source: {plugin: dense, settings: {size: 8}}
    input: {scale: fixed, value: 3}
    estimator: {method: gaussian, samples: 32, mu: auto}
    surrogate: {method: full}
    optimizer: {adam: {learning_rate: 0.02}}
train:
  epochs: 2
  batch: 64
  optimizer: {sgd: {learning_rate: 0.1, momentum: 0.9}}
  schedule: {decay: cosine, warmup: 10}
controls: [digital, frozen]
budget: {training: 1_000_000}
";

/// What two methods and a device say of themselves.
fn plugins(kind: Kind, name: &str, library: Option<&Path>) -> Lookup {
    let schema = match (kind, name) {
        _ if library.is_some() => return Lookup::NotVerified(format!("`{name}` was not added")),
        (Kind::Estimator, "gaussian") => {
            r#"{"type": "object", "additionalProperties": false, "properties": {
                "samples": {"type": "integer", "minimum": 1}, "mu": {"type": ["number", "string"]}}}"#
        }
        (Kind::Surrogate, "full") => r#"{"type": "object", "additionalProperties": false, "properties": {"rank": {}}}"#,
        (Kind::Device, "dense") => {
            r#"{"type": "object", "additionalProperties": false, "required": ["size"],
                "properties": {"size": {"type": "integer"}}}"#
        }
        (Kind::Estimator, _) => return Lookup::Unknown(vec!["gaussian".into()]),
        (Kind::Surrogate, _) => return Lookup::Unknown(vec!["full".into(), "residual".into()]),
        (Kind::Device, _) => return Lookup::Unknown(vec!["dense".into()]),
    };
    Lookup::Known(Box::new(Manifest {
        name: name.into(),
        version: "1".into(),
        kind,
        licence: "MIT".into(),
        summary: "".into(),
        capabilities: 0,
        needs: 0,
        requires: 0,
        settings_schema: schema.into(),
    }))
}

fn read_with(text: &str, overrides: &[(&str, &str)]) -> Result<Loaded, Diagnostics> {
    let overrides: Vec<_> = overrides.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let options = ReadOptions {
        overrides: &overrides,
        seed: None,
        ideal: false,
        plugins: &plugins,
        widths: &|device| device.source.settings.get("size")?.as_u64().map(|n| (n as usize, n as usize)),
    };
    read::read_source(Text::new("example.yaml", text), Path::new("/experiments"), &options)
}

/// All errors of a text and overrides, as a person sees them.
fn errors(text: &str, overrides: &[(&str, &str)]) -> String {
    read_with(text, overrides).expect_err("there is an error").render(false)
}

fn expect(shown: &str, words: &[&str]) {
    for word in words {
        assert!(shown.contains(word), "`{word}` is not in\n{shown}");
    }
}

#[test]
fn a_good_file_is_read_with_its_defaults() {
    let loaded = read_with(GOOD, &[]).unwrap();
    let e = &loaded.experiment;
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings.render(false));
    assert_eq!((e.name.as_str(), e.seed, e.data.train), ("example", 7, Some(1000)));
    assert_eq!(e.model.loss, Loss::CrossEntropy);
    assert_eq!(e.model.layers[1], Layer::Linear { out: 8, bias: true, share: None });
    let mesh = &e.devices["mesh"];
    assert_eq!(mesh.source.origin(), Some(Origin::Plugin("dense", None)));
    assert_eq!((mesh.input.scale, mesh.input.value, mesh.input.rate), (ScaleRule::Fixed, Some(3.0), 0.01));
    let estimator = mesh.estimator.as_ref().unwrap();
    assert_eq!(estimator.settings_json(), r#"{"samples":32,"mu":"auto"}"#);
    assert_eq!((e.train.batch, e.train.checkpoint_every, e.train.total_steps(1000)), (64, 500, 30));
    assert_eq!(e.train.schedule.decay, Decay::Cosine);
    assert_eq!(e.controls, [Control::Digital, Control::Frozen]);
    assert_eq!((e.budget.training, e.budget.device), (Some(1_000_000), None));
}

#[test]
fn the_resolved_experiment_reads_back_to_the_same_bytes() {
    let first = read_with(GOOD, &[("train.clip_norm", "1.5"), ("seed", "18446744073709551615")]).unwrap().experiment;
    let text = first.to_yaml().unwrap();
    let second = read_with(&text, &[]).unwrap().experiment;
    assert_eq!(second, first, "{text}");
    assert_eq!(second.to_yaml().unwrap(), text);
    assert_ne!(read_with(GOOD, &[]).unwrap().experiment.sha256().unwrap(), first.sha256().unwrap());
}

#[test]
fn paths_are_relative_to_the_file() {
    let folder = tempfile::TempDir::new().unwrap();
    std::fs::create_dir(folder.path().join("devices")).unwrap();
    std::fs::write(folder.path().join("devices/mesh.ddl.yml"), "name: mesh\n").unwrap();
    let text = GOOD.replace("{plugin: dense, settings: {size: 8}}", "{file: devices/mesh.ddl.yml, preset: typical}");
    let file = folder.path().join("example.yaml");
    std::fs::write(&file, &text).unwrap();
    let library = ("devices.mesh.estimator.library".to_owned(), "lib.so".to_owned());
    let mut options =
        ReadOptions { overrides: &[library], seed: Some(3), ideal: false, plugins: &plugins, widths: &|_| None };
    let loaded = read(&file, &options).unwrap();
    let mesh = &loaded.experiment.devices["mesh"];
    assert_eq!(mesh.source.file, Some(folder.path().join("devices/mesh.ddl.yml")));
    assert_eq!(mesh.source.preset, Some(Preset::Typical));
    assert_eq!(mesh.estimator.as_ref().unwrap().library, Some(folder.path().join("lib.so")));
    assert_eq!(loaded.experiment.seed, 3);
    expect(&loaded.warnings.render(false), &["`gaussian` was not added"]);
    options.ideal = true;
    assert_eq!(read(&file, &options).unwrap().experiment.devices["mesh"].source.preset, Some(Preset::Ideal));
    let missing = read(&folder.path().join("other.yaml"), &options).unwrap_err().render(false);
    expect(&missing, &["other.yaml"]);
    std::fs::remove_file(folder.path().join("devices/mesh.ddl.yml")).unwrap();
    expect(
        &read(&file, &options).unwrap_err().render(false),
        &["there is no file", "mesh.ddl.yml`", "example.yaml:13"],
    );
}

#[test]
fn all_errors_come_at_once_each_at_its_place_with_a_suggestion() {
    let text = GOOD
        .replace("momentum", "momentun")
        .replace("controls:", "controlls:")
        .replace("frozen", "frozzen")
        .replace("epochs: 2", "epochs: 0");
    let shown = errors(&text, &[]);
    expect(
        &shown,
        &[
            "unknown key `momentun`",
            "did you mean `momentum`?",
            "example.yaml:21:",
            "unknown key `controlls`",
            "did you mean `controls`?",
            "example.yaml:23:1",
            "the number must be at least 1",
        ],
    );
    expect(&errors(&GOOD.replace("frozen", "frozzen"), &[]), &["did you mean `frozen`?"]);
    expect(&errors("name: [", &[]), &["example.yaml"]);
    expect(&errors("", &[]), &["example.yaml"]);
}

#[test]
fn settings_of_methods_are_checked_against_their_plugins() {
    let text =
        GOOD.replace("samples: 32", "sampels: 0").replace("method: full", "method: fill").replace("size: 8", "sise: 8");
    expect(
        &errors(&text, &[]),
        &[
            "unknown key `sampels`",
            "did you mean `samples`?",
            "there is no surrogate `fill`",
            "did you mean `full`?",
            "did you mean `size`?",
            "missing key `size`",
        ],
    );
}

#[test]
fn overrides_replace_add_and_are_checked() {
    let loaded = read_with(
        GOOD,
        &[
            ("train.batch", "32"),
            ("devices.mesh.estimator.samples", "8"),
            ("devices.mesh.output.margin", "2"),
            ("model.layers.1.linear.out", "16"),
            ("devices.mesh.source.settings.size", "16"),
            ("controls", "[random_feedback]"),
            ("data.augment", "null"),
        ],
    )
    .unwrap();
    let e = loaded.experiment;
    let mesh = &e.devices["mesh"];
    assert_eq!((e.train.batch, mesh.output.margin, e.data.augment), (32, 2.0, None));
    assert_eq!(mesh.estimator.as_ref().unwrap().settings["samples"], 8);
    assert_eq!(e.model.layers[1], Layer::Linear { out: 16, bias: true, share: None });
    assert_eq!(e.controls, [Control::RandomFeedback]);
    for (path, value, words) in [
        ("train.bach", "3", &["unknown key `bach`", "--set:1:7", "train.bach=3", "did you mean `batch`?"][..]),
        ("devices.mesh.estimator.method", "natural", &["there is no estimator `natural`", "--set:1:31"]),
        ("devices.mish.seed", "1", &["--set", "missing key `source`"]),
        ("train.batch", "0", &["at least 1", "--set:1:13"]),
        ("train.batch.x", "0", &["nothing below", "an integer"]),
        ("model.layers.9", "relu", &["no element `9`", "5 elements"]),
        ("train..batch", "1", &["not a path of keys"]),
        ("train", "{epochs: ]", &["--set train"]),
        ("train.clip_norm", ".inf", &["not a finite number"]),
    ] {
        expect(&errors(GOOD, &[(path, value)]), words);
    }
}

#[test]
fn what_no_schema_can_say_is_checked() {
    for (old, new, words) in [
        ("name: example", "name: a/b", "`a/b` is no name"),
        ("epochs: 2", "epochs: 2\n  steps: 5", "both `epochs` and `steps`"),
        ("epochs: 2", "clip_norm: 1", "neither `epochs` nor `steps`"),
        ("batch: 64", "batch: 1001", "larger than the training set of 1000"),
        ("crop: 2", "crop: 28", "28 pixels wide"),
        ("momentum: 0.9", "momentum: 1.5", "`momentum` must be"),
        ("learning_rate: 0.02", "learning_rate: -1", "`learning_rate` must be"),
        ("[digital, frozen]", "[frozen, frozen]", "stands here twice"),
        ("{plugin: dense, settings: {size: 8}}", "{settings: {size: 8}}", "one of a `file`, a `plugin` and a `replay`"),
        (", value: 3", "", "needs its `value`"),
        ("value: 3", "value: 0", "greater than 0"),
        ("{name: mesh}", "{name: mash}", "did you mean `mesh`?"),
        ("    - linear: {out: 10}\n", "", "shape [8], expected [10]"),
        ("    - flatten\n", "    - max_pool: {kernel: 30}\n", "kernel of 30"),
        ("    surrogate: {method: full}\n", "", "no gradient reaches `linear` (layers[1])"),
        ("seed: 7", "seed: 18446744073709551616", "the experiment cannot be used"),
    ] {
        assert!(GOOD.contains(old), "{old}");
        expect(&errors(&GOOD.replace(old, new), &[]), &[words]);
    }
}

const TASK: &str = "\
name: task
data: {set: equalization, size: 4}
model: {layers: [linear: {out: 4}], loss: mse}
train: {steps: 5, batch: 10, optimizer: {sgd: {learning_rate: 0.1}}}
";

const COPYING: &str = "\
name: task
data: {set: copying_memory, length: 3, delay: 4}
model: {layers: [linear: {out: 10}]}
train: {steps: 5, batch: 10, optimizer: {sgd: {learning_rate: 0.1}}}
";

#[test]
fn settings_of_a_set_have_defaults_that_are_written_out() {
    let e = read_with(TASK, &[]).unwrap().experiment;
    assert_eq!(e.data.data_set(), Set::Equalization(Equalization { size: 4, singular_values: [2.0, 6.0] }));
    let text = e.to_yaml().unwrap();
    expect(&text, &["size: 4", "singular_values:\n  - 2.0\n  - 6.0"]);
    assert!(!text.contains("normalise") && !text.contains("symbols"), "{text}");
    assert_eq!(read_with(&text, &[]).unwrap().experiment, e);
    let e = read_with(COPYING, &[("data.delay", "0"), ("model.loss", "mse")]).unwrap().experiment;
    assert_eq!(e.data.data_set(), Set::CopyingMemory(CopyingMemory { symbols: 8, length: 3, delay: 0 }));
    expect(&e.to_yaml().unwrap(), &["symbols: 8", "length: 3", "delay: 0"]);
    let plain = read_with(GOOD, &[]).unwrap().experiment.to_yaml().unwrap();
    assert!(plain.contains("normalise: standard") && !plain.contains("size: 16"), "{plain}");
}

#[test]
fn settings_must_belong_to_the_set_and_make_sense() {
    for (text, path, value, words) in [
        (
            GOOD,
            "data.size",
            "16",
            &["the data set `fashion_mnist` has no setting `size`", "for equalization", "--set"][..],
        ),
        (TASK, "data.delay", "3", &["the data set `equalization` has no setting `delay`", "for copying_memory"]),
        (TASK, "data.normalise", "unit", &["no setting `normalise`", "for images"]),
        (TASK, "data.augment", "{flip: true}", &["no setting `augment`", "for images"]),
        (COPYING, "data.singular_values", "[1, 2]", &["`copying_memory` has no setting `singular_values`"]),
        (TASK, "data.size", "0", &["at least 1"]),
        (TASK, "data.size", "257", &["at most 256"]),
        (TASK, "data.singular_values", "[6, 2]", &["singular values from 6 to 2", "--set:1:22"]),
        (TASK, "data.singular_values", "[-1, 2]", &["at least 0"]),
        (TASK, "data.singular_values", "[1, 2, 3]", &["2"]),
        (COPYING, "data.symbols", "255", &["at most 254"]),
        (COPYING, "data.delay", "100000", &["70000 such samples take 13 GiB"]),
        (TASK, "train.batch", "60001", &["larger than the training set of 60000"]),
        (TASK, "data.sizes", "3", &["did you mean `size`?"]),
    ] {
        expect(&errors(text, &[(path, value)]), words);
    }
}

#[test]
fn outputs_and_loss_fit_what_is_to_be_found() {
    for (text, path, value, words) in [
        (
            TASK,
            "model.loss",
            "cross_entropy",
            &["the targets of equalization are numbers", "--set:1:12", "loss: mse"][..],
        ),
        (TASK, "data.size", "5", &["the shape [4], expected [5]", "equalization has 5 numbers", "example.yaml:3:18"]),
        (COPYING, "data.symbols", "7", &["the shape [10, 10], expected [10, 9]", "9 classes at each of 10 positions"]),
        (COPYING, "model.layers", "[flatten, linear: {out: 100}]", &["the shape [100], expected [10, 10]"]),
    ] {
        expect(&errors(text, &[(path, value)]), words);
    }
    // `cross_entropy` is the default, so that leaving the loss out is an error of the model.
    expect(&errors(&TASK.replace(", loss: mse", ""), &[]), &["needs classes", "example.yaml:3"]);
}

#[test]
fn what_is_odd_is_a_warning() {
    for (old, new, words) in [
        ("- linear: {out: 10}", "- linear: {out: 10}\n    - softmax", "applied twice"),
        ("    estimator: {method: gaussian, samples: 32, mu: auto}\n", "", "has no estimator"),
        ("    - device: {name: mesh}\n", "", "no layer uses the device `mesh`"),
        ("    - device: {name: mesh}\n", "", "no device in the network"),
    ] {
        let loaded = read_with(&GOOD.replace(old, new), &[]).unwrap();
        expect(&loaded.warnings.render(false), &[words]);
    }
}

#[test]
fn shapes_are_checked_when_the_devices_are_known() {
    let loaded = read_with(&GOOD.replace("name: mesh}", "name: mesh, out: 12}"), &[]).unwrap();
    assert!(loaded.check_shapes(&|_| Some((8, 8))).is_ok());
    let text = GOOD.replace("linear: {out: 10}", "adaptive_avg_pool: {size: [1, 1]}");
    expect(&errors(&text, &[]), &["layers[4] (`adaptive_avg_pool`)", "example.yaml:10"]);
    assert_eq!(network_shapes(&loaded.experiment, &|_| Some((8, 8))).unwrap()[3].output, [12]);
}

/// No text makes the reader panic: each prefix of a good file and each file with one line less is read or refused.
#[test]
fn broken_files_are_refused_and_never_panic() {
    for end in 0..GOOD.len() {
        let _ = read_with(&GOOD[..end], &[]);
    }
    let lines: Vec<&str> = GOOD.lines().collect();
    for skip in 0..lines.len() {
        let text: Vec<&str> = lines.iter().enumerate().filter(|(i, _)| *i != skip).map(|(_, l)| *l).collect();
        let _ = read_with(&text.join("\n"), &[]);
    }
}

/// `UPDATE_SCHEMA=1 cargo test -p blackbeam-runtime schema` writes the file anew.
#[test]
fn the_schema_file_is_in_sync() {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemas/experiment.schema.json"));
    let text = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == text, "{} is out of date: run this test with UPDATE_SCHEMA=1", path.display());
}
