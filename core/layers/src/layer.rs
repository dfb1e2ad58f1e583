//! The layers and where devices stand among them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

fn yes() -> bool {
    true
}

fn one() -> usize {
    1
}

fn unit() -> f64 {
    1.0
}

/// One layer of a network: a bare name (`relu`) or a map with one key (`linear: {out: 64}`).
///
/// Shapes are those of one sample, without the batch: `[features]`, `[positions, features]` or
/// `[channels, height, width]`. A layer that speaks of features acts on the last axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Layer {
    /// y = W x + b on the last axis. W and b start uniform within +-1/sqrt(features in).
    Linear {
        /// Features out.
        out: usize,
        /// Add a trainable b. Default: true.
        #[serde(default = "yes")]
        bias: bool,
        /// Linear layers with the same name here share one W and one b. Default: none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        share: Option<String>,
    },
    /// Two-dimensional convolution of `[channels, height, width]`. Weights and biases start uniform within
    /// +-1/sqrt(channels in x kernel^2).
    Conv2d {
        /// Channels out.
        out: usize,
        /// Height and width of the kernel.
        kernel: usize,
        /// Step between two places of the kernel. Default: 1.
        #[serde(default = "one")]
        stride: usize,
        /// Zeros added at each of the four edges. Default: 0.
        #[serde(default)]
        padding: usize,
        /// Add a trainable number per channel. Default: true.
        #[serde(default = "yes")]
        bias: bool,
    },
    /// Largest value in each window of `[channels, height, width]`.
    MaxPool {
        /// Height and width of the window.
        kernel: usize,
        /// Step between two windows. Default: the kernel.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stride: Option<usize>,
    },
    /// Mean of each window of `[channels, height, width]`.
    AvgPool {
        /// Height and width of the window.
        kernel: usize,
        /// Step between two windows. Default: the kernel.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stride: Option<usize>,
    },
    /// Means over windows chosen so that `[channels, height, width]` becomes `[channels, size[0], size[1]]`.
    AdaptiveAvgPool {
        /// Height and width out.
        size: [usize; 2],
    },
    /// Batch normalisation with a trainable scale and shift, over channels of `[channels, height, width]` and over the
    /// last axis otherwise. epsilon 1e-5; running statistics move by 0.1 of the difference at each training step.
    BatchNorm,
    /// Normalisation over the last axis with a trainable scale and shift. epsilon 1e-5.
    LayerNorm,
    /// In training, sets each value to zero with probability p and multiplies the others by 1/(1 - p).
    Dropout {
        /// Probability of a zero, at least 0 and less than 1.
        p: f64,
    },
    /// max(x, 0).
    Relu,
    /// x Phi(x), with Phi the distribution function of the standard normal (the exact form, not the tanh one).
    Gelu,
    /// exp(x_i) / sum_j exp(x_j) over the last axis. Cross-entropy takes logits: no softmax belongs before it.
    Softmax,
    /// All axes become one.
    Flatten,
    /// Trainable vectors for token numbers: `[positions]` to `[positions, dim]`. Only as the first layer. Starts standard normal.
    Embedding {
        /// How many tokens there are; token numbers are 0 to vocabulary - 1.
        vocabulary: usize,
        /// Length of a token's vector.
        dim: usize,
    },
    /// Adds a trainable number to each feature of the last axis. Starts at zero.
    Bias,
    /// Multiplies by one trainable number.
    Scale {
        /// Its value at the start. Default: 1.
        #[serde(default = "unit")]
        initial: f64,
    },
    /// Pads the last axis with zeros, or crops it, to `out` features.
    Resize {
        /// Features out.
        out: usize,
    },
    /// x + f(x), f the layers inside; they must give the shape that they got.
    Residual {
        /// The layers of f.
        layers: Vec<Layer>,
    },
    /// A device of the experiment, applied to the last axis; its input is padded with zeros or cropped to the device's width.
    Device {
        /// The device's name under `devices`.
        name: String,
        /// Pad with zeros, or crop, the device's outputs to so many features. Default: the device's outputs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        out: Option<usize>,
        /// Multiply the outputs by one trainable number. Default: true.
        #[serde(default = "yes")]
        scale: bool,
        /// That number at the start. Default: 1.
        #[serde(default = "unit")]
        initial_scale: f64,
    },
}

impl Layer {
    /// The layer's name in an experiment file.
    pub fn name(&self) -> &'static str {
        match self {
            Layer::Linear { .. } => "linear",
            Layer::Conv2d { .. } => "conv2d",
            Layer::MaxPool { .. } => "max_pool",
            Layer::AvgPool { .. } => "avg_pool",
            Layer::AdaptiveAvgPool { .. } => "adaptive_avg_pool",
            Layer::BatchNorm => "batch_norm",
            Layer::LayerNorm => "layer_norm",
            Layer::Dropout { .. } => "dropout",
            Layer::Relu => "relu",
            Layer::Gelu => "gelu",
            Layer::Softmax => "softmax",
            Layer::Flatten => "flatten",
            Layer::Embedding { .. } => "embedding",
            Layer::Bias => "bias",
            Layer::Scale { .. } => "scale",
            Layer::Resize { .. } => "resize",
            Layer::Residual { .. } => "residual",
            Layer::Device { .. } => "device",
        }
    }
}

/// One place at which a network uses a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceUse {
    /// Index of the layer, and within each residual that it is in.
    pub path: Vec<usize>,
    /// Name of the device.
    pub name: String,
}

/// All uses of devices in execution order; a use's place in this list is its use index.
pub fn device_uses(layers: &[Layer]) -> Vec<DeviceUse> {
    fn walk(layers: &[Layer], path: &mut Vec<usize>, uses: &mut Vec<DeviceUse>) {
        for (i, layer) in layers.iter().enumerate() {
            path.push(i);
            match layer {
                Layer::Device { name, .. } => uses.push(DeviceUse { path: path.clone(), name: name.clone() }),
                Layer::Residual { layers } => walk(layers, path, uses),
                _ => {}
            }
            path.pop();
        }
    }
    let mut uses = Vec::new();
    walk(layers, &mut Vec::new(), &mut uses);
    uses
}

/// The same network with a trained matrix in place of each device: resize to the device's inputs, a linear layer
/// without bias (one matrix for all uses of one device, as the device has one set of parameters), resize to `out`, the
/// same output scale.
///
/// `widths` gives a device's (inputs, outputs). `None` if a device is unknown to it.
pub fn replace_devices(layers: &[Layer], widths: &dyn Fn(&str) -> Option<(usize, usize)>) -> Option<Vec<Layer>> {
    let mut replaced = Vec::with_capacity(layers.len());
    for layer in layers {
        match layer {
            Layer::Device { name, out, scale, initial_scale } => {
                let (d_in, d_out) = widths(name)?;
                replaced.push(Layer::Resize { out: d_in });
                replaced.push(Layer::Linear { out: d_out, bias: false, share: Some(format!("device:{name}")) });
                replaced.extend(out.filter(|&out| out != d_out).map(|out| Layer::Resize { out }));
                replaced.extend(scale.then_some(Layer::Scale { initial: *initial_scale }));
            }
            Layer::Residual { layers } => replaced.push(Layer::Residual { layers: replace_devices(layers, widths)? }),
            other => replaced.push(other.clone()),
        }
    }
    Some(replaced)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "
- flatten
- {linear: {out: 64}}
- relu
- residual:
    layers:
      - device: {name: mesh, out: 64}
      - {dropout: {p: 0.1}}
- device:
    name: bank
    scale: false
- {conv2d: {out: 4, kernel: 3, padding: 1}}
- {adaptive_avg_pool: {size: [8, 8]}}
- {max_pool: {kernel: 2}}
- bias
";

    #[test]
    fn yaml_and_json_read_alike_and_come_back() {
        let layers: Vec<Layer> = serde_saphyr::from_str(TEXT).unwrap();
        assert_eq!(layers[1], Layer::Linear { out: 64, bias: true, share: None });
        assert_eq!(layers[8], Layer::Bias);
        let json = serde_json::to_string(&layers).unwrap();
        assert_eq!(serde_json::from_str::<Vec<Layer>>(&json).unwrap(), layers);
        assert!(json.contains(r#"{"max_pool":{"kernel":2}}"#), "{json}");
    }

    #[test]
    fn names_are_those_of_the_files() {
        let layers: Vec<Layer> = serde_saphyr::from_str(TEXT).unwrap();
        for layer in &layers {
            let value = serde_json::to_value(layer).unwrap();
            let tag = value.as_str().map(str::to_owned).or_else(|| value.as_object()?.keys().next().cloned());
            assert_eq!(tag.as_deref(), Some(layer.name()));
        }
    }

    #[test]
    fn unknown_layers_and_settings_are_refused() {
        for text in ["[tanh]", "[{linear: {outt: 3}}]", "[{linear: {out: 3, bais: true}}]", "[{dropout: {}}]"] {
            assert!(serde_saphyr::from_str::<Vec<Layer>>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn devices_are_found_in_execution_order() {
        let layers: Vec<Layer> = serde_saphyr::from_str(TEXT).unwrap();
        let uses = device_uses(&layers);
        assert_eq!(uses[0], DeviceUse { path: vec![3, 0], name: "mesh".into() });
        assert_eq!(uses[1], DeviceUse { path: vec![4], name: "bank".into() });
    }

    #[test]
    fn a_control_has_one_matrix_per_device() {
        let layers: Vec<Layer> =
            serde_saphyr::from_str("[{residual: {layers: [{device: {name: m, out: 5}}]}}, {device: {name: m}}]")
                .unwrap();
        let control = replace_devices(&layers, &|_| Some((4, 6))).unwrap();
        let linear = Layer::Linear { out: 6, bias: false, share: Some("device:m".into()) };
        let scale = Layer::Scale { initial: 1.0 };
        let inside = vec![Layer::Resize { out: 4 }, linear.clone(), Layer::Resize { out: 5 }, scale.clone()];
        assert_eq!(control, [Layer::Residual { layers: inside }, Layer::Resize { out: 4 }, linear, scale]);
        assert_eq!(replace_devices(&layers, &|_| None), None);
    }
}
