//! Layers as a flat list of instructions. Values between instructions are matrices [samples, elements of a sample];
//! `Save` and `Add` bracket a residual. A place in the list and the values saved so far are all that is needed to go on
//! from the middle of a network.

use crate::Error;
use crate::initial::Initial;
use blackbeam_layers::{Layer, LayerShape, layer_path};
use blackbeam_plugin::PluginError;
use std::collections::HashMap;

/// One step of a network. Numbers such as `weight` are indices of parameters.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Linear {
        weight: usize,
        bias: Option<usize>,
        features: usize,
    },
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

/// An operation and the layer that it comes from.
#[derive(Clone, Debug)]
pub(crate) struct Instruction {
    pub op: Op,
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

impl Use {
    /// What went wrong at this use.
    pub(crate) fn error(&self, use_index: usize, source: PluginError) -> Error {
        Error::Device { device: self.name.clone(), place: layer_path(&self.path), use_index, source }
    }
}

/// A parameter before it has values. All are matrices; vectors are rows.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub name: String,
    pub shape: [usize; 2],
    pub initial: Initial,
}

/// A network without its values.
#[derive(Clone, Debug, Default)]
pub(crate) struct Program {
    pub instructions: Vec<Instruction>,
    pub slots: Vec<Slot>,
    /// Name and number of channels of each batch norm's running statistics.
    pub statistics: Vec<(String, usize)>,
    pub uses: Vec<Use>,
}

/// Turns layers into a program. `shapes` is what `blackbeam_layers::shapes` found for them.
pub(crate) fn compile(shapes: &[LayerShape<'_>], widths: &dyn Fn(&str) -> Option<(usize, usize)>) -> Program {
    let mut compiler = Compiler { program: Program::default(), shared: HashMap::new(), tracked: false, widths };
    let mut open: Vec<Vec<usize>> = Vec::new();
    for shape in shapes {
        // a residual ends where the next layer is no longer inside it
        while open.last().is_some_and(|path| !shape.path.starts_with(path)) {
            let path = open.pop().expect("just seen");
            compiler.emit(Op::Add, &path);
        }
        if let Layer::Residual { .. } = shape.layer {
            compiler.emit(Op::Save, &shape.path);
            open.push(shape.path.clone());
        } else {
            compiler.layer(shape);
        }
    }
    while let Some(path) = open.pop() {
        compiler.emit(Op::Add, &path);
    }
    compiler.program
}

struct Compiler<'a, 's> {
    program: Program,
    /// parameters of the shared linear layers
    shared: HashMap<&'a str, (usize, Option<usize>)>,
    /// whether anything so far has parameters
    tracked: bool,
    widths: &'s dyn Fn(&str) -> Option<(usize, usize)>,
}

/// `layers.3.0`: names of parameters begin with it.
fn prefix(path: &[usize]) -> String {
    path.iter().fold(String::from("layers"), |name, index| format!("{name}.{index}"))
}

impl<'a> Compiler<'a, '_> {
    fn emit(&mut self, op: Op, path: &[usize]) {
        self.program.instructions.push(Instruction { op, path: path.to_vec() });
    }

    fn parameter(&mut self, owner: &str, name: &str, shape: [usize; 2], initial: Initial) -> usize {
        self.tracked = true;
        self.program.slots.push(Slot { name: format!("{owner}.{name}"), shape, initial });
        self.program.slots.len() - 1
    }

    fn linear(&mut self, share: Option<&'a str>, owner: &str, features: usize, out: usize, bias: bool) -> Op {
        let known = share.and_then(|name| self.shared.get(name).copied());
        let (weight, bias) = known.unwrap_or_else(|| {
            let owner = share.map_or_else(|| owner.to_owned(), |name| format!("shared.{name}"));
            let weight = self.parameter(&owner, "weight", [features, out], Initial::FanIn(features));
            (weight, bias.then(|| self.parameter(&owner, "bias", [1, out], Initial::FanIn(features))))
        });
        if let Some(name) = share {
            self.shared.insert(name, (weight, bias));
        }
        Op::Linear { weight, bias, features }
    }

    fn layer(&mut self, shape: &LayerShape<'a>) {
        let owner = prefix(&shape.path);
        let input = &shape.input;
        let features = *input.last().expect("a checked shape has one to three axes");
        let image = <[usize; 3]>::try_from(input.as_slice());
        let is_image = "a checked layer of images has three axes";
        let op = match shape.layer {
            Layer::Linear { out, bias, share } => self.linear(share.as_deref(), &owner, features, *out, *bias),
            &Layer::Conv2d { out, kernel, stride, padding, bias } => {
                let input = image.expect(is_image);
                let fan = input[0] * kernel * kernel;
                let weight = self.parameter(&owner, "weight", [out, fan], Initial::FanIn(fan));
                let bias = bias.then(|| self.parameter(&owner, "bias", [1, out], Initial::FanIn(fan)));
                Op::Conv2d { weight, bias, input, out, kernel, stride, padding }
            }
            &Layer::MaxPool { kernel, stride } => {
                Op::MaxPool { input: image.expect(is_image), kernel, stride: stride.unwrap_or(kernel) }
            }
            &Layer::AvgPool { kernel, stride } => {
                Op::AvgPool { input: image.expect(is_image), kernel, stride: stride.unwrap_or(kernel) }
            }
            &Layer::AdaptiveAvgPool { size } => Op::AdaptiveAvgPool { input: image.expect(is_image), size },
            Layer::BatchNorm => {
                let channels = image.map_or(features, |image| image[0]);
                self.program.statistics.push((owner.clone(), channels));
                Op::BatchNorm {
                    scale: self.parameter(&owner, "weight", [1, channels], Initial::Constant(1.0)),
                    shift: self.parameter(&owner, "bias", [1, channels], Initial::Constant(0.0)),
                    statistics: self.program.statistics.len() - 1,
                    image: image.ok(),
                    channels,
                }
            }
            Layer::LayerNorm => Op::LayerNorm {
                scale: self.parameter(&owner, "weight", [1, features], Initial::Constant(1.0)),
                shift: self.parameter(&owner, "bias", [1, features], Initial::Constant(0.0)),
                features,
            },
            &Layer::Dropout { p } => Op::Dropout { p },
            Layer::Relu => Op::Relu,
            Layer::Gelu => Op::Gelu,
            Layer::Softmax => Op::Softmax { features },
            Layer::Flatten => return,
            &Layer::Embedding { vocabulary, dim } => {
                let weight = self.parameter(&owner, "weight", [vocabulary, dim], Initial::Normal);
                Op::Embedding { weight, vocabulary, dim }
            }
            Layer::Bias => {
                Op::Bias { weight: self.parameter(&owner, "bias", [1, features], Initial::Constant(0.0)), features }
            }
            &Layer::Scale { initial } => {
                Op::Scale { weight: self.parameter(&owner, "scale", [1, 1], Initial::Constant(initial)) }
            }
            &Layer::Resize { out } => Op::Resize { features, out },
            Layer::Residual { .. } => unreachable!("handled by the caller"),
            Layer::Device { name, out, scale, initial_scale } => {
                let (d_in, d_out) = (self.widths)(name).expect("a checked network names known devices");
                self.program.uses.push(Use {
                    path: shape.path.clone(),
                    name: name.clone(),
                    rows_per_sample: input[..input.len() - 1].iter().product(),
                    features,
                    d_in,
                    d_out,
                    out: out.unwrap_or(d_out),
                    needs_input_gradient: self.tracked,
                });
                self.tracked = true;
                self.emit(Op::Device { use_index: self.program.uses.len() - 1 }, &shape.path);
                if !scale {
                    return;
                }
                Op::Scale { weight: self.parameter(&owner, "scale", [1, 1], Initial::Constant(*initial_scale)) }
            }
        };
        self.emit(op, &shape.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use blackbeam_layers::shapes;

    #[test]
    fn residuals_are_bracketed_and_uses_know_what_is_before_them() {
        let device = |name: &str| Layer::Device { name: name.into(), out: Some(4), scale: true, initial_scale: 1.0 };
        let layers = [
            Layer::Relu,
            Layer::Residual {
                layers: vec![
                    device("a"),
                    Layer::Residual { layers: vec![Layer::Relu] },
                    Layer::Residual { layers: vec![] },
                ],
            },
            device("a"),
        ];
        let widths = |_: &str| Some((3, 5));
        let program = compile(&shapes(&layers, &[2, 4], &widths).unwrap(), &widths);
        let text: Vec<_> = program.instructions.iter().map(|i| format!("{:?}", i.op)).collect();
        let names: Vec<_> = text.iter().map(|op| op.split(' ').next().unwrap()).collect();
        assert_eq!(
            names,
            ["Relu", "Save", "Device", "Scale", "Save", "Relu", "Add", "Save", "Add", "Add", "Device", "Scale"]
        );
        assert_eq!(program.slots[0].name, "layers.1.0.scale");
        let [first, second] = &program.uses[..] else { panic!("two uses") };
        assert!(!first.needs_input_gradient && second.needs_input_gradient);
        assert_eq!((first.rows_per_sample, first.features, first.d_in, first.d_out, first.out), (2, 4, 3, 5, 4));
    }
}
