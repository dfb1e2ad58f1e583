//! Layers as a flat list of instructions. Values between instructions are matrices [samples, elements of a sample];
//! `Save` and `Add` bracket a residual. A place in the list and the values saved so far are all that is needed to go on
//! from the middle of a network.

mod compile;

pub use compile::{compile, compile_on_device};

use std::f64::consts::TAU;

type Widths<'w> = &'w dyn Fn(&str) -> Option<(usize, usize)>;

/// One step of a network. Numbers such as `weight` are indices of parameters.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the fields are those of the layer, or indices of parameters")]
pub enum Op {
    /// `y[a, o, c] = sum_f x[a, f, c] weight[f, o] + bias[o]` on samples of the shape `[outer, features, inner]`.
    Linear {
        weight: usize,
        bias: Option<usize>,
        features: usize,
        out: usize,
        outer: usize,
        inner: usize,
    },
    /// weight [out, channels x kernel x kernel], the channels outermost.
    Conv2d {
        weight: usize,
        bias: Option<usize>,
        input: [usize; 3],
        out: usize,
        kernel: usize,
        stride: usize,
        padding: usize,
    },
    MaxPool {
        input: [usize; 3],
        kernel: usize,
        stride: usize,
    },
    AvgPool {
        input: [usize; 3],
        kernel: usize,
        stride: usize,
    },
    AdaptiveAvgPool {
        input: [usize; 3],
        size: [usize; 2],
    },
    BatchNorm {
        scale: usize,
        shift: usize,
        statistics: usize,
        image: Option<[usize; 3]>,
        channels: usize,
    },
    LayerNorm {
        scale: usize,
        shift: usize,
        features: usize,
    },
    Dropout {
        p: f64,
    },
    Relu,
    Gelu,
    Tanh,
    Sigmoid,
    Sine,
    /// [rows, columns] to [columns, rows].
    Transpose {
        rows: usize,
        columns: usize,
    },
    /// The mean of `rows` rows.
    Mean {
        rows: usize,
        features: usize,
    },
    /// x to (x, 0).
    Complex,
    /// (re, im) to the root of re^2 + im^2.
    Magnitude,
    /// (re, im) to re^2 + im^2.
    Power,
    /// Linear photonic elements on (re, im) pairs, one after the other.
    Optical(Optical),
    /// h_t = f(W h_(t-1) + x_t); `bias` is that of modReLU.
    Recurrent {
        optical: Optical,
        positions: usize,
        bias: Option<usize>,
    },
    Softmax {
        features: usize,
    },
    Embedding {
        weight: usize,
        vocabulary: usize,
        dim: usize,
    },
    Bias {
        weight: usize,
        features: usize,
    },
    Scale {
        weight: usize,
    },
    Resize {
        features: usize,
        out: usize,
    },
    Save,
    Add,
    Device {
        use_index: usize,
    },
}

/// Linear photonic elements one after the other: a matrix that depends on the parameters alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Optical {
    /// What the light meets, in order.
    pub elements: Vec<Element>,
    /// Complex numbers in.
    pub inputs: usize,
    /// Complex numbers out.
    pub outputs: usize,
}

/// A linear photonic element.
#[derive(Clone, Debug, PartialEq)]
pub enum Element {
    /// An instance of the device: an index into [`Program::circuits`].
    Circuit(usize),
    /// A real factor for each mode: an index of a parameter.
    Diagonal(usize),
    /// A phase in radians for each mode: an index of a parameter.
    Phases(usize),
}

/// An operation and the layer that it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Instruction {
    /// What is done.
    pub op: Op,
    /// Index of the layer, and within each residual that it is in.
    pub path: Vec<usize>,
}

/// One place at which a network uses a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// Index of the layer, and within each residual that it is in.
    pub path: Vec<usize>,
    /// Name of the device.
    pub name: String,
    /// Vectors that the device gets for each sample: the product of all axes but the last.
    pub rows_per_sample: usize,
    /// Features of the last axis before the device; padded with zeros or cropped to `d_in`.
    pub features: usize,
    /// Width of the device's inputs.
    pub d_in: usize,
    /// Width of the device's outputs.
    pub d_out: usize,
    /// Features after the device; its outputs are padded with zeros or cropped to so many.
    pub out: usize,
    /// True if a layer with parameters or another device stands before it, so that the backward pass asks for the
    /// gradient of its inputs.
    pub needs_input_gradient: bool,
}

/// Distribution of the initial values of a parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Initial {
    /// All the same.
    Constant(f64),
    /// Uniform within +-1/sqrt(fan in): PyTorch's default for linear and convolution layers, which is Kaiming's uniform
    /// initialisation (He et al. 2015, equation 10) with a gain of 1/sqrt(3).
    FanIn(usize),
    /// Normal with this standard deviation.
    Normal(f64),
    /// Uniform over a period, radians.
    Phase,
}

impl Initial {
    /// `len` values, made of a source of uniform numbers in [0, 1), by index, and of one of standard normal ones.
    pub fn values(self, len: usize, uniform: impl Fn(u64) -> f64, normal: impl FnOnce(&mut [f64])) -> Vec<f64> {
        let signed = |i: u64| 2.0 * uniform(i) - 1.0;
        match self {
            Initial::Constant(value) => vec![value; len],
            Initial::FanIn(fan) => {
                let bound = 1.0 / (fan as f64).sqrt();
                (0..len as u64).map(|i| bound * signed(i)).collect()
            }
            Initial::Phase => (0..len as u64).map(|i| TAU * uniform(i)).collect(),
            Initial::Normal(std) => {
                let mut values = vec![0.0; len];
                normal(&mut values);
                values.iter_mut().for_each(|v| *v *= std);
                values
            }
        }
    }
}

/// A parameter before it has values. All are matrices; vectors are rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Weight {
    /// `layers.3.weight`: the path of its layer, and its own name.
    pub name: String,
    /// [rows, columns]; values stand row by row.
    pub shape: [usize; 2],
    /// Values at the start.
    pub initial: Initial,
}

impl Weight {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.shape[0] * self.shape[1]
    }

    /// True if it has no values, which no weight of a checked network is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A network without its values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Program {
    /// In order.
    pub instructions: Vec<Instruction>,
    /// The parameters that the instructions name by index.
    pub weights: Vec<Weight>,
    /// Names of the instances that photonic elements are.
    pub circuits: Vec<String>,
    /// Name and number of channels of each batch norm's running statistics.
    pub statistics: Vec<(String, usize)>,
    /// The uses of devices, in order.
    pub uses: Vec<Use>,
}
