//! Checks of everything but the network: what no schema can say.

use super::{
    DeviceConfig, Experiment, Lookup, Method, Origin, ScaleRule, Source as DeviceSource, overrides::unknown_name,
    read::Plugins,
};
use blackbeam_plugin::Kind;
use blackbeam_source::{Diagnostic, Diagnostics, Node, Span, Value, schema::validate};
use std::path::Path;

/// Most samples, and most bytes of them, of a set that is drawn in code: they are kept in memory.
const MOST_SAMPLES: usize = 1_000_000;
const MOST_BYTES: usize = 4 << 30;

pub(super) fn check(experiment: &Experiment, root: &Node, plugins: Plugins<'_>, found: &mut Diagnostics) {
    check_name("an experiment", &experiment.name, root.span_at(&["name"]), found);
    check_data(experiment, root, found);
    check_train(experiment, root, found);
    for (i, control) in experiment.controls.iter().enumerate() {
        if experiment.controls[..i].contains(control) {
            let message = format!("the control `{}` stands here twice", control.name());
            found.push(Diagnostic::error("duplicate", message).at(root.span_at(&["controls", &i.to_string()])));
        }
    }
    for (name, device) in &experiment.devices {
        let Some((key, node)) = root.get("devices").and_then(|d| d.entry(name)) else { continue };
        check_name("a device", name, key.span, found);
        check_device(name, device, node, key.span, plugins, found);
    }
}

/// Names become names of files and of keys in paths with dots.
fn check_name(what: &str, name: &str, span: Span, found: &mut Diagnostics) {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || name.len() > 100 || !name.chars().all(fits) {
        let error = Diagnostic::error("bad-name", format!("`{name}` is no name for {what}")).at(span);
        found.push(error.help("1 to 100 letters (a-z, A-Z), digits, `-` and `_`"));
    }
}

/// Settings in `data` that belong to another data set. Before those of the set itself are filled in.
pub(super) fn check_settings_of_set(experiment: &Experiment, root: &Node, found: &mut Diagnostics) {
    let data = &experiment.data;
    for (key, owner) in data.strays() {
        let message = format!("the data set `{}` has no setting `{key}`", data.set.name());
        let error = Diagnostic::error("not-allowed", message).at(root.span_at(&["data", key]));
        found.push(error.help(format!("`{key}` is for {owner}: take it away, or choose another `set`")));
    }
}

fn check_data(experiment: &Experiment, root: &Node, found: &mut Diagnostics) {
    let data = &experiment.data;
    for (key, n) in [("train", data.train), ("test", data.test)] {
        if n.is_some_and(|n| n > MOST_SAMPLES) {
            let message = format!("more than {MOST_SAMPLES} samples");
            found.push(Diagnostic::error("out-of-range", message).at(root.span_at(&["data", key])));
        }
    }
    let set = data.data_set();
    if let Err((key, message)) = set.check() {
        found.push(Diagnostic::error("out-of-range", message).at(root.span_at(&["data", key])));
    }
    if let Some((train, test)) = set.default_samples() {
        let samples = data.train.unwrap_or(train).saturating_add(data.test.unwrap_or(test));
        let bytes = samples.saturating_mul(set.bytes_per_sample());
        if bytes > MOST_BYTES {
            let message = format!("{samples} such samples take {:.0} GiB of memory", bytes as f64 / f64::from(1 << 30));
            let error = Diagnostic::error("out-of-range", message).at(root.span_at(&["data"]));
            found.push(error.help("smaller samples, or fewer of them: `train` and `test`"));
        }
    }
    if let Some([_, height, width]) = set.image() {
        let side = height.min(width);
        if let Some(crop) = data.augment.map(|a| a.crop).filter(|&crop| crop >= side) {
            let message = format!("a crop of {crop} can leave nothing of an image {side} pixels wide");
            found.push(Diagnostic::error("out-of-range", message).at(root.span_at(&["data", "augment", "crop"])));
        }
    }
    let known = data.train.or(set.default_samples().map(|(train, _)| train));
    if let Some(n) = known.filter(|&n| experiment.train.batch > n) {
        let message = format!("a batch of {} is larger than the training set of {n}", experiment.train.batch);
        let span = root.span_at(&["train", "batch"]);
        found.push(
            Diagnostic::error("out-of-range", message).at(span).help("raise `data.train` or lower `train.batch`"),
        );
    }
}

fn check_train(experiment: &Experiment, root: &Node, found: &mut Diagnostics) {
    let train = &experiment.train;
    if train.epochs.is_some() == train.steps.is_some() {
        let (message, key) = match train.epochs {
            Some(_) => ("both `epochs` and `steps` are given: how long is the training?", "steps"),
            None => ("neither `epochs` nor `steps` is given: how long is the training?", "epochs"),
        };
        let error = Diagnostic::error("training-length", message).at(root.span_at(&["train", key]));
        found.push(error.help("give one of them; `null` takes one away"));
    }
    let results = [("optimizer", train.optimizer.check()), ("schedule", train.schedule.check())];
    for (key, message) in results.into_iter().filter_map(|(key, result)| Some((key, result.err()?))) {
        found.push(Diagnostic::error("out-of-range", message).at(root.span_at(&["train", key])));
    }
}

fn check_device(
    name: &str,
    device: &DeviceConfig,
    node: &Node,
    key: Span,
    plugins: Plugins<'_>,
    found: &mut Diagnostics,
) {
    if let Some(source) = node.get("source") {
        check_source(&device.source, source, plugins, found);
    }
    if device.input.scale == ScaleRule::Fixed && device.input.value.is_none() {
        let error = Diagnostic::error("missing-key", "a fixed input scale needs its `value`");
        found.push(error.at(node.span_at(&["input"])));
    }
    let results =
        [("optimizer", device.optimizer.check()), ("schedule", device.schedule.as_ref().map_or(Ok(()), |s| s.check()))];
    for (key, message) in results.into_iter().filter_map(|(key, result)| Some((key, result.err()?))) {
        found.push(Diagnostic::error("out-of-range", message).at(node.span_at(&[key])));
    }
    if let Some(Err((key, message))) = device.sentinel.as_ref().map(|sentinel| sentinel.check()) {
        found.push(Diagnostic::error("out-of-range", message).at(node.span_at(&["sentinel", key])));
    }
    if device.estimator.is_none() {
        let message = format!("the device `{name}` has no estimator: its parameters stay as they are at the start");
        found.push(Diagnostic::warning("not-trained", message).at(key));
    }
    let methods = [
        (Kind::Estimator, &device.estimator, node.get("estimator")),
        (Kind::Surrogate, &device.surrogate, node.get("surrogate")),
    ];
    for (kind, method, node) in methods {
        if let (Some(method), Some(node)) = (method, node) {
            check_method(kind, method, node, plugins, found);
        }
    }
}

fn check_source(source: &DeviceSource, node: &Node, plugins: Plugins<'_>, found: &mut Diagnostics) {
    match source.origin() {
        Some(Origin::File(file)) => {
            check_file(file, node.span_at(&["file"]), found);
            if source.library.is_some() {
                let error = Diagnostic::error("not-allowed", "a device description has no library");
                found.push(error.at(node.span_at(&["library"])).help("`library` belongs to `plugin`"));
            }
            check_isolation(source, node, found);
        }
        Some(Origin::Replay(log)) => {
            check_file(log, node.span_at(&["replay"]), found);
            for key in ["library", "preset", "settings"].into_iter().filter(|key| node.get(key).is_some()) {
                let error = Diagnostic::error("not-allowed", format!("a log has no `{key}`")).at(node.span_at(&[key]));
                found.push(error.help("it holds the device as it was recorded"));
            }
        }
        Some(Origin::Plugin(name, _)) => {
            check_isolation(source, node, found);
            let known = found_plugin(Kind::Device, name, source.library.as_deref(), node, "plugin", plugins, found);
            if let Some(schema) = known {
                let none = Node { span: node.span, value: Value::Map(Vec::new()) };
                validate(node.get("settings").unwrap_or(&none), &schema, found);
            }
        }
        None => {
            let message = "a device comes from one of a `file`, a `plugin` and a `replay`";
            found.push(Diagnostic::error("device-source", message).at(node.span).help("give one of them"));
        }
    }
}

/// Only libraries have to be kept apart.
fn check_isolation(source: &DeviceSource, node: &Node, found: &mut Diagnostics) {
    if source.isolation.is_some() && source.library.is_none() {
        let error = Diagnostic::error("not-allowed", "only the device of a `library` can run in a process of its own");
        found.push(error.at(node.span_at(&["isolation"])).help("leave `isolation` out"));
    }
}

fn check_file(file: &Path, span: Span, found: &mut Diagnostics) {
    if !file.is_file() {
        let error = Diagnostic::error("missing-file", format!("there is no file `{}`", file.display())).at(span);
        found.push(error.help("paths are relative to the experiment file"));
    }
}

fn check_method(kind: Kind, method: &Method, node: &Node, plugins: Plugins<'_>, found: &mut Diagnostics) {
    let library = method.library.as_deref();
    let Some(schema) = found_plugin(kind, &method.method, library, node, "method", plugins, found) else { return };
    // The settings stand beside the method's name.
    let own = |key: &str| key == "method" || key == "library";
    let entries = node.as_map().unwrap_or_default().iter().filter(|(key, _)| !own(&key.name)).cloned().collect();
    validate(&Node { span: node.span, value: Value::Map(entries) }, &schema, found);
}

/// The settings schema of a plugin, if it is known; what is wrong otherwise goes to `found`.
fn found_plugin(
    kind: Kind,
    name: &str,
    library: Option<&Path>,
    node: &Node,
    key: &str,
    plugins: Plugins<'_>,
    found: &mut Diagnostics,
) -> Option<serde_json::Value> {
    let span = node.span_at(&[key]);
    let manifest = match plugins(kind, name, library) {
        Lookup::Known(manifest) => manifest,
        Lookup::Unknown(known) => {
            found.push(unknown_name(kind.name(), name, &known, span));
            return None;
        }
        Lookup::NotVerified(message) => {
            found.push(Diagnostic::warning("not-verified", message).at(span));
            return None;
        }
    };
    match serde_json::from_str(&manifest.settings_schema) {
        Ok(schema) => Some(schema),
        Err(e) => {
            let message = format!("the settings of `{name}` cannot be checked: its schema is not JSON ({e})");
            found.push(Diagnostic::warning("not-verified", message).at(span));
            None
        }
    }
}
