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

/// Ranks of a tensor train.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Ranks {
    /// The same between any two neighbours.
    All(usize),
    /// From the first pair of neighbours to the last.
    Each(Vec<usize>),
}

/// What a recurrent layer does to its hidden state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Recurrence {
    /// Nothing: the layer is linear.
    #[default]
    None,
    /// z/|z| max(|z| + b, 0) with one trainable b per mode, which starts at zero (Arjovsky et al. 2016, modReLU).
    ModRelu,
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
    /// y = W x + b for all features of a sample together, W in tensor-train form (Novikov et al. 2015):
    /// W[(j_1 .. j_L), (i_1 .. i_L)] = sum over the ranks of G_1[i_1, j_1] .. G_L[i_L, j_L]. It takes `[features]`, the product of
    /// `modes_in`, and gives `[features]`, the product of `modes_out`; the last mode runs fastest. The cores start normal,
    /// such that the entries of W have the variance gain^2 / features in. b starts at zero.
    Tt {
        /// i_1 .. i_L: sizes whose product is the number of features in.
        modes_in: Vec<usize>,
        /// j_1 .. j_L: sizes whose product is the number of features out.
        modes_out: Vec<usize>,
        /// Ranks between neighbouring cores: one number for all, or L - 1 numbers.
        ranks: Ranks,
        /// Add a trainable b. Default: true.
        #[serde(default = "yes")]
        bias: bool,
        /// See above. Default: 1.
        #[serde(default = "unit")]
        gain: f64,
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
    /// tanh(x).
    Tanh,
    /// 1 / (1 + exp(-x)).
    Sigmoid,
    /// sin(x).
    Sine,
    /// exp(x_i) / sum_j exp(x_j) over the last axis. Cross-entropy takes logits: no softmax belongs before it.
    Softmax,
    /// All axes become one.
    Flatten,
    /// The same elements, in order, in another shape.
    Reshape {
        /// The shape, of one to three axes.
        shape: Vec<usize>,
    },
    /// `[channels, height, width]` as positions with features: `[height x width, channels]`.
    Tokens,
    /// Mean over all axes but the last: `[positions, features]` to `[features]`.
    Mean,
    /// A block of an MLP-mixer (Tolstikhin et al. 2021) on `[positions, features]`: x + M(x) with M a layer norm, a linear layer along
    /// the positions to `tokens`, GELU, and one back; then the same along the features, to `channels` and back.
    Mixer {
        /// Width of the hidden layer along the positions.
        tokens: usize,
        /// Width of the hidden layer along the features.
        channels: usize,
    },
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
    /// Real features as complex ones: each becomes a pair (re, im) with im = 0, so that there are twice as many.
    Complex,
    /// |z| of each pair (re, im) of features: half as many. What detectors of amplitude see.
    Magnitude,
    /// |z|^2 of each pair (re, im) of features: half as many. What photodetectors see.
    Power,
    /// Only in the `network` of a device file: an instance of that file, such as a mesh, on the (re, im) pairs of the last axis;
    /// gives the fields at its outputs as pairs. Fewer pairs than inputs leave the last inputs dark. What stands in two
    /// layers is one piece of hardware with one set of parameters.
    Circuit {
        /// Name under `instances`.
        name: String,
    },
    /// Only in the `network` of a device file: multiplies each (re, im) pair of the last axis by a trainable real number: a
    /// column of modulators.
    Diagonal {
        /// The numbers at the start. Default: 1.
        #[serde(default = "unit")]
        initial: f64,
    },
    /// Only in the `network` of a device file: multiplies each (re, im) pair of the last axis by exp(i phi), phi trainable: a
    /// column of phase shifters. They start uniform over a period.
    Phases,
    /// Only in the `network` of a device file: U D V^H on the (re, im) pairs of the last axis: an instance (V^H), one trainable real
    /// number per mode (D) and another instance (U).
    Svd {
        /// The instance of V^H, which the light meets first: a name under `instances`.
        right: String,
        /// The instance of U.
        left: String,
        /// The numbers of D at the start. Default: 1.
        #[serde(default = "unit")]
        initial: f64,
    },
    /// Only in the `network` of a device file: h_t = f(W h_(t-1) + x_t) over `[positions, features]`, on (re, im) pairs, from
    /// h = 0 on; gives all h_t.
    Recurrent {
        /// The layers of W: `circuit`, `diagonal`, `phases` and `svd`, with as many outputs as inputs.
        layers: Vec<Layer>,
        /// f. Default: none.
        #[serde(default)]
        activation: Recurrence,
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
            Layer::Tt { .. } => "tt",
            Layer::Conv2d { .. } => "conv2d",
            Layer::MaxPool { .. } => "max_pool",
            Layer::AvgPool { .. } => "avg_pool",
            Layer::AdaptiveAvgPool { .. } => "adaptive_avg_pool",
            Layer::BatchNorm => "batch_norm",
            Layer::LayerNorm => "layer_norm",
            Layer::Dropout { .. } => "dropout",
            Layer::Relu => "relu",
            Layer::Gelu => "gelu",
            Layer::Tanh => "tanh",
            Layer::Sigmoid => "sigmoid",
            Layer::Sine => "sine",
            Layer::Softmax => "softmax",
            Layer::Flatten => "flatten",
            Layer::Reshape { .. } => "reshape",
            Layer::Tokens => "tokens",
            Layer::Mean => "mean",
            Layer::Mixer { .. } => "mixer",
            Layer::Embedding { .. } => "embedding",
            Layer::Bias => "bias",
            Layer::Scale { .. } => "scale",
            Layer::Resize { .. } => "resize",
            Layer::Residual { .. } => "residual",
            Layer::Complex => "complex",
            Layer::Magnitude => "magnitude",
            Layer::Power => "power",
            Layer::Circuit { .. } => "circuit",
            Layer::Diagonal { .. } => "diagonal",
            Layer::Phases => "phases",
            Layer::Svd { .. } => "svd",
            Layer::Recurrent { .. } => "recurrent",
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
        for text in ["[tahn]", "[{linear: {outt: 3}}]", "[{linear: {out: 3, bais: true}}]", "[{dropout: {}}]"] {
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
