//! `blackbeam bench`: how long the queries of training take on this machine.
//!
//! A case is a device file (as text, made for the size asked for) that goes the way of every device file: it is read,
//! compiled, opened, and then asked by the calls that training makes. Nothing is computed here.

mod cases;
mod devices;
pub mod isolation;

use crate::{
    Failure,
    args::{BenchArgs, BenchCase, Simd},
    print,
};
use blackbeam_kernels::Level;
use cases::Case;
use std::time::{Duration, Instant};

/// A round calls a case until so much time has passed.
const ROUND: Duration = Duration::from_millis(20);

/// So many rounds are measured, however long they take.
const FEWEST_ROUNDS: u32 = 2;

/// Runs the command.
pub fn run(args: &BenchArgs) -> Result<(), Failure> {
    if let Some(simd) = args.simd {
        let level = match simd {
            Simd::Plain => Level::Plain,
            Simd::Avx2 => Level::Avx2,
            Simd::Avx512 => Level::Avx512,
        };
        if !Level::limit(level) {
            return Err(Failure::Input(format!("this machine has no {level:?}, only {:?}", Level::best())));
        }
    }
    if args.case == BenchCase::Isolation {
        return isolation::run(args);
    }
    let mut case = Case::new(args)?;
    let times = measure(args, || case.call())?;
    let size = case.size();
    let gflops = size.flops.map(|flops| 1e-9 * flops / times.min_s);
    let found = serde_json::json!({
        "case": args.case.name(),
        "modes": size.modes,
        "sets": size.sets,
        "batch": size.batch,
        "precision": args.precision.name(),
        "threads": args.threads,
        "chain": args.chain.name(),
        "median_s": times.median_s,
        "min_s": times.min_s,
        "gflops": gflops,
    });
    print(&format!("{found}\n"))
}

struct Times {
    median_s: f64,
    min_s: f64,
}

/// One round warms caches, branch predictors and workspaces up; then the mean time of a call in each round.
fn measure(args: &BenchArgs, mut call: impl FnMut() -> Result<(), Failure>) -> Result<Times, Failure> {
    let mut round = || -> Result<f64, Failure> {
        let (start, mut calls) = (Instant::now(), 0u32);
        loop {
            call()?;
            calls += 1;
            let elapsed = start.elapsed();
            if elapsed >= ROUND {
                return Ok(elapsed.as_secs_f64() / f64::from(calls));
            }
        }
    };
    round()?;
    let start = Instant::now();
    let mut means = Vec::new();
    for done in 0..args.rounds {
        if done >= FEWEST_ROUNDS && start.elapsed().as_secs_f64() > args.seconds {
            break;
        }
        means.push(round()?);
    }
    means.sort_by(f64::total_cmp);
    let middle = means.len() / 2;
    let median_s = if means.len() % 2 == 1 { means[middle] } else { 0.5 * (means[middle - 1] + means[middle]) };
    Ok(Times { median_s, min_s: means[0] })
}
