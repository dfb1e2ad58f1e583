//! From layers to a program.

use super::{Element, Initial, Instruction, Op, Optical, Program, Use, Weight, Widths};
use crate::{Layer, LayerShape, Recurrence, shape::tensor_train};
use std::collections::HashMap;

/// Turns layers into a program. `shapes` is what [`shapes`](crate::shapes) found for them, with the same `widths`.
///
/// # Panics
/// If they are not.
pub fn compile(shapes: &[LayerShape<'_>], widths: Widths<'_>) -> Program {
    compiled(shapes, widths, &|_| None)
}

/// As [`compile`], of what [`shapes_on_device`](crate::shapes_on_device) found with the same `circuits`.
///
/// # Panics
/// If it did not.
pub fn compile_on_device(shapes: &[LayerShape<'_>], circuits: Widths<'_>) -> Program {
    compiled(shapes, &|_| None, circuits)
}

fn compiled<'a>(shapes: &[LayerShape<'a>], widths: Widths<'_>, circuits: Widths<'_>) -> Program {
    let mut compiler =
        Compiler { program: Program::default(), shared: HashMap::new(), tracked: false, widths, circuits };
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
    widths: Widths<'s>,
    circuits: Widths<'s>,
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
        self.program.weights.push(Weight { name: format!("{owner}.{name}"), shape, initial });
        self.program.weights.len() - 1
    }

    fn linear(&mut self, share: Option<&'a str>, owner: &str, [outer, features, out]: [usize; 3], bias: bool) -> Op {
        let known = share.and_then(|name| self.shared.get(name).copied());
        let (weight, bias) = known.unwrap_or_else(|| {
            let owner = share.map_or_else(|| owner.to_owned(), |name| format!("shared.{name}"));
            let weight = self.parameter(&owner, "weight", [features, out], Initial::FanIn(features));
            (weight, bias.then(|| self.parameter(&owner, "bias", [1, out], Initial::FanIn(features))))
        });
        if let Some(name) = share {
            self.shared.insert(name, (weight, bias));
        }
        Op::Linear { weight, bias, features, out, outer, inner: 1 }
    }

    /// A linear layer of its own along the middle axis.
    fn along(&mut self, owner: &str, [outer, features, out, inner]: [usize; 4]) -> Op {
        let weight = self.parameter(owner, "weight", [features, out], Initial::FanIn(features));
        let bias = Some(self.parameter(owner, "bias", [1, out], Initial::FanIn(features)));
        Op::Linear { weight, bias, features, out, outer, inner }
    }

    fn layer_norm(&mut self, owner: &str, features: usize) -> Op {
        Op::LayerNorm {
            scale: self.parameter(owner, "weight", [1, features], Initial::Constant(1.0)),
            shift: self.parameter(owner, "bias", [1, features], Initial::Constant(0.0)),
            features,
        }
    }

    /// Two layers along one axis, in a residual, behind a layer norm.
    fn mixer(&mut self, shape: &LayerShape<'a>, tokens: usize, channels: usize) {
        let (owner, path) = (prefix(&shape.path), &shape.path);
        let (positions, features) = (shape.input[0], shape.input[1]);
        let halves = [
            ("tokens", [1, positions, tokens, features], [1, tokens, positions, features]),
            ("channels", [positions, features, channels, 1], [positions, channels, features, 1]),
        ];
        for (name, first, second) in halves {
            self.emit(Op::Save, path);
            let norm = self.layer_norm(&format!("{owner}.{name}_norm"), features);
            self.emit(norm, path);
            let first = self.along(&format!("{owner}.{name}_in"), first);
            self.emit(first, path);
            self.emit(Op::Gelu, path);
            let second = self.along(&format!("{owner}.{name}_out"), second);
            self.emit(second, path);
            self.emit(Op::Add, path);
        }
    }

    /// The cores of a tensor train one after the other: core k takes [j_1 .. j_(k-1), (r, i_k), i_(k+1) ..] to
    /// [j_1 .. j_k, (r', i_(k+1)), ..], where r is the rank before it and r' the one behind it.
    fn tensor_train(&mut self, shape: &LayerShape<'a>) {
        let Layer::Tt { modes_in, modes_out, ranks, bias, gain } = shape.layer else {
            unreachable!("called for tensor trains")
        };
        let owner = prefix(&shape.path);
        let cores = tensor_train(modes_in, modes_out, ranks).expect("checked with its shape");
        let features = shape.input[0];
        // Entries of W are sums of prod r products of L independent normals.
        let products: f64 = cores.iter().zip(modes_in).map(|([rows, _], i)| (rows / i) as f64).product();
        let std = (gain * gain / features as f64 / products).powf(0.5 / cores.len() as f64);
        let (mut outer, mut inner) = (1, features);
        for (k, ([rows, columns], (i, j))) in cores.into_iter().zip(modes_in.iter().zip(modes_out)).enumerate() {
            inner /= i;
            let weight = self.parameter(&owner, &format!("core{k}"), [rows, columns], Initial::Normal(std));
            self.emit(Op::Linear { weight, bias: None, features: rows, out: columns, outer, inner }, &shape.path);
            outer *= j;
        }
        if *bias {
            let features = shape.output[0];
            let weight = self.parameter(&owner, "bias", [1, features], Initial::Constant(0.0));
            self.emit(Op::Bias { weight, features }, &shape.path);
        }
    }

    fn circuit(&mut self, name: &str) -> Element {
        let known = self.program.circuits.iter().position(|other| other == name);
        Element::Circuit(known.unwrap_or_else(|| {
            self.program.circuits.push(name.to_owned());
            self.program.circuits.len() - 1
        }))
    }

    /// The elements of a linear photonic layer that gets `modes` complex numbers; how many leave it.
    fn elements(&mut self, layer: &'a Layer, owner: &str, modes: usize) -> (Vec<Element>, usize) {
        let outputs =
            |circuits: Widths<'_>, name: &str| circuits(name).expect("a checked network knows its circuits").1;
        match layer {
            Layer::Circuit { name } => (vec![self.circuit(name)], outputs(self.circuits, name)),
            Layer::Diagonal { initial } => {
                let weight = self.parameter(owner, "weight", [1, modes], Initial::Constant(*initial));
                (vec![Element::Diagonal(weight)], modes)
            }
            Layer::Phases => (vec![Element::Phases(self.parameter(owner, "phase", [1, modes], Initial::Phase))], modes),
            Layer::Svd { right, left, initial } => {
                let inner = outputs(self.circuits, right);
                let right = self.circuit(right);
                let weight = self.parameter(owner, "weight", [1, inner], Initial::Constant(*initial));
                let out = outputs(self.circuits, left);
                (vec![right, Element::Diagonal(weight), self.circuit(left)], out)
            }
            _ => unreachable!("a checked network holds nothing else here"),
        }
    }

    /// A linear photonic layer: joined to the one before it, if that is one.
    fn optical(&mut self, shape: &LayerShape<'a>) {
        let modes = shape.input.last().copied().unwrap_or(0) / 2;
        let (elements, outputs) = self.elements(shape.layer, &prefix(&shape.path), modes);
        let depth = shape.path.len();
        if let Some(Instruction { op: Op::Optical(before), path }) = self.program.instructions.last_mut()
            && path[..path.len() - 1] == shape.path[..depth - 1]
        {
            before.elements.extend(elements);
            before.outputs = outputs;
            return;
        }
        self.emit(Op::Optical(Optical { elements, inputs: modes, outputs }), &shape.path);
    }

    fn recurrent(&mut self, shape: &LayerShape<'a>, layers: &'a [Layer], activation: Recurrence) {
        let owner = prefix(&shape.path);
        let (positions, width) = (shape.input[0], shape.input[1] / 2);
        let (mut elements, mut modes) = (Vec::new(), width);
        for (i, layer) in layers.iter().enumerate() {
            let (more, out) = self.elements(layer, &format!("{owner}.{i}"), modes);
            elements.extend(more);
            modes = out;
        }
        let bias = (activation == Recurrence::ModRelu)
            .then(|| self.parameter(&owner, "bias", [1, width], Initial::Constant(0.0)));
        let optical = Optical { elements, inputs: width, outputs: modes };
        self.emit(Op::Recurrent { optical, positions, bias }, &shape.path);
    }

    fn layer(&mut self, shape: &LayerShape<'a>) {
        let owner = prefix(&shape.path);
        let input = &shape.input;
        let features = *input.last().expect("a checked shape has one to three axes");
        let image = <[usize; 3]>::try_from(input.as_slice());
        let is_image = "a checked layer of images has three axes";
        let op = match shape.layer {
            Layer::Linear { out, bias, share } => {
                let outer = input[..input.len() - 1].iter().product();
                self.linear(share.as_deref(), &owner, [outer, features, *out], *bias)
            }
            Layer::Tt { .. } => return self.tensor_train(shape),
            &Layer::Mixer { tokens, channels } => return self.mixer(shape, tokens, channels),
            Layer::Circuit { .. } | Layer::Diagonal { .. } | Layer::Phases | Layer::Svd { .. } => {
                return self.optical(shape);
            }
            Layer::Recurrent { layers, activation } => return self.recurrent(shape, layers, *activation),
            Layer::Tokens => {
                let [channels, h, w] = image.expect(is_image);
                Op::Transpose { rows: channels, columns: h * w }
            }
            Layer::Mean => Op::Mean { rows: input[..input.len() - 1].iter().product(), features },
            Layer::Complex => Op::Complex,
            Layer::Magnitude => Op::Magnitude,
            Layer::Power => Op::Power,
            Layer::Tanh => Op::Tanh,
            Layer::Sigmoid => Op::Sigmoid,
            Layer::Sine => Op::Sine,
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
            Layer::LayerNorm => self.layer_norm(&owner, features),
            &Layer::Dropout { p } => Op::Dropout { p },
            Layer::Relu => Op::Relu,
            Layer::Gelu => Op::Gelu,
            Layer::Softmax => Op::Softmax { features },
            Layer::Flatten | Layer::Reshape { .. } => return,
            &Layer::Embedding { vocabulary, dim } => {
                let weight = self.parameter(&owner, "weight", [vocabulary, dim], Initial::Normal(1.0));
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
    use crate::shapes;

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
        assert_eq!(program.weights[0].name, "layers.1.0.scale");
        let [first, second] = &program.uses[..] else { panic!("two uses") };
        assert!(!first.needs_input_gradient && second.needs_input_gradient);
        assert_eq!((first.rows_per_sample, first.features, first.d_in, first.d_out, first.out), (2, 4, 3, 5, 4));
    }

    #[test]
    fn a_tensor_train_is_a_chain_of_products_and_photonic_layers_are_joined() {
        let tt: Vec<Layer> =
            serde_json::from_str(r#"[{"tt": {"modes_in": [2, 3], "modes_out": [4, 5], "ranks": 7, "gain": 2}}]"#)
                .unwrap();
        let program = compile(&shapes(&tt, &[6], &|_| None).unwrap(), &|_| None);
        let ops: Vec<_> = program.instructions.into_iter().map(|i| i.op).collect();
        let linear =
            |weight, features, out, outer, inner| Op::Linear { weight, bias: None, features, out, outer, inner };
        assert_eq!(ops, [linear(0, 2, 28, 1, 3), linear(1, 21, 5, 4, 1), Op::Bias { weight: 2, features: 20 }]);
        let Initial::Normal(std) = program.weights[0].initial else { panic!("normal") };
        // 7 products of two normals: the variance of an entry is 7 std^4
        assert!((7.0 * std.powi(4) - 4.0 / 6.0).abs() < 1e-12);

        let layers: Vec<Layer> = serde_json::from_str(
            r#"["phases", {"svd": {"right": "V", "left": "U"}}, "magnitude", "complex", {"residual": {"layers": [{"circuit": {"name": "U"}}]}}, "phases"]"#,
        )
        .unwrap();
        let circuits = |_: &str| Some((2, 2));
        let program = compile_on_device(&crate::shapes_on_device(&layers, &[4], &circuits).unwrap(), &circuits);
        let Op::Optical(first) = &program.instructions[0].op else { panic!("light first") };
        use Element::{Circuit, Diagonal, Phases};
        assert_eq!(first.elements, [Phases(0), Circuit(0), Diagonal(1), Circuit(1)]);
        let kinds = program.instructions.iter().filter(|i| matches!(i.op, Op::Optical(_))).count();
        assert_eq!((kinds, program.circuits), (3, vec!["V".to_owned(), "U".into()]));
    }
}
