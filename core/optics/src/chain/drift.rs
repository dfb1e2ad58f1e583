//! What a device loses of its calibration with time.
//!
//! The value of a process is a function of (seed, process, element, time) alone: of neither what was asked before nor when.
//! Wiener and Ornstein-Uhlenbeck processes are defined on a fixed tick by dyadic bridges (Lévy's construction): the
//! values at the two ends of a horizon of 2^32 s are drawn, then each interval's middle given its two ends, down to the
//! interval that holds the time asked for. For an interval of half-length h the middle is
//!
//! - Wiener: (left + right) / 2 + sigma sqrt(h / 2) xi,
//! - OU: (left + right) / (2 cosh(h / tau)) + sigma sqrt(tanh(h / tau)) xi,
//!
//! with xi keyed by (depth, number of the interval, element). Depths that the time before went through too are kept, so a
//! clock that advances slowly costs about two draws per element and tick, and any jump at most one per depth.
//!
//! A process is constant within a tick. Its tick is the largest power of two, at most 1/64 s and at least 2^-20 s, in which
//! it moves by no more than 10^-3 (rad, or relative gain) rms. After the horizon it stays where it is. Closed forms (linear,
//! logarithmic, power law, sinusoid) are evaluated at the time itself.

use crate::{
    keys::{Places, draw},
    slots::Moved,
};
use blackbeam_netlist::circuit::{Circuit, Drift, DriftModel, DriftTarget};
use blackbeam_plugin::{Key, PluginError, Result};
use std::f64::consts::TAU;

/// log2 of the horizon in seconds.
const LOG_HORIZON: u32 = 32;
/// Ticks are between 2^-6 and 2^-20 s.
const LOG_TICKS: std::ops::RangeInclusive<u32> = 6..=20;
/// Largest rms change in one tick, where a tick may be that short.
const MOST_PER_TICK: f64 = 1e-3;

/// All drifts of one device.
pub(crate) struct Drifts {
    terms: Vec<Term>,
}

struct Term {
    target: Target,
    /// Value per unit of the process.
    unit: f64,
    common: bool,
    /// Neighbours among the elements: (first element, its place among them, number of them).
    runs: Vec<(usize, usize, usize)>,
    process: Process,
    /// Room for the values of closed forms.
    values: Vec<f64>,
}

#[derive(Clone, Copy, PartialEq)]
enum Target {
    Slots,
    Gain,
    Source,
}

enum Process {
    Bridge(Bridge),
    /// rate t
    Linear(Vec<f64>),
    /// amplitude ln(1 + t / t0)
    Log(Vec<f64>, f64),
    /// (1 + t / t0)^-nu, a factor
    Power(Vec<f64>, f64),
    /// amplitude sin(2 pi f t + phase): (amplitude, phase in turns), f
    Sinusoid(Vec<(f64, f64)>, f64),
}

impl Drifts {
    /// `outputs` is the number of outputs that have a gain.
    ///
    /// # Errors
    /// `SETTINGS` for an element that is not there or a time constant that is not positive.
    pub fn new(circuit: &Circuit, seed: u64, places: &Places, outputs: usize) -> Result<Self> {
        let root = Key::new(seed).named("drift");
        let mut terms = Vec::new();
        for (i, drift) in circuit.drift.iter().enumerate() {
            let wrong = |m: String| PluginError::settings(format!("drift entry {}: {m}", i + 1));
            for (path, elements) in groups(drift, places, (circuit.slots.len(), outputs)).map_err(wrong)? {
                terms.push(Term::new(drift, root.with(i as u64).with(path), elements).map_err(wrong)?);
            }
        }
        Ok(Drifts { terms })
    }

    /// True if gains of outputs drift.
    pub fn of_gains(&self) -> bool {
        self.terms.iter().any(|t| t.target != Target::Slots)
    }

    /// True if slots drift.
    pub fn of_slots(&self) -> bool {
        self.terms.iter().any(|t| t.target == Target::Slots)
    }

    /// True if slots drift by a factor.
    pub fn scales(&self) -> bool {
        self.terms.iter().any(|t| t.target == Target::Slots && matches!(t.process, Process::Power(..)))
    }

    /// Adds what has drifted at `time_s`: to slots, multiplies gains and the power of the source.
    pub fn add(&mut self, time_s: f64, moved: &mut Moved, gains: &mut [f64], source: &mut f64) {
        for term in &mut self.terms {
            term.add(time_s.max(0.0), moved, gains, source);
        }
    }
}

/// The elements of a drift, by the key of the path they stand under: one group for a process in common.
fn groups(drift: &Drift, places: &Places, (slots, outputs): (usize, usize)) -> Result<Vec<(u64, Vec<usize>)>, String> {
    let (elements, limit) = match &drift.target {
        DriftTarget::Slots { slots: elements, .. } => (elements.as_slice(), slots),
        DriftTarget::OutputGain(elements) => (elements.as_slice(), outputs),
        DriftTarget::Source => return Ok(vec![(0, Vec::new())]),
    };
    if let Some(i) = elements.iter().find(|&&i| i >= limit) {
        return Err(format!("there is no element {i}"));
    }
    let mut sorted = elements.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    if drift.common || !matches!(drift.target, DriftTarget::Slots { .. }) {
        return Ok(vec![(0, sorted)]);
    }
    let mut groups: Vec<(u64, Vec<usize>)> = Vec::new();
    for slot in sorted {
        // What stands above instances has a path of its own for each slot.
        let place = places.of(slot);
        let path = if place.element < 1 << 32 { place.path } else { place.path.rotate_left(1) ^ place.element };
        match groups.last_mut() {
            Some((last, group)) if *last == path => group.push(slot),
            _ => groups.push((path, vec![slot])),
        }
    }
    Ok(groups)
}

impl Term {
    fn new(drift: &Drift, key: Key, elements: Vec<usize>) -> Result<Self, String> {
        let (target, unit) = match &drift.target {
            DriftTarget::Slots { factor, .. } => (Target::Slots, *factor),
            DriftTarget::OutputGain(_) => (Target::Gain, 1.0),
            DriftTarget::Source => (Target::Source, 1.0),
        };
        let count = if drift.common || target == Target::Source { 1 } else { elements.len() };
        let drawn = |number| (0..count as u64).map(|i| draw(number, key, i)).collect::<Vec<f64>>();
        let positive = |what: &str, v: f64| if v > 0.0 { Ok(v) } else { Err(format!("{what} is {v}, expected > 0")) };
        let process = match drift.model {
            DriftModel::Wiener { sigma } => Process::Bridge(Bridge::new(key, sigma, None, count)),
            DriftModel::Ou { sigma, tau_s } => {
                Process::Bridge(Bridge::new(key, sigma, Some(positive("tau", tau_s)?), count))
            }
            DriftModel::Linear { rate } => Process::Linear(drawn(rate)),
            DriftModel::Log { amplitude, t0_s } => Process::Log(drawn(amplitude), positive("t0", t0_s)?),
            DriftModel::Power { nu, t0_s } => Process::Power(drawn(nu), positive("t0", t0_s)?),
            DriftModel::Sinusoid { amplitude, frequency_hz } => {
                let phase = key.named("phase");
                let drawn = drawn(amplitude).into_iter().enumerate();
                Process::Sinusoid(drawn.map(|(i, a)| (a, phase.uniform(i as u64))).collect(), frequency_hz)
            }
        };
        let mut runs: Vec<(usize, usize, usize)> = Vec::new();
        for (i, &element) in elements.iter().enumerate() {
            match runs.last_mut() {
                Some((first, _, len)) if *first + *len == element => *len += 1,
                _ => runs.push((element, i, 1)),
            }
        }
        Ok(Term { target, unit, common: count == 1, runs, process, values: vec![0.0; count] })
    }

    fn add(&mut self, time_s: f64, moved: &mut Moved, gains: &mut [f64], source: &mut f64) {
        let Term { target, unit, common, runs, process, values } = self;
        let power = matches!(process, Process::Power(..));
        let values = process.at(time_s, values);
        match target {
            Target::Slots if power => spread(runs, *common, values, &mut moved.factor, |slot, value| *slot *= value),
            Target::Gain if power => spread(runs, *common, values, gains, |gain, value| *gain *= value),
            Target::Source if power => *source *= values[0],
            Target::Slots => spread(runs, *common, values, &mut moved.added, |slot, value| *slot += *unit * value),
            Target::Gain => spread(runs, *common, values, gains, |gain, value| *gain *= 1.0 + value),
            Target::Source => *source *= 1.0 + values[0],
        }
    }
}

/// Lets each element have its value, or all the first.
#[inline]
fn spread(
    runs: &[(usize, usize, usize)],
    common: bool,
    values: &[f64],
    elements: &mut [f64],
    put: impl Fn(&mut f64, f64),
) {
    for &(element, first, len) in runs {
        let elements = elements[element..element + len].iter_mut();
        if common {
            elements.for_each(|e| put(e, values[0]));
        } else {
            elements.zip(&values[first..first + len]).for_each(|(e, v)| put(e, *v));
        }
    }
}

impl Process {
    /// Values of all elements.
    fn at<'a>(&'a mut self, time_s: f64, room: &'a mut [f64]) -> &'a [f64] {
        match self {
            Process::Bridge(bridge) => return bridge.at(time_s),
            Process::Linear(rates) => room.iter_mut().zip(rates).for_each(|(v, rate)| *v = time_s * *rate),
            Process::Log(amplitudes, t0) => {
                let log = (time_s / *t0).ln_1p();
                room.iter_mut().zip(amplitudes).for_each(|(v, amplitude)| *v = *amplitude * log);
            }
            Process::Sinusoid(waves, frequency) => {
                let turns = (*frequency * time_s).fract();
                let wave = |(amplitude, phase): &(f64, f64)| amplitude * (TAU * (turns + phase)).sin();
                room.iter_mut().zip(waves).for_each(|(v, w)| *v = wave(w));
            }
            Process::Power(nu, t0) => {
                let log = (time_s / *t0).ln_1p();
                room.iter_mut().zip(nu).for_each(|(v, nu)| *v = (-*nu * log).exp());
            }
        }
        room
    }
}

/// A Gaussian Markov process, by dyadic bridges.
struct Bridge {
    key: Key,
    /// Ticks per second.
    rate: f64,
    /// Weight of the two ends and standard deviation of the rest, by depth.
    depths: Vec<(f64, f64)>,
    /// Values at the start and the end of the horizon, then in the middle of the interval at each depth.
    values: Vec<Vec<f64>>,
    /// The tick that `values` belong to, and where its value is.
    current: Option<(u64, usize)>,
}

impl Bridge {
    fn new(key: Key, sigma: f64, tau: Option<f64>, count: usize) -> Self {
        let moves = |log: u32| {
            let tick = 0.5f64.powi(log as i32);
            sigma * tau.map_or(tick, |tau| 2.0 * (tick / tau).min(1.0)).sqrt()
        };
        let (coarse, fine) = LOG_TICKS.into_inner();
        let log_tick = (coarse..fine).find(|&log| moves(log) <= MOST_PER_TICK).unwrap_or(fine);
        let depth = |d: u32| {
            let half = 2f64.powi(LOG_HORIZON as i32 - 1 - d as i32);
            match tau {
                None => (0.5, sigma * (0.5 * half).sqrt()),
                Some(tau) => (0.5 / (half / tau).cosh(), sigma * (half / tau).tanh().sqrt()),
            }
        };
        let horizon = 2f64.powi(LOG_HORIZON as i32);
        let (mut start, mut end) = (vec![0.0; count], vec![0.0; count]);
        match tau {
            None => key.named("end").add_normal(0, sigma * horizon.sqrt(), &mut end),
            Some(tau) => {
                key.named("start").add_normal(0, sigma, &mut start);
                let kept = (-horizon / tau).exp();
                end.iter_mut().zip(&start).for_each(|(end, start)| *end = kept * start);
                key.named("end").add_normal(0, sigma * (1.0 - kept * kept).sqrt(), &mut end);
            }
        }
        let depths: Vec<(f64, f64)> = (0..LOG_HORIZON + log_tick).map(depth).collect();
        let mut values = vec![start, end];
        values.resize(2 + depths.len(), vec![0.0; count]);
        Bridge { key: key.named("middle"), rate: 2f64.powi(log_tick as i32), depths, values, current: None }
    }

    /// Values of all elements in the tick that holds `time_s`.
    fn at(&mut self, time_s: f64) -> &[f64] {
        let depths = self.depths.len();
        let tick = ((time_s * self.rate) as u64).min((1 << depths) - 1);
        if let Some((_, at)) = self.current.filter(|(current, _)| *current == tick) {
            return &self.values[at];
        }
        let before = self.current.map(|(current, _)| current);
        let (mut left, mut right) = (0, 1);
        for depth in 0..depths {
            // Bits of the tick above this shift name the interval.
            let shift = depths - depth;
            let interval = tick >> shift;
            if before.is_none_or(|before| before >> shift != interval) {
                self.draw_middle(depth, interval, left, right);
            }
            if tick >> (shift - 1) & 1 == 0 { right = 2 + depth } else { left = 2 + depth }
        }
        self.current = Some((tick, left));
        &self.values[left]
    }

    fn draw_middle(&mut self, depth: usize, interval: u64, left: usize, right: usize) {
        let (weight, std) = self.depths[depth];
        // Both ends are drawn at lesser depths.
        let (drawn, rest) = self.values.split_at_mut(2 + depth);
        for (middle, (left, right)) in rest[0].iter_mut().zip(drawn[left].iter().zip(&drawn[right])) {
            *middle = weight * (left + right);
        }
        self.key.with(depth as u64).with(interval).add_normal(0, std, &mut rest[0]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const N: usize = 20_000;

    fn covariance(a: &[f64], b: &[f64]) -> f64 {
        a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / a.len() as f64
    }

    /// Five standard errors of a sample covariance of N pairs with these variances.
    fn near(found: f64, expected: f64, variances: (f64, f64)) {
        let error = 5.0 * ((variances.0 * variances.1 + expected * expected) / N as f64).sqrt();
        assert!((found - expected).abs() < error, "{found} is not {expected} +- {error}");
    }

    #[test]
    fn wiener_has_the_covariance_of_a_random_walk() {
        let sigma = 0.5;
        let mut bridge = Bridge::new(Key::new(1), sigma, None, N);
        let times = [0.0, 0.03125, 1.0, 1.5, 700.0, 1e6];
        let values: Vec<Vec<f64>> = times.iter().map(|&t| bridge.at(t).to_vec()).collect();
        assert!(values[0].iter().all(|v| *v == 0.0), "calibrated at time 0");
        for (a, x) in times.iter().zip(&values).skip(1) {
            for (b, y) in times.iter().zip(&values).skip(1) {
                let v = sigma * sigma;
                near(covariance(x, y), v * a.min(*b), (v * a, v * b));
            }
        }
    }

    #[test]
    fn ou_is_stationary_and_forgets() {
        for (sigma, tau) in [(0.02, 600.0), (0.3, 0.01), (1.0, 3e9)] {
            let mut bridge = Bridge::new(Key::new(2), sigma, Some(tau), N);
            let tick = 1.0 / bridge.rate;
            let on_tick = |t: f64| (t / tick).floor() * tick;
            let times = [0.0, 0.3 * tau, tau, 1.4 * tau].map(|t| on_tick(t.min(1e9)));
            let values: Vec<Vec<f64>> = times.iter().map(|&t| bridge.at(t).to_vec()).collect();
            for (a, x) in times.iter().zip(&values) {
                for (b, y) in times.iter().zip(&values) {
                    let v = sigma * sigma;
                    near(covariance(x, y), v * (-(a - b).abs() / tau).exp(), (v, v));
                }
            }
        }
    }

    #[test]
    fn the_value_does_not_depend_on_what_was_asked_before() {
        for tau in [None, Some(3.0)] {
            let fresh = |t: f64| Bridge::new(Key::new(3), 0.1, tau, 5).at(t).to_vec();
            let mut bridge = Bridge::new(Key::new(3), 0.1, tau, 5);
            let times = [0.0, 0.01, 0.02, 5.0, 4.9, 1e9, 0.02, 1e300, 3.7, 3.7];
            for t in times {
                assert_eq!(bridge.at(t), fresh(t), "at {t}");
            }
        }
    }

    #[test]
    fn ticks_follow_the_process() {
        assert_eq!(Bridge::new(Key::new(1), 1e-3, None, 1).rate, 64.0);
        assert_eq!(Bridge::new(Key::new(1), 0.02, Some(600.0), 1).rate, 64.0);
        // 0.1 sqrt(2^-14) < 10^-3 < 0.1 sqrt(2^-13)
        assert_eq!(Bridge::new(Key::new(1), 0.1, None, 1).rate, 16384.0);
        assert_eq!(Bridge::new(Key::new(1), 100.0, None, 1).rate, 1048576.0);
    }

    #[test]
    fn closed_forms_and_common_processes() {
        use blackbeam_netlist::circuit::Number;
        let run = |model, common, t| {
            let drift = Drift { target: DriftTarget::Slots { slots: vec![2, 0], factor: 1.0 }, model, common };
            let mut term = Term::new(&drift, Key::new(4), vec![0, 2]).unwrap();
            let mut moved = Moved { added: vec![0.0; 3], factor: vec![1.0; 3] };
            term.add(t, &mut moved, &mut [], &mut 1.0);
            moved
        };
        let linear = DriftModel::Linear { rate: Number::Fixed(1e-3) };
        assert_eq!(run(linear, false, 2.0).added, [2e-3, 0.0, 2e-3]);
        let log = DriftModel::Log { amplitude: Number::Fixed(0.5), t0_s: 20.0 };
        assert_eq!(run(log, false, 40.0).added[0], 0.5 * 2f64.ln_1p());
        let spread = DriftModel::Linear { rate: Number::Normal(0.0, 1.0) };
        let (own, common) = (run(spread, false, 1.0).added, run(spread, true, 1.0).added);
        assert!(own[0] != own[2] && common[0] == common[2] && common[0] == own[0]);
        // a PCM cell: g (1 + t / t0)^-nu
        let power = run(DriftModel::Power { nu: Number::Fixed(0.05), t0_s: 20.0 }, false, 180.0);
        assert!((power.factor[2] - 10f64.powf(-0.05)).abs() < 1e-15 && power.factor[1] == 1.0);
        let sine = DriftModel::Sinusoid { amplitude: Number::Fixed(0.3), frequency_hz: 0.25 };
        let quarters: Vec<f64> = (0..3).map(|k| run(sine, false, f64::from(k)).added[0]).collect();
        assert!((quarters[0].hypot(quarters[1]) - 0.3).abs() < 1e-14 && (quarters[0] + quarters[2]).abs() < 1e-14);
    }
}
