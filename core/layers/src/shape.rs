//! Shapes of what flows between the layers.

use crate::Layer;
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
    if input_shape.is_empty() || input_shape.len() > 3 {
        let message = format!("samples have one to three axes, found the shape {input_shape:?}");
        return Err(LayerError { path: Vec::new(), message });
    }
    fits(input_shape).map_err(|message| LayerError { path: Vec::new(), message })?;
    let mut walk = Walk { widths: device_widths, shared: HashMap::new(), found: Vec::new(), path: Vec::new() };
    walk.sequence(layers, input_shape.to_vec())?;
    Ok(walk.found)
}

struct Walk<'a, 'w> {
    widths: Widths<'w>,
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
                let (_, d_out) =
                    (self.widths)(name).ok_or_else(|| format!("there is no device `{name}` under `devices`"))?;
                finite("initial_scale", *initial_scale)?;
                let out = out.unwrap_or(d_out);
                at_least_one("out", out)?;
                (with_features(out), usize::from(*scale))
            }
            Layer::Dropout { .. } | Layer::Relu | Layer::Gelu | Layer::Softmax | Layer::Residual { .. } => {
                (input.to_vec(), 0)
            }
        })
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
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Layer> {
        serde_saphyr::from_str(text).unwrap()
    }

    fn widths(name: &str) -> Option<(usize, usize)> {
        (name == "mesh").then_some((64, 48))
    }

    fn ends(text: &str, input: &[usize]) -> Result<(Vec<usize>, usize), LayerError> {
        let layers = read(text);
        let shapes = shapes(&layers, input, &widths)?;
        Ok((shapes.last().unwrap().output.clone(), shapes.iter().map(|s| s.parameters).sum()))
    }

    #[test]
    fn shapes_and_parameter_counts() {
        // the 2586-parameter network of Sawada's table 1
        let cnn = "[{conv2d: {out: 7, kernel: 4}}, {max_pool: {kernel: 2}}, {conv2d: {out: 9, kernel: 4}},
                    {max_pool: {kernel: 2}}, flatten, {linear: {out: 10}}]";
        assert_eq!(ends(cnn, &[1, 28, 28]).unwrap(), (vec![10], 2586));
        let mlp =
            "[flatten, {linear: {out: 64}}, relu, {device: {name: mesh, out: 64}}, bias, relu, {linear: {out: 10}}]";
        assert_eq!(ends(mlp, &[1, 28, 28]).unwrap(), (vec![10], 785 * 64 + 1 + 64 + 650));
        let tokens = "[{embedding: {vocabulary: 65, dim: 8}}, {residual: {layers: [layer_norm, {device: {name: mesh, out: 8}}]}},
                       {linear: {out: 65}}]";
        assert_eq!(ends(tokens, &[16]).unwrap(), (vec![16, 65], 65 * 8 + 16 + 1 + 9 * 65));
        assert_eq!(ends("[{device: {name: mesh}}]", &[3, 5, 7]).unwrap().0, [3, 5, 48]);
        assert_eq!(
            ends("[{adaptive_avg_pool: {size: [8, 8]}}, batch_norm]", &[3, 28, 28]).unwrap(),
            (vec![3, 8, 8], 6)
        );
        assert_eq!(ends("[{linear: {out: 4, share: a}}, {linear: {out: 4, share: a}}]", &[4]).unwrap().1, 20);
    }

    #[test]
    fn what_does_not_fit_is_named_with_its_place() {
        for (text, input, path, words) in [
            ("[flatten, {conv2d: {out: 2, kernel: 3}}]", &[1, 8, 8][..], &[1][..], "[channels, height, width]"),
            ("[{conv2d: {out: 2, kernel: 9}}]", &[1, 8, 8], &[0], "kernel of 9"),
            ("[relu, {residual: {layers: [relu, {linear: {out: 3}}]}}]", &[4], &[1], "[4], but give [3]"),
            ("[relu, {residual: {layers: [relu, {linear: {out: 0}}]}}]", &[4], &[1, 1], "`out` must be at least 1"),
            ("[{device: {name: mush}}]", &[4], &[0], "no device `mush`"),
            ("[relu, {embedding: {vocabulary: 3, dim: 2}}]", &[4], &[1], "first layer"),
            ("[{dropout: {p: 1.0}}]", &[4], &[0], "less than 1"),
            ("[{max_pool: {kernel: 2, stride: 0}}]", &[1, 4, 4], &[0], "`stride`"),
            ("[{linear: {out: 1000000000000}}]", &[4], &[0], "too large"),
            ("[{linear: {out: 4, share: a}}, {linear: {out: 5, share: a}}]", &[4], &[1], "before 4 to 4"),
            ("[relu]", &[0], &[], "length 0"),
        ] {
            let error = ends(text, input).unwrap_err();
            assert_eq!(error.path, path, "{text}: {error}");
            assert!(error.message.contains(words), "{text}: {error}");
        }
        let error = ends("[relu, {residual: {layers: [relu, {linear: {out: 0}}]}}]", &[4]).unwrap_err();
        assert_eq!(error.to_string(), "layers[1].residual.layers[1]: `out` must be at least 1");
    }
}
