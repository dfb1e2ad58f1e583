//! Checks of the network: names of devices, shapes, and whether the gradient gets where it is needed.

use super::{Experiment, ScaleRule, overrides::unknown_name};
use blackbeam_data::Target;
use blackbeam_layers::{Layer, LayerError, LayerShape, Loss, device_uses, layer_path, shapes};
use blackbeam_source::{Diagnostic, Diagnostics, Node, Span};

type Widths<'a> = &'a dyn Fn(&str) -> Option<(usize, usize)>;

/// Shapes around every layer of an experiment's network for devices of these widths (inputs, outputs).
///
/// # Errors
/// The first layer that does not fit.
pub fn network_shapes<'a>(experiment: &'a Experiment, widths: Widths<'_>) -> Result<Vec<LayerShape<'a>>, LayerError> {
    shapes(&experiment.model.layers, &experiment.data.data_set().shape(), widths)
}

/// Where a layer stands in the file.
fn layer_span(root: &Node, path: &[usize]) -> Span {
    let mut steps = vec!["model".to_owned()];
    for (depth, index) in path.iter().enumerate() {
        steps.extend(["residual".to_owned()].into_iter().filter(|_| depth > 0));
        steps.extend(["layers".to_owned(), index.to_string()]);
    }
    root.span_at(&steps.iter().map(String::as_str).collect::<Vec<_>>())
}

fn layer_at<'a>(layers: &'a [Layer], path: &[usize]) -> Option<&'a Layer> {
    let (&first, rest) = path.split_first()?;
    match layers.get(first)? {
        Layer::Residual { layers } if !rest.is_empty() => layer_at(layers, rest),
        layer => Some(layer),
    }
}

/// All checks that need no device to be open.
pub(super) fn check(experiment: &Experiment, root: &Node, widths: Widths<'_>, found: &mut Diagnostics) {
    if experiment.model.layers.is_empty() {
        let span = root.span_at(&["model", "layers"]);
        found.push(Diagnostic::error("no-layers", "a network needs at least one layer").at(span));
        return;
    }
    check_names(experiment, root, found);
    check_gradient_paths(experiment, root, found);
    check_shapes(experiment, root, widths, found);
    check_loss(experiment, root, found);
    if experiment.model.loss == Loss::CrossEntropy && experiment.model.layers.last() == Some(&Layer::Softmax) {
        let message = "cross-entropy takes logits: a softmax before it is applied twice";
        let span = layer_span(root, &[experiment.model.layers.len() - 1]);
        found.push(Diagnostic::warning("double-softmax", message).at(span).help("leave the last `softmax` out"));
    }
}

fn check_names(experiment: &Experiment, root: &Node, found: &mut Diagnostics) {
    let uses = device_uses(&experiment.model.layers);
    let known: Vec<String> = experiment.devices.keys().cloned().collect();
    for used in uses.iter().filter(|u| !known.contains(&u.name)) {
        let error = unknown_name("device", &used.name, &known, layer_span(root, &used.path));
        found.push(error.help("the devices of a network stand under `devices`"));
    }
    for name in known.iter().filter(|name| !uses.iter().any(|u| u.name == **name)) {
        let span = root.get("devices").and_then(|d| d.entry(name)).map_or(root.span, |(key, _)| key.span);
        let message = format!("no layer uses the device `{name}`");
        found.push(Diagnostic::warning("unused-device", message).at(span).help("it is not opened"));
    }
    if uses.is_empty() && !experiment.controls.is_empty() {
        let message = "there is no device in the network: its controls are the same network again";
        found.push(Diagnostic::warning("no-device", message).at(root.span_at(&["controls"])));
    }
}

/// A use of a device behind something that is trained: a gradient has to go through it.
pub struct Behind<'a> {
    /// Name of the device.
    pub device: &'a str,
    /// Its layer.
    path: Vec<usize>,
    /// What is trained before it, for people.
    before: String,
}

/// The uses of devices that a gradient has to go through.
pub fn behind_trained(experiment: &Experiment) -> Vec<Behind<'_>> {
    fn walk<'a>(layers: &'a [Layer], path: &mut Vec<usize>, order: &mut Vec<(Vec<usize>, &'a Layer)>) {
        for (i, layer) in layers.iter().enumerate() {
            path.push(i);
            order.push((path.clone(), layer));
            if let Layer::Residual { layers } = layer {
                walk(layers, path, order);
            }
            path.pop();
        }
    }
    let mut order = Vec::new();
    walk(&experiment.model.layers, &mut Vec::new(), &mut order);
    let mut behind = Vec::new();
    let mut trained: Option<(Vec<usize>, &Layer)> = None;
    for (path, layer) in order {
        let device = match layer {
            Layer::Device { name, .. } => experiment.devices.get_key_value(name),
            _ => None,
        };
        if let Some((name, device)) = device {
            let learned = device.input.scale == ScaleRule::Learned;
            let before = match &trained {
                Some((path, layer)) => Some(format!("`{}` ({})", layer.name(), layer_path(path))),
                None => learned.then(|| "the learned input scale".to_owned()),
            };
            behind.extend(before.map(|before| Behind { device: name, path: path.clone(), before }));
        }
        if trained.is_none() && (is_trained(layer) || device.is_some_and(|(_, d)| d.estimator.is_some())) {
            trained = Some((path, layer));
        }
    }
    behind
}

/// A device that something trained stands before needs a surrogate, or nothing before it learns.
fn check_gradient_paths(experiment: &Experiment, root: &Node, found: &mut Diagnostics) {
    let lacking = |b: &Behind<'_>| experiment.devices.get(b.device).is_some_and(|d| d.surrogate.is_none());
    for Behind { device, path, before } in behind_trained(experiment).into_iter().filter(lacking) {
        let message = format!("the device `{device}` has no surrogate, so no gradient reaches {before} before it");
        let error = Diagnostic::error("no-surrogate", message).at(layer_span(root, &path));
        found.push(error.help(format!("add `devices.{device}.surrogate`, such as `{{method: residual}}`")));
    }
}

fn is_trained(layer: &Layer) -> bool {
    match layer {
        Layer::Linear { .. }
        | Layer::Tt { .. }
        | Layer::Mixer { .. }
        | Layer::Conv2d { .. }
        | Layer::BatchNorm
        | Layer::LayerNorm
        | Layer::Embedding { .. }
        | Layer::Bias
        | Layer::Scale { .. }
        | Layer::Device { scale: true, .. } => true,
        Layer::MaxPool { .. }
        | Layer::AvgPool { .. }
        | Layer::AdaptiveAvgPool { .. }
        | Layer::Dropout { .. }
        | Layer::Relu
        | Layer::Gelu
        | Layer::Tanh
        | Layer::Sigmoid
        | Layer::Sine
        | Layer::Softmax
        | Layer::Tokens
        | Layer::Mean
        | Layer::Complex
        | Layer::Magnitude
        | Layer::Power
        // refused where a network is not on a device
        | Layer::Circuit { .. }
        | Layer::Diagonal { .. }
        | Layer::Phases
        | Layer::Svd { .. }
        | Layer::Recurrent { .. }
        | Layer::Flatten
        | Layer::Reshape { .. }
        | Layer::Resize { .. }
        | Layer::Residual { .. }
        | Layer::Device { scale: false, .. } => false,
    }
}

/// Whether the loss can be taken of what the data set has to be found.
fn check_loss(experiment: &Experiment, root: &Node, found: &mut Diagnostics) {
    let set = experiment.data.data_set();
    if experiment.model.loss == Loss::CrossEntropy && !set.target().is_classes() {
        let message = format!("the loss cross_entropy needs classes, and the targets of {} are numbers", set.name());
        let error = Diagnostic::error("wrong-loss", message).at(root.span_at(&["model", "loss"]));
        found.push(error.help("set `model.loss: mse` (`cross_entropy` is the default)"));
    }
}

/// Shapes, as far as the widths of the devices are known.
pub(super) fn check_shapes(experiment: &Experiment, root: &Node, widths: Widths<'_>, found: &mut Diagnostics) {
    let set = experiment.data.data_set();
    let expected = set.target().output_shape();
    match network_shapes(experiment, widths) {
        Ok(shapes) => {
            let last = shapes.iter().rev().find(|s| s.path.len() == 1);
            if let Some(last) = last.filter(|s| s.output != expected) {
                let message = format!("the network's output has the shape {:?}, expected {expected:?}", last.output);
                let error = Diagnostic::error("wrong-shape", message).at(layer_span(root, &last.path));
                found.push(error.help(format!("{} {}", set.name(), has(set.target()))));
            }
        }
        Err(error) => {
            let layer = layer_at(&experiment.model.layers, &error.path);
            // A device whose width is not known here, or whose name was reported already.
            if matches!(layer, Some(Layer::Device { name, .. }) if widths(name).is_none()) {
                return;
            }
            let name = layer.map_or("input", Layer::name);
            let message = format!("{} (`{name}`): {}", layer_path(&error.path), error.message);
            found.push(Diagnostic::error("wrong-shape", message).at(layer_span(root, &error.path)));
        }
    }
}

/// What a data set has to be found, for people.
fn has(target: Target) -> String {
    match target {
        Target::Class(classes) => format!("has {classes} classes: one number for each"),
        Target::ClassPerPosition { positions, classes } => {
            format!("has one of {classes} classes at each of {positions} positions: [positions, classes]")
        }
        Target::Numbers(numbers) => format!("has {numbers} numbers for each sample"),
    }
}
