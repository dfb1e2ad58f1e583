//! The interpreter: one loop for training, evaluation, tails and their linearisation.

use crate::convert::{to_data, to_matrix};
use crate::pass::{Snapshot, Trace};
use crate::scalar::{device, tensor, values};
use crate::splice::{Captured, DeviceHook, Link, checked, splice};
use crate::{Error, Network, Scalar};
use blackbeam_layers::layer_path;
use blackbeam_layers::program::{Instruction, Op, Use};
use blackbeam_plugin::{Key, Matrix};
use burn::tensor::{
    Int, Tensor, TensorData, activation, module,
    ops::{AvgPoolOptions, ConvOptions, MaxPoolOptions},
};
use std::sync::{Arc, Mutex};

/// Added to variances before the square root, in batch and layer norm.
const EPSILON: f64 = 1e-5;

/// What a run through the instructions is for.
pub(crate) enum Mode<'r, T> {
    /// Devices are asked, masks drawn, batch statistics taken; all is put into the trace.
    Train {
        key: Key,
        hook: &'r Arc<dyn DeviceHook>,
        captured: &'r Arc<Mutex<Captured>>,
        trace: &'r mut Trace<T>,
        /// Outputs of the uses that are leaves of the graph, by use.
        leaves: Vec<Option<Tensor<2>>>,
    },
    /// Devices are asked; masks are the trace's; batch statistics are taken and thrown away.
    Tail { hook: &'r dyn DeviceHook, trace: &'r Trace<T> },
    /// Device outputs, masks and batch statistics are the trace's; surrogates answer backwards.
    Linearise { hook: &'r Arc<dyn DeviceHook>, captured: &'r Arc<Mutex<Captured>>, trace: &'r Trace<T> },
    /// Devices are asked; no masks; running statistics.
    Evaluate { hook: &'r dyn DeviceHook },
}

impl<T: Scalar> Network<T> {
    /// Runs the instructions from `start` on `value` [samples, elements], with the values saved so far on `stack`.
    pub(crate) fn execute(
        &self,
        parameters: &[Tensor<2>],
        start: usize,
        mut value: Tensor<2>,
        mut stack: Vec<Tensor<2>>,
        mode: &mut Mode<'_, T>,
    ) -> Result<Tensor<2>, Error> {
        for (place, instruction) in self.program.instructions.iter().enumerate().skip(start) {
            value = match instruction.op {
                Op::Save => {
                    stack.push(value.clone());
                    value
                }
                Op::Add => value + stack.pop().expect("the compiler brackets residuals"),
                Op::Device { use_index } => self.device_layer(place, use_index, value, &stack, mode)?,
                Op::Dropout { p } => dropout(value, p, place, instruction, mode),
                Op::BatchNorm { scale, shift, statistics, image, channels } => {
                    let shape = Normalised { image, channels, statistics, place: &instruction.path };
                    let affine = [scale, shift].map(|index| parameters[index].clone().reshape([channels]));
                    self.batch_norm(value, affine, &shape, mode)?
                }
                Op::Embedding { weight, vocabulary, dim } => {
                    embedding::<T>(value, parameters[weight].clone(), vocabulary, dim)?
                }
                ref op => plain(op, parameters, value),
            };
        }
        Ok(value)
    }

    fn device_layer(
        &self,
        place: usize,
        use_index: usize,
        x: Tensor<2>,
        stack: &[Tensor<2>],
        mode: &mut Mode<'_, T>,
    ) -> Result<Tensor<2>, Error> {
        let site = &self.uses[use_index];
        let link = |hook: &Arc<dyn DeviceHook>, captured: &Arc<Mutex<Captured>>| Link {
            use_index,
            site: site.clone(),
            hook: hook.clone(),
            captured: captured.clone(),
        };
        match mode {
            Mode::Evaluate { hook } => self.ask(use_index, x, *hook),
            Mode::Tail { hook, .. } => self.ask(use_index, x, *hook),
            Mode::Linearise { hook, captured, trace } => {
                let y = trace.snapshots[use_index].output.clone();
                Ok(splice(x, y, link(hook, captured)))
            }
            Mode::Train { hook, captured, trace, leaves, .. } => {
                let y = self.ask(use_index, x.clone().inner(), &***hook)?;
                trace.snapshots.push(Snapshot {
                    place,
                    stack: stack.iter().map(|saved| saved.clone().inner()).collect(),
                    output: y.clone(),
                });
                if site.needs_input_gradient {
                    leaves.push(None);
                    return Ok(splice(x, y, link(hook, captured)));
                }
                let leaf = y.autodiff().require_grad();
                leaves.push(Some(leaf.clone()));
                Ok(leaf)
            }
        }
    }

    /// The device's outputs for a tensor outside autodiff.
    fn ask(&self, use_index: usize, x: Tensor<2>, hook: &dyn DeviceHook) -> Result<Tensor<2>, Error> {
        let site = &self.uses[use_index];
        let samples = x.dims()[0];
        let x = to_matrix(&x.into_data(), site.features, site.d_in);
        let rows = x.rows;
        hook.forward(use_index, x)
            .and_then(|y| checked(y, rows, site.d_out, "outputs"))
            .map(|y| device_output::<T>(&y, samples, site))
            .map_err(|source| Error::of_use(site, use_index, source))
    }

    fn batch_norm(
        &self,
        value: Tensor<2>,
        affine: [Tensor<1>; 2],
        shape: &Normalised<'_>,
        mode: &mut Mode<'_, T>,
    ) -> Result<Tensor<2>, Error> {
        let [samples, elements] = value.dims();
        let per_channel = samples * elements / shape.channels;
        if per_channel < 2 && !matches!(mode, Mode::Evaluate { .. }) {
            let place = layer_path(shape.place);
            return Err(Error::Input(format!("batch_norm at {place} needs at least two values per channel to train")));
        }
        let normalised = match shape.image {
            Some([c, h, w]) => {
                let rows = value.reshape([samples, c, h, w]);
                self.normalise(rows, affine, shape.statistics, per_channel, mode).reshape([samples, elements])
            }
            None if elements == shape.channels => self.normalise(value, affine, shape.statistics, per_channel, mode),
            None => {
                let rows = value.reshape([per_channel, shape.channels]);
                self.normalise(rows, affine, shape.statistics, per_channel, mode).reshape([samples, elements])
            }
        };
        Ok(normalised)
    }

    fn normalise<const D: usize>(
        &self,
        rows: Tensor<D>,
        [scale, shift]: [Tensor<1>; 2],
        statistics: usize,
        count: usize,
        mode: &mut Mode<'_, T>,
    ) -> Tensor<D> {
        match mode {
            Mode::Evaluate { .. } => {
                let running = &self.statistics[statistics];
                let [mean, variance] =
                    [&running.mean, &running.variance].map(|numbers| tensor(numbers.clone(), [numbers.len()]));
                module::batch_norm(rows, scale, shift, mean, variance, EPSILON)
            }
            Mode::Linearise { trace, .. } => {
                let batch = &trace.statistics[statistics];
                module::batch_norm(rows, scale, shift, batch.mean.clone(), batch.variance.clone(), EPSILON)
            }
            Mode::Tail { .. } => module::batch_norm_train(rows, scale, shift, EPSILON).output,
            Mode::Train { trace, .. } => {
                let result = module::batch_norm_train(rows, scale, shift, EPSILON);
                let batch = BatchStatistics { mean: result.mean.inner(), variance: result.variance.inner(), count };
                trace.statistics.push(batch);
                result.output
            }
        }
    }
}

/// Where and over what a batch norm works.
struct Normalised<'a> {
    image: Option<[usize; 3]>,
    channels: usize,
    statistics: usize,
    place: &'a [usize],
}

/// Mean and (biased) variance of one batch, by channel.
#[derive(Clone, Debug)]
pub(crate) struct BatchStatistics {
    pub mean: Tensor<1>,
    pub variance: Tensor<1>,
    /// Values per channel that they were taken over.
    pub count: usize,
}

/// A device's answer [rows, d_out] as the tensor [samples, elements] that goes on.
pub(crate) fn device_output<T: Scalar>(y: &Matrix, samples: usize, site: &Use) -> Tensor<2> {
    Tensor::from_data(to_data(y, samples, site.out, T::DTYPE), (&device(), T::DTYPE))
}

fn dropout<T: Scalar>(
    value: Tensor<2>,
    p: f64,
    place: usize,
    instruction: &Instruction,
    mode: &mut Mode<'_, T>,
) -> Tensor<2> {
    match mode {
        Mode::Evaluate { .. } => value,
        Mode::Tail { trace, .. } | Mode::Linearise { trace, .. } => {
            value * trace.masks[place].clone().expect("the baseline drew a mask for each dropout")
        }
        Mode::Train { key, trace, .. } => {
            let key = instruction.path.iter().fold(key.named("dropout"), |key, &index| key.with(index as u64));
            let shape = value.dims();
            let mask = tensor(mask::<T>(key, p, shape[0] * shape[1]), shape);
            trace.masks[place] = Some(mask.clone());
            value * mask
        }
    }
}

/// 0 with probability p and 1/(1 - p) otherwise. Element i depends on the key and i only.
pub(crate) fn mask<T: Scalar>(key: Key, p: f64, len: usize) -> Vec<T> {
    let (zero, keep) = (T::default(), T::of(1.0 / (1.0 - p)));
    let threshold = (p * 4_294_967_296.0) as u64;
    let blocks = (0..len.div_ceil(4) as u64).flat_map(|block| key.block(block));
    blocks.take(len).map(|word| if u64::from(word) < threshold { zero } else { keep }).collect()
}

fn embedding<T: Scalar>(
    tokens: Tensor<2>,
    weight: Tensor<2>,
    vocabulary: usize,
    dim: usize,
) -> Result<Tensor<2>, Error> {
    let [samples, positions] = tokens.dims();
    let index = |token: T| {
        let token: f64 = token.into();
        let fine = token >= 0.0 && token < vocabulary as f64 && token.fract() == 0.0;
        let message = || format!("token {token}: tokens are whole numbers from 0 to {}", vocabulary - 1);
        if fine { Ok(token as i64) } else { Err(Error::Input(message())) }
    };
    let indices = values::<T, 2>(tokens).into_iter().map(index).collect::<Result<Vec<_>, _>>()?;
    let indices = Tensor::<1, Int>::from_data(TensorData::new(indices, [samples * positions]), &device());
    Ok(weight.select(0, indices).reshape([samples, positions * dim]))
}

/// `value` [samples, elements] as rows of `features`, through `layer`, and back to samples.
fn by_rows(value: Tensor<2>, features: usize, layer: impl FnOnce(Tensor<2>) -> Tensor<2>) -> Tensor<2> {
    let [samples, elements] = value.dims();
    if elements == features {
        return layer(value);
    }
    let rows = samples * elements / features;
    let result = layer(value.reshape([rows, features]));
    let out = result.dims()[1] * rows / samples;
    result.reshape([samples, out])
}

/// `value` [samples, elements] as images, through `layer`, and back.
fn by_images(value: Tensor<2>, [c, h, w]: [usize; 3], layer: impl FnOnce(Tensor<4>) -> Tensor<4>) -> Tensor<2> {
    let samples = value.dims()[0];
    let result = layer(value.reshape([samples, c, h, w]));
    let [_, c, h, w] = result.dims();
    result.reshape([samples, c * h * w])
}

/// The layers that do the same whatever the run is for.
fn plain(op: &Op, parameters: &[Tensor<2>], value: Tensor<2>) -> Tensor<2> {
    let parameter = |index: usize| parameters[index].clone();
    match *op {
        Op::Linear { weight, bias, features, inner: 1, .. } => by_rows(value, features, |x| {
            let y = x.matmul(parameter(weight));
            match bias {
                Some(bias) => y + parameter(bias),
                None => y,
            }
        }),
        Op::Linear { weight, bias, features, out, outer, inner } => {
            let samples = value.dims()[0];
            // [features, all that is not summed over], so that one product does it
            let x = value.reshape([samples * outer, features, inner]).permute([0, 2, 1]);
            let y = x.reshape([samples * outer * inner, features]).matmul(parameter(weight));
            let y = match bias {
                Some(bias) => y + parameter(bias),
                None => y,
            };
            y.reshape([samples * outer, inner, out]).permute([0, 2, 1]).reshape([samples, outer * out * inner])
        }
        Op::Conv2d { weight, bias, input, out, kernel, stride, padding } => by_images(value, input, |x| {
            let weight = parameter(weight).reshape([out, input[0], kernel, kernel]);
            let bias = bias.map(|bias| parameter(bias).reshape([out]));
            module::conv2d(x, weight, bias, ConvOptions::new([stride; 2], [padding; 2], [1; 2], 1))
        }),
        Op::MaxPool { input, kernel, stride } => by_images(value, input, |x| {
            module::max_pool2d(x, MaxPoolOptions::new([kernel; 2]).with_stride([stride; 2]))
        }),
        Op::AvgPool { input, kernel, stride } => by_images(value, input, |x| {
            module::avg_pool2d(x, AvgPoolOptions::new([kernel; 2]).with_stride([stride; 2]))
        }),
        Op::AdaptiveAvgPool { input, size } => by_images(value, input, |x| module::adaptive_avg_pool2d(x, size)),
        Op::LayerNorm { scale, shift, features } => by_rows(value, features, |x| {
            let [scale, shift] = [scale, shift].map(|index| parameter(index).reshape([features]));
            module::layer_norm(x, scale, Some(shift), EPSILON)
        }),
        Op::Relu => activation::relu(value),
        Op::Gelu => activation::gelu(value),
        Op::Tanh => value.tanh(),
        Op::Sigmoid => activation::sigmoid(value),
        Op::Sine => value.sin(),
        Op::Transpose { rows, columns } => {
            let samples = value.dims()[0];
            value.reshape([samples, rows, columns]).permute([0, 2, 1]).reshape([samples, rows * columns])
        }
        Op::Mean { rows, features } => {
            let samples = value.dims()[0];
            value.reshape([samples, rows, features]).mean_dim(1).reshape([samples, features])
        }
        Op::Complex => {
            let [samples, features] = value.dims();
            let re = value.reshape([samples, features, 1]);
            let im = re.clone().inner().zeros_like();
            Tensor::cat(vec![re, im], 2).reshape([samples, 2 * features])
        }
        Op::Magnitude => powers(value).sqrt(),
        Op::Power => powers(value),
        Op::Softmax { features } => by_rows(value, features, |x| activation::softmax(x, 1)),
        Op::Bias { weight, features } => by_rows(value, features, |x| x + parameter(weight)),
        Op::Scale { weight } => value * parameter(weight),
        Op::Resize { features, out } if features == out => value,
        Op::Resize { features, out } => by_rows(value, features, |x| {
            let rows = x.dims()[0];
            if out < features {
                return x.slice([0..rows, 0..out]);
            }
            let zeros = x.clone().inner().zeros_like().slice([0..rows, 0..1]).repeat_dim(1, out - features);
            Tensor::cat(vec![x, zeros], 1)
        }),
        Op::Save | Op::Add | Op::Device { .. } | Op::Dropout { .. } | Op::BatchNorm { .. } | Op::Embedding { .. } => {
            unreachable!("handled by `execute`")
        }
        Op::Optical(_) | Op::Recurrent { .. } => unreachable!("the shapes of a network with devices allow none"),
    }
}

/// re^2 + im^2 of pairs.
fn powers(value: Tensor<2>) -> Tensor<2> {
    let [samples, elements] = value.dims();
    let pairs = value.reshape([samples, elements / 2, 2]);
    (pairs.clone() * pairs).sum_dim(2).reshape([samples, elements / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_depend_on_key_and_element_only() {
        let key = Key::new(3);
        let long: Vec<f32> = mask(key, 0.25, 40_001);
        let short: Vec<f32> = mask(key, 0.25, 37);
        assert_eq!(long[..37], short);
        assert_ne!(short, mask::<f32>(key.with(1), 0.25, 37));
        let zeros = long.iter().filter(|&&m| m == 0.0).count() as f64;
        assert!((zeros / 40_001.0 - 0.25).abs() < 0.01, "{zeros}"); // five standard errors
        assert!(long.iter().all(|&m| m == 0.0 || (m - 4.0 / 3.0).abs() < 1e-6));
        assert!(mask::<f32>(key, 0.0, 100).iter().all(|&m| m == 1.0));
    }
}
