//! The cases: what is asked of which device.

use super::devices::{self, Inputs};
use crate::{
    Failure,
    args::{BenchArgs, BenchCase, Chain, Form, Precision},
};
use blackbeam_netlist::{ReadOptions, circuit::Circuit};
use blackbeam_optics::{Optics, Simulator};
use blackbeam_plugin::{
    ArrayView, ArrayViewMut, Base, Call, Descriptor, Device, Direction, Dtype, Key, ParameterSet, PluginError, Purpose,
    Result, can,
};
use blackbeam_source::Source;
use std::{f64::consts::PI, hint::black_box};

/// Device of its kind that is opened, and root of all inputs.
const SEED: u64 = 1;

/// Standard deviation of the perturbations, in radians or what the parameter has.
const STEP: f64 = 0.01;

/// Device time between two configurations, seconds: what drifts has to move.
const TICK_S: f64 = 1e-3;

/// Bytes of answers that one call may fill; more sets are asked in several calls.
const ANSWERS: usize = 512 << 20;

/// Real operations of a 2x2 cell on a complex vector, with the common phases pushed through: one complex product and one
/// rotation.
const CELL_FLOPS: f64 = 18.0;

/// How large a case is.
pub struct Size {
    pub modes: usize,
    pub sets: usize,
    pub batch: usize,
    /// Nominal real operations of a call.
    pub flops: Option<f64>,
}

/// A case, ready to be called.
pub struct Case {
    size: Size,
    call: Box<dyn FnMut() -> Result<()>>,
}

impl Case {
    /// Reads, compiles and opens the device.
    pub fn new(args: &BenchArgs) -> std::result::Result<Self, Failure> {
        let mut size = sizes(args).map_err(Failure::Input)?;
        let refused = |e: PluginError| Failure::Input(format!("{}: {}", args.case.name(), e.message));
        let call = match args.case {
            BenchCase::MeshMatrix => matrix(args, &size)?,
            BenchCase::Ring | BenchCase::Crow => {
                let optics = Optics::new(&circuit(devices::rings(size.modes, size.batch))?, SEED).map_err(refused)?;
                let parameters = optics.initial().to_vec();
                Box::new(move || optics.spectrum_at(black_box(&parameters)).map(|s| drop(black_box(s))))
            }
            BenchCase::Compile => {
                open(args, &size)?;
                let text = text(args, &size, args.precision);
                let threads = args.threads;
                Box::new(move || {
                    let circuit = circuit(black_box(text.clone())).map_err(|_| PluginError::settings("unreadable"))?;
                    Simulator::open(&circuit, SEED, threads).map(|device| drop(black_box(device)))
                })
            }
            _ => {
                let mut queries = Queries::new(args, &size)?;
                Box::new(move || queries.call())
            }
        };
        size.flops = flops(args.case, &size);
        Ok(Case { size, call })
    }

    /// The size that was asked for, defaults filled in.
    pub fn size(&self) -> &Size {
        &self.size
    }

    /// Asks once.
    pub fn call(&mut self) -> std::result::Result<(), Failure> {
        (self.call)().map_err(|e| Failure::Run(e.message.to_string()))
    }
}

/// What may be asked of a case: (default, least, most).
type Extent = (usize, usize, usize);

const ONE: Extent = (1, 1, 1);

/// The size that is asked for, if the case has it.
pub fn sizes(args: &BenchArgs) -> std::result::Result<Size, String> {
    let name = args.case.name();
    let pick = |option: &str, given: Option<usize>, (default, least, most): Extent| match given {
        None => Ok(default),
        Some(n) if (least..=most).contains(&n) => Ok(n),
        Some(n) if least == most => Err(format!("{name} has --{option} {least} only, not {n}")),
        Some(n) => Err(format!("{name} has --{option} {least} to {most}, not {n}")),
    };
    let (modes, sets, batch) = match args.case {
        BenchCase::MeshMatrix => ((64, 2, 2048), ONE, ONE),
        BenchCase::MeshQuery => ((64, 2, 2048), (20, 1, 100_000), (100, 1, 100_000)),
        BenchCase::MeshCoordinates | BenchCase::MeshCoordinatesContracted => ((64, 2, 512), ONE, (100, 1, 100_000)),
        BenchCase::Ring => (ONE, ONE, (10_000, 2, 1_000_000)),
        BenchCase::Crow => ((16, 2, 1024), ONE, (1000, 2, 1_000_000)),
        BenchCase::WeightBank => ((32, 2, 128), (20, 1, 100_000), (100, 1, 100_000)),
        BenchCase::Slm => ((64, 2, 1024), (20, 1, 100_000), (100, 1, 100_000)),
        BenchCase::Compile => ((64, 2, 2048), ONE, ONE),
        BenchCase::Isolation => ((64, 1, 65_536), ONE, (100, 1, 100_000)),
    };
    let modes = pick("modes", args.modes, modes)?;
    let all = modes * modes;
    let sets = if coordinates(args.case) { (all, all, all) } else { sets };
    let size =
        Size { modes, sets: pick("sets", args.sets, sets)?, batch: pick("batch", args.batch, batch)?, flops: None };
    if matches!(args.case, BenchCase::Ring | BenchCase::Crow) {
        if args.chain != Chain::Ideal {
            return Err(format!(
                "{name} is of S-parameters, which have no converters and no noise: --chain ideal only"
            ));
        }
        if args.precision == Precision::F32 {
            return Err(format!("{name} is of S-parameters, which are computed in f64: --precision f64 only"));
        }
        if args.threads > 1 {
            return Err(format!("{name} is of S-parameters, which take one thread: --threads 1 only"));
        }
    }
    if args.form == Form::Keyed && !matches!(args.case, BenchCase::MeshQuery | BenchCase::WeightBank | BenchCase::Slm) {
        return Err(format!("{name} perturbs no parameters at random: --form dense only"));
    }
    Ok(size)
}

/// The cases whose parameter sets are all coordinates, one by one.
fn coordinates(case: BenchCase) -> bool {
    matches!(case, BenchCase::MeshCoordinates | BenchCase::MeshCoordinatesContracted)
}

/// Nominal operations, so that times of different sizes can be compared; none where the way to the answer decides how many
/// there are.
fn flops(case: BenchCase, size: &Size) -> Option<f64> {
    let (n, sets, batch) = (size.modes as f64, size.sets as f64, size.batch as f64);
    let mesh = 0.5 * n * (n - 1.0) * CELL_FLOPS + 6.0 * n;
    match case {
        BenchCase::MeshMatrix => Some(n * mesh),
        BenchCase::MeshQuery => Some(sets * batch * mesh),
        // a complex product and sum for each number that is written
        BenchCase::MeshCoordinates => Some(sets * batch * n * 8.0),
        BenchCase::Slm => {
            let pixels = n * n;
            // two Fourier transforms, the mask and the transfer function
            Some(sets * batch * (2.0 * 5.0 * pixels * pixels.log2() + 2.0 * 6.0 * pixels))
        }
        BenchCase::MeshCoordinatesContracted
        | BenchCase::Ring
        | BenchCase::Crow
        | BenchCase::WeightBank
        | BenchCase::Compile
        | BenchCase::Isolation => None,
    }
}

/// The device file of a case that opens a device.
fn text(args: &BenchArgs, size: &Size, precision: Precision) -> String {
    let (n, chain) = (size.modes, args.chain);
    match args.case {
        BenchCase::MeshMatrix => devices::mesh(n, Inputs::Real, chain, precision, true),
        case if coordinates(case) => devices::mesh(n, Inputs::Complex, chain, precision, false),
        BenchCase::WeightBank => devices::weight_bank(n, chain, precision),
        BenchCase::Slm => devices::mask(n, chain, precision),
        _ => devices::mesh(n, Inputs::Complex, chain, precision, true),
    }
}

fn circuit(text: String) -> std::result::Result<Circuit, Failure> {
    let source = Source::new("bench.ddl.yml", text);
    match blackbeam_netlist::read(&source, &ReadOptions::default()) {
        Ok((circuit, _)) => Ok(circuit),
        Err(found) => Err(Failure::Input(found.render(false))),
    }
}

fn open(args: &BenchArgs, size: &Size) -> std::result::Result<Simulator, Failure> {
    let refused = |e: PluginError| Failure::Input(format!("{}: {}", args.case.name(), e.message));
    let device = |precision, threads| -> std::result::Result<Simulator, Failure> {
        Simulator::open(&circuit(text(args, size, precision))?, SEED, threads).map_err(refused)
    };
    if args.precision == Precision::F32 {
        let (mut single, mut double) = (device(Precision::F32, 1)?, device(Precision::F64, 1)?);
        if answer(&mut single).map_err(refused)? == answer(&mut double).map_err(refused)? {
            let message =
                format!("{} is computed in f64 whatever its file says: --precision f64 only", args.case.name());
            return Err(Failure::Input(message));
        }
    }
    device(args.precision, args.threads)
}

/// What a device answers to one vector.
fn answer(device: &mut Simulator) -> Result<Vec<f64>> {
    let descriptor = device.descriptor();
    let (d_in, d_out) = (descriptor.input.width, descriptor.output.width);
    let x = Reals::of(descriptor.dtype, (0..d_in).map(|i| 1.0 / (1.0 + i as f64)));
    let mut y = Reals::zeros(descriptor.dtype, d_out);
    device.query(x.view(&[1, d_in]), y.view_mut(&[1, d_out]), &Clock::start().call(0))?;
    Ok(match y {
        Reals::F64(y) => y,
        Reals::F32(y) => y.into_iter().map(f64::from).collect(),
    })
}

/// The initial values, and others near them: calls go from one to the other, so that nothing can be kept.
fn bases(descriptor: &Descriptor) -> [Vec<f64>; 2] {
    let initial: Vec<f64> = descriptor.parameters.iter().map(|p| p.initial).collect();
    let key = Key::new(SEED).named("base");
    let moved = descriptor.parameters.iter().enumerate().map(|(i, p)| p.admit(p.initial + STEP * key.normal(i as u64)));
    [initial, moved.collect()]
}

/// Identity of a call: the steps of a training run, one after the other.
struct Clock {
    step: u64,
    time_s: f64,
}

impl Clock {
    fn start() -> Self {
        Clock { step: 0, time_s: 0.0 }
    }

    fn step(&mut self) {
        self.step += 1;
    }

    fn call(&mut self, set: usize) -> Call {
        self.time_s += TICK_S;
        let (step, set) = (self.step, set as u32);
        Call { stream: SEED, step, purpose: Purpose::Probe, round: 0, set, first_row: 0, time_s: self.time_s }
    }
}

/// A matrix from its phases: [2 N, N] reals, the complex fields at the outputs for one real field at each input.
fn matrix(args: &BenchArgs, size: &Size) -> std::result::Result<Box<dyn FnMut() -> Result<()>>, Failure> {
    let mut device = open(args, size)?;
    let bases = bases(&device.descriptor());
    let mut clock = Clock::start();
    Ok(Box::new(move || {
        clock.step();
        let call = clock.call(0);
        device.write_params(&bases[clock.step as usize % 2], &call)?;
        device.read_matrix(&call).map(|matrix| drop(black_box(matrix)))
    }))
}

/// Reals in the element type that a device takes.
enum Reals {
    F64(Vec<f64>),
    F32(Vec<f32>),
}

impl Reals {
    fn zeros(dtype: Dtype, count: usize) -> Self {
        match dtype {
            Dtype::F64 => Reals::F64(vec![0.0; count]),
            Dtype::F32 => Reals::F32(vec![0.0; count]),
        }
    }

    fn of(dtype: Dtype, values: impl Iterator<Item = f64>) -> Self {
        match dtype {
            Dtype::F64 => Reals::F64(values.collect()),
            Dtype::F32 => Reals::F32(values.map(|v| v as f32).collect()),
        }
    }

    fn view(&self, shape: &[usize]) -> ArrayView<'_> {
        match self {
            Reals::F64(data) => ArrayView::new(data, shape),
            Reals::F32(data) => ArrayView::new_f32(data, shape),
        }
    }

    /// The first elements of it.
    fn view_mut(&mut self, shape: &[usize]) -> ArrayViewMut<'_> {
        let count = shape.iter().product();
        match self {
            Reals::F64(data) => ArrayViewMut::new(&mut data[..count], shape),
            Reals::F32(data) => ArrayViewMut::new_f32(&mut data[..count], shape),
        }
    }
}

/// Parameter sets on a batch.
struct Queries {
    device: Simulator,
    bases: [Vec<f64>; 2],
    /// Those of each base.
    sets: [Vec<ParameterSet>; 2],
    calls: Vec<Call>,
    clock: Clock,
    x: Reals,
    shape: [usize; 2],
    answers: Answers,
    /// Sets of one call.
    at_once: usize,
}

/// What is asked for.
enum Answers {
    /// All outputs: room for those of one call, and outputs of a vector.
    Outputs(Reals, usize),
    /// Products with a cotangent.
    Scalars { cotangent: Reals, shape: [usize; 2], products: Vec<f64> },
}

impl Queries {
    fn new(args: &BenchArgs, size: &Size) -> std::result::Result<Self, Failure> {
        let device = open(args, size)?;
        let descriptor = device.descriptor();
        let (dtype, batch) = (descriptor.dtype, size.batch);
        let (d_in, d_out) = (descriptor.input.width, descriptor.output.width);
        let random = |name: &str, count: usize, low: f64| {
            let key = Key::new(SEED).named(name);
            Reals::of(dtype, (0..count as u64).map(|i| low + (1.0 - low) * key.uniform(i)))
        };
        let (answers, at_once) = if args.case == BenchCase::MeshCoordinatesContracted {
            if !descriptor.can(can::SCALARS) {
                let message = "mesh-coordinates-contracted needs a linear read-out without noise and converters";
                return Err(Failure::Input(message.into()));
            }
            let cotangent = random("cotangent", batch * d_out, -1.0);
            (Answers::Scalars { cotangent, shape: [batch, d_out], products: vec![0.0; size.sets] }, size.sets)
        } else {
            let at_once = (ANSWERS / (size_of::<f64>() * batch * d_out)).clamp(1, size.sets);
            (Answers::Outputs(Reals::zeros(dtype, at_once * batch * d_out), d_out), at_once)
        };
        let bases = bases(&descriptor);
        let sets = [0, 1].map(|b| match args.case {
            case if coordinates(case) => one_by_one(size.sets),
            _ => perturbed(&descriptor, &bases[b], size.sets, args.form),
        });
        Ok(Queries {
            sets,
            bases,
            calls: Vec::with_capacity(at_once),
            clock: Clock::start(),
            x: random("x", batch * d_in, if descriptor.input.min < 0.0 { -1.0 } else { 0.0 }),
            shape: [batch, d_in],
            answers,
            at_once,
            device,
        })
    }

    fn call(&mut self) -> Result<()> {
        self.clock.step();
        let turn = self.clock.step as usize % 2;
        let bases = [&self.bases[turn][..], &self.bases[1 - turn][..]];
        for (part, sets) in self.sets[turn].chunks(self.at_once).enumerate() {
            self.calls.clear();
            self.calls.extend((0..sets.len()).map(|k| self.clock.call(part * self.at_once + k)));
            let x = self.x.view(&self.shape);
            match &mut self.answers {
                Answers::Outputs(y, d_out) => {
                    let shaped = y.view_mut(&[sets.len(), self.shape[0], *d_out]);
                    self.device.query_sets(bases, sets, &self.calls, x, shaped, false)?;
                    black_box(y);
                }
                Answers::Scalars { cotangent, shape, products } => {
                    let cotangent = cotangent.view(&shape[..]);
                    self.device.query_scalars(bases, sets, &self.calls, x, cotangent, products, false)?;
                    black_box(products);
                }
            }
        }
        Ok(())
    }
}

/// Each parameter moved by itself, finitely.
fn one_by_one(parameters: usize) -> Vec<ParameterSet> {
    (0..parameters as u32).map(|i| ParameterSet::sparse(Base::Current, vec![i], vec![STEP * PI])).collect()
}

/// All parameters moved a little at random.
fn perturbed(descriptor: &Descriptor, base: &[f64], sets: usize, form: Form) -> Vec<ParameterSet> {
    let key = Key::new(SEED).named("sets");
    let keyed = |q| ParameterSet::keyed(Base::Current, Direction::Normal, key.with(q), STEP);
    let dense = |q| {
        let mut values = base.to_vec();
        key.with(q).add_normal(0, STEP, &mut values);
        values.iter_mut().zip(&descriptor.parameters).for_each(|(v, p)| *v = p.admit(*v));
        ParameterSet::dense(values)
    };
    (0..sets as u64).map(|q| if form == Form::Keyed { keyed(q) } else { dense(q) }).collect()
}
