//! Shapes of what flows between the layers.

use crate::{Layer, Ranks, Recurrence};
use std::collections::HashMap;

/// Largest number of elements of one sample between two layers, and of the parameters of one layer.
pub const MAX_ELEMENTS: usize = 1 << 28;

/// A layer that cannot stand where it stands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", layer_path(path))]
pub struct LayerError {
    /// Index of the layer, and within each residual that it is in. Empty for the input shape itself.
    pub path: Vec<usize>,
    /// What was expected, what was found, what to do.
    pub message: String,
}

/// A path of indices as it reads in an experiment file, such as `layers[3].residual.layers[0]`.
pub fn layer_path(path: &[usize]) -> String {
    let mut text = String::from(if path.is_empty() { "input" } else { "" });
    for (depth, index) in path.iter().enumerate() {
        text += &format!("{}layers[{index}]", if depth > 0 { ".residual." } else { "" });
    }
    text
}

/// What goes into and comes out of one layer.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerShape<'a> {
    /// Index of the layer, and within each residual that it is in.
    pub path: Vec<usize>,
    /// The layer.
    pub layer: &'a Layer,
    /// Shape of one sample before it.
    pub input: Vec<usize>,
    /// Shape of one sample after it.
    pub output: Vec<usize>,
    /// How many trainable numbers it has of its own; a shared linear layer counts where it first stands, a residual's
    /// layers count for themselves.
    pub parameters: usize,
}

type Widths<'w> = &'w dyn Fn(&str) -> Option<(usize, usize)>;

/// Shapes around every layer, in execution order (a residual comes before the layers in it), for samples of
/// `input_shape` (without the batch) and devices of (inputs, outputs) given by `device_widths`.
///
/// # Errors
/// The first layer that does not fit: too few axes, a window larger than the image, a setting of zero, an unknown
/// device, a residual whose ends differ, a size beyond [`MAX_ELEMENTS`].
pub fn shapes<'a>(
    layers: &'a [Layer],
    input_shape: &[usize],
    device_widths: Widths<'_>,
) -> Result<Vec<LayerShape<'a>>, LayerError> {
    walk(layers, input_shape, device_widths, None)
}

/// As [`shapes`], for a network on a device, in which no device stands: `circuits` gives the (inputs, outputs) of its
/// instances, in complex numbers.
///
/// # Errors
/// As [`shapes`]; an unknown instance.
pub fn shapes_on_device<'a>(
    layers: &'a [Layer],
    input_shape: &[usize],
    circuits: Widths<'_>,
) -> Result<Vec<LayerShape<'a>>, LayerError> {
    walk(layers, input_shape, &|_| None, Some(circuits))
}

fn walk<'a>(
    layers: &'a [Layer],
    input_shape: &[usize],
    widths: Widths<'_>,
    circuits: Option<Widths<'_>>,
) -> Result<Vec<LayerShape<'a>>, LayerError> {
    if input_shape.is_empty() || input_shape.len() > 3 {
        let message = format!("samples have one to three axes, found the shape {input_shape:?}");
        return Err(LayerError { path: Vec::new(), message });
    }
    fits(input_shape).map_err(|message| LayerError { path: Vec::new(), message })?;
    let mut walk = Walk { widths, circuits, shared: HashMap::new(), found: Vec::new(), path: Vec::new() };
    walk.sequence(layers, input_shape.to_vec())?;
    Ok(walk.found)
}

struct Walk<'a, 'w> {
    widths: Widths<'w>,
    /// Those of the instances of a device, if the network is on one.
    circuits: Option<Widths<'w>>,
    /// (features in, features out, bias) of each shared linear layer
    shared: HashMap<&'a str, (usize, usize, bool)>,
    found: Vec<LayerShape<'a>>,
    path: Vec<usize>,
}

impl<'a> Walk<'a, '_> {
    fn sequence(&mut self, layers: &'a [Layer], mut shape: Vec<usize>) -> Result<Vec<usize>, LayerError> {
        for (i, layer) in layers.iter().enumerate() {
            self.path.push(i);
            shape = self.layer(layer, shape)?;
            self.path.pop();
        }
        Ok(shape)
    }

    fn error(&self, message: String) -> LayerError {
        LayerError { path: self.path.clone(), message }
    }

    fn layer(&mut self, layer: &'a Layer, input: Vec<usize>) -> Result<Vec<usize>, LayerError> {
        let at = self.found.len();
        self.found.push(LayerShape { path: self.path.clone(), layer, input, output: Vec::new(), parameters: 0 });
        let input = self.found[at].input.clone();
        let (output, parameters) = match layer {
            Layer::Residual { layers } => {
                let output = self.sequence(layers, input.clone())?;
                if output != input {
                    return Err(self.error(format!(
                        "the layers of a residual must give the shape that they get, {input:?}, but give {output:?}"
                    )));
                }
                (output, 0)
            }
            Layer::Embedding { .. } if self.path != [0] => {
                return Err(self.error("an embedding takes token numbers and can only be the first layer".into()));
            }
            _ => self.plain(layer, &input).map_err(|message| self.error(message))?,
        };
        fits(&output).map_err(|message| self.error(message))?;
        fits(&[parameters.max(1)]).map_err(|message| self.error(message))?;
        self.found[at].output.clone_from(&output);
        self.found[at].parameters = parameters;
        Ok(output)
    }

    /// Output shape and number of parameters of a layer that is not a residual.
    fn plain(&mut self, layer: &'a Layer, input: &[usize]) -> Result<(Vec<usize>, usize), String> {
        let features = input.last().copied().unwrap_or(0);
        let with_features = |out: usize| {
            let mut shape = input.to_vec();
            shape.pop();
            shape.push(out);
            shape
        };
        Ok(match layer {
            Layer::Linear { out, bias, share } => {
                at_least_one("out", *out)?;
                let own = (features, *out, *bias);
                let first = share.as_deref().and_then(|name| self.shared.insert(name, own));
                let parameters = match first {
                    Some(other) if other != own => {
                        return Err(format!(
                            "linear layers that share weights must have equal widths and `bias`: here {}, before {}",
                            describe(own),
                            describe(other)
                        ));
                    }
                    Some(_) => 0,
                    None => features.saturating_mul(*out).saturating_add(if *bias { *out } else { 0 }),
                };
                (with_features(*out), parameters)
            }
            Layer::Tt { modes_in, modes_out, ranks, bias, gain } => {
                finite("gain", *gain)?;
                let cores = tensor_train(modes_in, modes_out, ranks)?;
                let [found] = *input else {
                    return Err(format!(
                        "a tensor train takes [features], found the shape {input:?}: put `flatten` before it"
                    ));
                };
                let product = |modes: &[usize]| modes.iter().fold(1usize, |p, m| p.saturating_mul(*m));
                if product(modes_in) != found {
                    let n = product(modes_in);
                    return Err(format!("`modes_in` make {n} features, but {found} arrive"));
                }
                let out = product(modes_out);
                let own =
                    cores.iter().fold(0usize, |sum, [rows, columns]| sum.saturating_add(rows.saturating_mul(*columns)));
                (vec![out], own.saturating_add(if *bias { out } else { 0 }))
            }
            Layer::Conv2d { out, kernel, stride, padding, bias } => {
                at_least_one("out", *out)?;
                let [channels, h, w] = image(input)?;
                let shape =
                    vec![*out, windows(h, *kernel, *stride, *padding)?, windows(w, *kernel, *stride, *padding)?];
                let per_channel = channels.saturating_mul(*kernel).saturating_mul(*kernel);
                (shape, per_channel.saturating_add(usize::from(*bias)).saturating_mul(*out))
            }
            Layer::MaxPool { kernel, stride } | Layer::AvgPool { kernel, stride } => {
                let [channels, h, w] = image(input)?;
                let stride = stride.unwrap_or(*kernel);
                (vec![channels, windows(h, *kernel, stride, 0)?, windows(w, *kernel, stride, 0)?], 0)
            }
            Layer::AdaptiveAvgPool { size } => {
                size.iter().try_for_each(|&s| at_least_one("size", s))?;
                (vec![image(input)?[0], size[0], size[1]], 0)
            }
            Layer::BatchNorm => (input.to_vec(), 2 * if input.len() == 3 { input[0] } else { features }),
            Layer::LayerNorm => (input.to_vec(), 2 * features),
            Layer::Dropout { p } if !(0.0..1.0).contains(p) => {
                return Err(format!("`p` must be at least 0 and less than 1, found {p}"));
            }
            Layer::Flatten => (vec![input.iter().product()], 0),
            Layer::Reshape { shape } => {
                let (elements, found) =
                    (shape.iter().try_fold(1usize, |n, &axis| n.checked_mul(axis)), input.iter().product());
                if shape.is_empty() || shape.len() > 3 || elements != Some(found) {
                    return Err(format!("`shape` {shape:?} does not hold the {found} elements of the shape {input:?}"));
                }
                (shape.clone(), 0)
            }
            Layer::Embedding { vocabulary, dim } => {
                at_least_one("vocabulary", *vocabulary)?;
                at_least_one("dim", *dim)?;
                let [positions] = *input else {
                    return Err(format!("an embedding takes [positions], found the shape {input:?}"));
                };
                (vec![positions, *dim], vocabulary.saturating_mul(*dim))
            }
            Layer::Bias => (input.to_vec(), features),
            Layer::Scale { initial } => {
                finite("initial", *initial)?;
                (input.to_vec(), 1)
            }
            Layer::Resize { out } => {
                at_least_one("out", *out)?;
                (with_features(*out), 0)
            }
            Layer::Device { name, out, scale, initial_scale } => {
                if self.circuits.is_some() {
                    return Err("a network on a device holds no other device".into());
                }
                let (_, d_out) =
                    (self.widths)(name).ok_or_else(|| format!("there is no device `{name}` under `devices`"))?;
                finite("initial_scale", *initial_scale)?;
                let out = out.unwrap_or(d_out);
                at_least_one("out", out)?;
                (with_features(out), usize::from(*scale))
            }
            Layer::Tokens => {
                let [channels, h, w] = image(input)?;
                (vec![h * w, channels], 0)
            }
            Layer::Mean => (vec![features], 0),
            Layer::Mixer { tokens, channels } => {
                at_least_one("tokens", *tokens)?;
                at_least_one("channels", *channels)?;
                let [positions, features] = positions(input)?;
                let mlp = |width: usize, hidden: usize| {
                    let weights = width.saturating_mul(hidden).saturating_mul(2);
                    weights.saturating_add(width).saturating_add(hidden).saturating_add(2 * features)
                };
                (input.to_vec(), mlp(positions, *tokens).saturating_add(mlp(features, *channels)))
            }
            Layer::Complex => (with_features(2 * features), 0),
            Layer::Magnitude | Layer::Power => (with_features(pairs(input)?), 0),
            Layer::Circuit { .. } | Layer::Diagonal { .. } | Layer::Phases | Layer::Svd { .. } => {
                let (out, parameters) = self.optical(layer, pairs(input)?)?;
                (with_features(2 * out), parameters)
            }
            Layer::Recurrent { layers, activation } => {
                let [_, features] = positions(input)?;
                let width = pairs(input)?;
                let (mut modes, mut parameters) = (width, 0usize);
                for (i, layer) in layers.iter().enumerate() {
                    let inside = |message| format!("layer {i} of its `layers` (`{}`): {message}", layer.name());
                    let (out, own) = self.optical(layer, modes).map_err(inside)?;
                    (modes, parameters) = (out, parameters.saturating_add(own));
                }
                if modes != width {
                    return Err(format!(
                        "the layers of a recurrent layer must give as many features as they get, {features}, but give {}",
                        2 * modes
                    ));
                }
                (input.to_vec(), parameters.saturating_add(if *activation == Recurrence::ModRelu { width } else { 0 }))
            }
            Layer::Dropout { .. }
            | Layer::Relu
            | Layer::Gelu
            | Layer::Tanh
            | Layer::Sigmoid
            | Layer::Sine
            | Layer::Softmax
            | Layer::Residual { .. } => (input.to_vec(), 0),
        })
    }

    /// (complex numbers out, trainable numbers of its own) of a linear photonic layer that gets `modes` complex numbers.
    fn optical(&self, layer: &Layer, modes: usize) -> Result<(usize, usize), String> {
        if self.circuits.is_none() {
            return Err(format!(
                "`{}` stands in the `network` of a device file only; a network of an experiment uses `device`",
                layer.name()
            ));
        }
        Ok(match layer {
            Layer::Circuit { name } => (self.circuit(name, modes)?, 0),
            Layer::Diagonal { initial } => {
                finite("initial", *initial)?;
                (modes, modes)
            }
            Layer::Phases => (modes, modes),
            Layer::Svd { right, left, initial } => {
                finite("initial", *initial)?;
                let inner = self.circuit(right, modes)?;
                (self.circuit(left, inner)?, inner)
            }
            _ => return Err("expected `circuit`, `diagonal`, `phases` or `svd`".into()),
        })
    }

    /// Outputs of an instance that gets so many complex numbers.
    fn circuit(&self, name: &str, arriving: usize) -> Result<usize, String> {
        let widths = self.circuits.and_then(|circuits| circuits(name));
        let (inputs, outputs) = widths.ok_or_else(|| format!("there is no instance `{name}` that carries light"))?;
        if arriving > inputs {
            return Err(format!("`{name}` has {inputs} inputs, but {arriving} complex numbers arrive"));
        }
        Ok(outputs)
    }
}

/// [rows, columns] of the cores of a tensor train as matrices [(rank before, i), (j, rank behind)].
pub(crate) fn tensor_train(modes_in: &[usize], modes_out: &[usize], ranks: &Ranks) -> Result<Vec<[usize; 2]>, String> {
    let length = modes_in.len();
    if length == 0 || modes_out.len() != length {
        return Err(format!(
            "`modes_in` and `modes_out` are as many numbers each, found {length} and {}",
            modes_out.len()
        ));
    }
    let between = match ranks {
        Ranks::All(rank) => vec![*rank; length - 1],
        Ranks::Each(ranks) if ranks.len() == length - 1 => ranks.clone(),
        Ranks::Each(ranks) => {
            return Err(format!("a tensor train of {length} cores has {} ranks, found {}", length - 1, ranks.len()));
        }
    };
    for (setting, numbers) in [("modes_in", modes_in), ("modes_out", modes_out), ("ranks", &between)] {
        numbers.iter().try_for_each(|&n| at_least_one(setting, n))?;
    }
    let before = std::iter::once(&1).chain(&between);
    let behind = between.iter().chain(std::iter::once(&1));
    let modes = modes_in.iter().zip(modes_out);
    Ok(modes.zip(before.zip(behind)).map(|((i, j), (a, b))| [a.saturating_mul(*i), j.saturating_mul(*b)]).collect())
}

fn positions(input: &[usize]) -> Result<[usize; 2], String> {
    input.try_into().map_err(|_| format!("this layer takes [positions, features], found the shape {input:?}"))
}

/// Number of (re, im) pairs on the last axis.
fn pairs(input: &[usize]) -> Result<usize, String> {
    match input.last() {
        Some(features) if features.is_multiple_of(2) => Ok(features / 2),
        _ => Err(format!(
            "this layer takes (re, im) pairs on the last axis, found the shape {input:?}; `complex` makes pairs of real numbers"
        )),
    }
}

fn describe((features, out, bias): (usize, usize, bool)) -> String {
    format!("{features} to {out} with{} bias", if bias { "" } else { "out" })
}

fn at_least_one(setting: &str, value: usize) -> Result<(), String> {
    if value == 0 { Err(format!("`{setting}` must be at least 1")) } else { Ok(()) }
}

fn finite(setting: &str, value: f64) -> Result<(), String> {
    if value.is_finite() { Ok(()) } else { Err(format!("`{setting}` must be a finite number, found {value}")) }
}

fn fits(shape: &[usize]) -> Result<(), String> {
    let elements = shape.iter().try_fold(1_usize, |product, &n| product.checked_mul(n));
    match elements {
        Some(0) => Err(format!("an axis of length 0 in the shape {shape:?}")),
        Some(n) if n <= MAX_ELEMENTS => Ok(()),
        _ => Err(format!("too large: {shape:?} has more than {MAX_ELEMENTS} elements")),
    }
}

fn image(input: &[usize]) -> Result<[usize; 3], String> {
    input.try_into().map_err(|_| {
        format!("this layer takes [channels, height, width], found the shape {input:?}; it must stand before `flatten`")
    })
}

/// How many places a window has along an axis: floor((size + 2 padding - kernel)/stride) + 1.
fn windows(size: usize, kernel: usize, stride: usize, padding: usize) -> Result<usize, String> {
    at_least_one("kernel", kernel)?;
    at_least_one("stride", stride)?;
    let padded = size.saturating_add(padding.saturating_mul(2));
    if kernel > padded {
        return Err(format!("a kernel of {kernel} is larger than the image, {size} with a padding of {padding}"));
    }
    Ok((padded - kernel) / stride + 1)
}

#[cfg(test)]
#[path = "shape_tests.rs"]
mod tests;
