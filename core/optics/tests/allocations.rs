//! Queries allocate nothing once their buffers are as large as they get.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use blackbeam_netlist::{ReadOptions, read};
use blackbeam_optics::Simulator;
use blackbeam_plugin::{ArrayView, ArrayViewMut, Base, Call, Device, Direction, Key, ParameterSet, Purpose};
use blackbeam_source::Source;
use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

/// The system's allocator, counting.
struct Counting;

thread_local! {
    /// Allocations of this thread.
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

fn note() {
    COUNT.with(|count| count.set(count.get() + 1));
}

// SAFETY: all is handed on to the system's allocator as it comes; counting neither allocates nor panics, as the counter is a
// constant without destructor.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: what the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: what the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note();
        // SAFETY: what the caller promises.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const MESH: &str = "ddl: 1
name: mesh
CHAIN
instances: {U: {component: mesh, settings: {n: 6}}}
parameters: {U.theta: {init: {uniform: [0.1, 3.0]}}, U.phi: {init: {uniform: [0.1, 6.1]}}}
encoding: {mode: complex}
readout: {mode: coherent}
";

const BANK: &str = "ddl: 1
name: bank
CHAIN
instances: {B: {component: mrr_bank, settings: {rows: 4, columns: 3, preset: HQ}}}
parameters: {B.phi: {init: {uniform: [0.1, 6.1]}}}
encoding: {mode: intensityINPUT}
readout: {mode: differential}
";

const CIRCUIT: &str = "ddl: 1
name: circuit
environment: {wl: 1.55}
instances:
  c0: {component: coupler_ideal, settings: {coupling: 0.2}}
  c1: {component: coupler_ideal, settings: {coupling: 0.1}}
  t: {component: straight, settings: {length: 31.4, neff: 2.34, ng: 4.2, loss_dB_cm: 3.0}}
  p: {component: phase}
connections: {'c0,out1': 't,in0', 't,out0': 'c1,in0', 'c1,out0': 'p,in0', 'p,out0': 'c0,in1'}
ports: {in: 'c0,in0', add: 'c1,in1', thru: 'c0,out0', drop: 'c1,out1'}
parameters: {p.phi: {init: 0.7}}
encoding: {ports: in, mode: amplitudeINPUT}
readout: {ports: [thru, drop], mode: coherentOUTPUT}
FAULTS";

const FAULTS: &str = "actuators:
  heater:
    drives: [p.phi]
    dac: {bits: 8, min: 0.0, max: 6.2832}
    offset: {normal: [0, 0.02]}
    response: {tau: 1.0e-5}
    phase_noise_std: 0.01
drift:
  - {at: p.phi, model: wiener, sigma: 5.0e-4, per: sqrt_s}
  - {at: p.phi, model: ou, sigma: 0.02, tau: 600, common: true}
";

fn open(text: &str) -> Simulator {
    let source = Source::new("device.ddl.yml", text);
    let (circuit, _) = read(&source, &ReadOptions::default()).unwrap_or_else(|e| panic!("{}\n{text}", e.render(false)));
    Simulator::open(&circuit, 1, 1).unwrap()
}

/// Allocations of a query, and of a call of several configurations, when the device has done both for some time.
fn allocations(text: &str) -> (usize, usize) {
    const ROWS: usize = 30;
    const SETS: usize = 5;
    let mut device = open(text);
    let descriptor = device.descriptor();
    let (d_in, d_out) = (descriptor.input.width, descriptor.output.width);
    let base: Vec<f64> = descriptor.parameters.iter().map(|p| p.initial).collect();
    let key = Key::new(4);
    let dense = |i: usize| {
        let mut values = base.clone();
        key.with(i as u64).add_normal(0, 0.01, &mut values);
        ParameterSet::dense(values)
    };
    let keyed = ParameterSet::keyed(Base::Current, Direction::Normal, key, 0.01);
    let sets: Vec<ParameterSet> = (1..SETS).map(dense).chain([keyed]).collect();
    let x: Vec<f64> = (0..ROWS * d_in).map(|i| key.uniform(i as u64)).collect();
    let (mut y, mut answers) = (vec![0.0; ROWS * d_out], vec![0.0; SETS * ROWS * d_out]);
    let call = |step: u64, set: usize| Call {
        stream: 1,
        step,
        purpose: Purpose::Probe,
        round: 0,
        set: set as u32,
        first_row: 0,
        time_s: 1e-3 * (step as f64 + 0.1 * set as f64),
    };
    let mut counts = (0, 0);
    let mut calls = Vec::with_capacity(SETS);
    // Long enough for the history of what remembers its writes to be full.
    for step in 0..30_000 {
        calls.clear();
        calls.extend((0..SETS).map(|set| call(2 * step, set)));
        let before = COUNT.get();
        let shaped = ArrayViewMut::new(&mut answers, &[SETS, ROWS, d_out]);
        device.query_sets([&base, &base], &sets, &calls, ArrayView::new(&x, &[ROWS, d_in]), shaped, false).unwrap();
        let between = COUNT.get();
        let shaped = ArrayViewMut::new(&mut y, &[ROWS, d_out]);
        device.query(ArrayView::new(&x, &[ROWS, d_in]), shaped, &call(2 * step + 1, 0)).unwrap();
        counts = (COUNT.get() - between, between - before);
    }
    counts
}

#[test]
fn queries_allocate_nothing() {
    let circuit =
        |input, output, faults| CIRCUIT.replace("INPUT", input).replace("OUTPUT", output).replace("FAULTS", faults);
    let bank = |chain, input| BANK.replace("CHAIN", chain).replace("INPUT", input);
    let (dac, adc) = (", dac: {bits: 8, min: -1.0, max: 1.0}", ", noise_std: 0.01, adc: {bits: 8, range: auto}");
    let cases = [
        ("mesh, ideal", MESH.replace("CHAIN", "")),
        ("mesh, typical", MESH.replace("CHAIN", "preset: typical")),
        ("bank, ideal", bank("", "")),
        ("bank, typical", bank("preset: typical", ", dac: {min: 0.0}")),
        ("circuit, ideal", circuit("", "", "")),
        ("circuit, with all that is wrong", circuit(dac, adc, FAULTS)),
    ];
    let found: Vec<_> = cases.iter().map(|(name, text)| (*name, allocations(text))).filter(|f| f.1 != (0, 0)).collect();
    assert!(found.is_empty(), "allocations of (query, query_sets): {found:?}");
}
