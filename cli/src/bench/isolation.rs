//! `blackbeam bench isolation`: what a call takes longer through a process of its own.

use super::cases::sizes;
use crate::{Failure, args::BenchArgs, device_host::isolation, print};
use blackbeam_plugin::{
    Applied, ArrayView, ArrayViewMut, Call, Descriptor, Device, Dtype, Energy, Limits, Open, Port, Purpose, Result,
    Timeouts, Timing,
};
use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// Name by which the process finds the device: with its width behind it.
const NAME: &str = "echo-";
/// Pause between two calls that find the process asleep.
const PAUSE: Duration = Duration::from_millis(2);

/// A device that gives back the opposite of what it gets, so that nothing but the way there and back is measured.
struct Echo(usize);

impl Device for Echo {
    fn descriptor(&self) -> Descriptor {
        let port = Port { width: self.0, complex: false, min: f64::NEG_INFINITY, max: f64::INFINITY, bits: 0 };
        Descriptor {
            name: "echo".into(),
            firmware: "".into(),
            calibration: "".into(),
            input: port,
            output: port,
            parameters: Vec::new().into(),
            dtype: Dtype::F32,
            structure: 0,
            can: 0,
            max_batch: 0,
            vectors_per_row: 1,
            noise: 0.0,
            timing: Timing::default(),
            energy: Energy::default(),
            limits: Limits::default(),
            timeouts: Timeouts::default(),
        }
    }

    fn write_params(&mut self, _: &[f64], _: &Call) -> Result<Applied> {
        Ok(Applied::default())
    }

    fn query(&mut self, x: ArrayView<'_>, mut y: ArrayViewMut<'_>, _: &Call) -> Result<()> {
        y.as_f32()?.iter_mut().zip(x.as_f32()?).for_each(|(y, x)| *y = -x);
        Ok(())
    }
}

/// The device, for the process that is to open it.
pub fn built_in(name: &str) -> Option<Box<dyn Device>> {
    let width = name.strip_prefix(NAME)?.parse().ok()?;
    Some(Box::new(Echo(width)))
}

/// Runs the case.
pub fn run(args: &BenchArgs) -> Result<(), Failure> {
    let size = sizes(args).map_err(Failure::Input)?;
    let (width, rows) = (size.modes, size.batch);
    let run = |error: String| Failure::Run(error);
    let open = Open { settings: "{}".into(), seed: 0, threads: 1, ideal: false };
    let mut apart = isolation()?.open_built_in(&format!("{NAME}{width}"), &open).map_err(|e| run(e.to_string()))?;
    let mut here: Box<dyn Device> = Box::new(Echo(width));
    let x: Vec<f32> = (0..rows * width).map(|i| i as f32).collect();
    let mut case = |rest: Duration, seconds: f64| -> Result<[f64; 2], Failure> {
        let mut times = [Vec::new(), Vec::new()];
        let begun = Instant::now();
        while begun.elapsed().as_secs_f64() < seconds {
            for (device, times) in [&mut here, &mut apart].into_iter().zip(&mut times) {
                // In turns of several calls: what is measured is the device, not the change between the two.
                for _ in 0..if rest.is_zero() { 200 } else { 10 } {
                    if !rest.is_zero() {
                        thread::sleep(rest);
                    }
                    times.push(call(device.as_mut(), &x, [rows, width]).map_err(|e| run(e.to_string()))?);
                }
            }
        }
        Ok(times.map(|mut times| {
            times.sort_by(f64::total_cmp);
            1e6 * times[times.len() / 2]
        }))
    };
    let seconds = f64::from(args.rounds) * 0.1;
    case(Duration::ZERO, 0.1)?;
    let busy = case(Duration::ZERO, seconds)?;
    let idle = case(PAUSE, seconds)?;
    let bare = [Duration::ZERO, PAUSE].map(|rest| exchange(&x, rest, seconds));
    let found = serde_json::json!({
        "case": "isolation",
        "modes": width,
        "batch": rows,
        "busy_us": busy[1] - busy[0],
        "idle_us": idle[1] - idle[0],
        "in_process_us": {"busy": busy[0], "idle": idle[0]},
        "process_us": {"busy": busy[1], "idle": idle[1]},
        "exchange_us": {"busy": bare[0], "idle": bare[1]},
    });
    print(&format!("{found}\n"))
}

/// What the machine takes, with nothing of ours in between: the same bytes handed to another thread of this process, which is
/// woken if it rests, and back. Median, microseconds.
fn exchange(x: &[f32], rest: Duration, seconds: f64) -> f64 {
    let (there, back) = (Mutex::new(vec![0f32; x.len()]), Mutex::new(vec![0f32; x.len()]));
    let (turn, done) = (AtomicU32::new(0), AtomicBool::new(false));
    let mut times = Vec::new();
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            for mine in (1u32..).step_by(2) {
                while turn.load(Ordering::Acquire) != mine {
                    if done.load(Ordering::Relaxed) {
                        return;
                    }
                    if !rest.is_zero() {
                        thread::park();
                    }
                }
                let (x, mut y) = (held(&there), held(&back));
                y.iter_mut().zip(&*x).for_each(|(y, x)| *y = -x);
                drop((x, y));
                turn.store(mine + 1, Ordering::Release);
            }
        });
        let begun = Instant::now();
        let mut y = vec![0f32; x.len()];
        for round in (1u32..).step_by(2).take_while(|_| begun.elapsed().as_secs_f64() < seconds) {
            thread::sleep(rest);
            let begun = Instant::now();
            held(&there).copy_from_slice(x);
            turn.store(round, Ordering::Release);
            if !rest.is_zero() {
                other.thread().unpark();
            }
            while turn.load(Ordering::Acquire) != round + 1 {
                std::hint::spin_loop();
            }
            y.copy_from_slice(&held(&back));
            times.push(begun.elapsed().as_secs_f64());
        }
        done.store(true, Ordering::Relaxed);
        other.thread().unpark();
    });
    times.sort_by(f64::total_cmp);
    1e6 * times[times.len() / 2]
}

fn held<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it is held.
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Seconds of one query. The first write makes a process ready for it.
fn call(device: &mut dyn Device, x: &[f32], shape: [usize; 2]) -> Result<f64> {
    let of = Call { stream: 0, step: 0, purpose: Purpose::Diagnostic, round: 0, set: 0, first_row: 0, time_s: 0.0 };
    let mut y = vec![0f32; x.len()];
    let begun = Instant::now();
    device.query(ArrayView::new_f32(x, &shape), ArrayViewMut::new_f32(&mut y, &shape), &of)?;
    let taken = begun.elapsed().as_secs_f64();
    assert!(x.iter().zip(&y).all(|(x, y)| *y == -x), "the echo is another one");
    Ok(taken)
}
