//! State that a resumed run needs, closing and opening again.

use super::{Check, short};
use crate::{
    bench::{Bench, ROWS},
    measure::{FACTOR, difference, same_bits},
    report::Outcome,
};
use blackbeam_plugin::{Code, Matrix, Result, structure};

pub(super) const CHECKS: &[Check] = &[
    Check { id: "state.restored", asks: true, run: restored },
    Check { id: "state.second_instance", asks: true, run: second_instance },
    Check { id: "state.garbage", asks: true, run: garbage },
    Check { id: "state.reopened", asks: true, run: reopened },
];

/// Writes of several configurations, so that a device that remembers has something to remember; the state after them, and an
/// answer there.
struct Before {
    state: Vec<u8>,
    params: Vec<f64>,
    write: blackbeam_plugin::Call,
    query: blackbeam_plugin::Call,
    x: Matrix,
    y: Matrix,
}

fn before(bench: &mut Bench) -> Result<Before> {
    for name in ["state 1", "state 2"] {
        let params = bench.point(name, 0.2);
        bench.write(&params)?;
    }
    let state = bench.call("save_state", 0.0, |d| d.save_state())?;
    let (params, write) = bench.held().unwrap_or((bench.initial(), bench.fresh()));
    let (x, query) = (bench.inputs("state", ROWS), bench.fresh());
    bench.rest();
    let y = bench.query_as(&x, &query)?;
    Ok(Before { state, params, write, query, x, y })
}

/// The state is taken back, the parameters are written anew as the session does, and the same is asked.
fn again(bench: &mut Bench, before: &Before) -> Result<Outcome> {
    let noise = bench.noise()?;
    bench.call("restore_state", 0.0, |d| d.restore_state(&before.state))?;
    bench.write_as(&before.params, &before.write)?;
    bench.rest();
    let y = bench.query_as(&before.x, &before.query)?;
    let size = before.state.len();
    let differ = difference(&y, &before.y);
    let advice = "save all that answers depend on beside the parameters; restore it whole";
    if bench.descriptor.has(structure::DETERMINISTIC) {
        let same = same_bits(&y, &before.y);
        let measured =
            if same { "the same bits".to_owned() } else { format!("answers that differ by {} (rms)", short(differ)) };
        let expected = "the same bits after the state was restored (DETERMINISTIC)";
        return Ok(Outcome::of(same, format!("{measured}; a state of {size} bytes"), expected, advice));
    }
    let measured =
        format!("answers differ by {} (rms), noise {}; a state of {size} bytes", short(differ), short(noise.std));
    let good = differ <= FACTOR * noise.of_difference();
    Ok(Outcome::of(good, measured, "the same answers after the state was restored, up to noise", advice))
}

fn restored(bench: &mut Bench) -> Result<Outcome> {
    let before = before(bench)?;
    // Away from there, and back.
    let away = bench.point("state away", 0.3);
    bench.write(&away)?;
    again(bench, &before)
}

fn second_instance(bench: &mut Bench) -> Result<Outcome> {
    let before = before(bench)?;
    bench.reopen()?;
    again(bench, &before)
}

fn garbage(bench: &mut Bench) -> Result<Outcome> {
    let mut problems = Vec::new();
    for state in [vec![0x5a; 13], vec![0xff; 4096]] {
        match bench.call("restore_state", 0.0, |d| d.restore_state(&state)) {
            Err(error) if error.code == Code::BAD_STATE => {}
            Err(error) => problems.push(format!("{} bytes: {error}", state.len())),
            Ok(()) => problems.push(format!("{} bytes of garbage were taken", state.len())),
        }
        bench.reset();
        bench.prepare()?;
    }
    let good = problems.is_empty();
    let measured = if good { "refused".to_owned() } else { super::list(&problems) };
    Ok(Outcome::of(
        good,
        measured,
        "BAD_STATE for bytes that are no state",
        "check a state (a length, a version, a checksum) before it is used",
    ))
}

fn reopened(bench: &mut Bench) -> Result<Outcome> {
    let noise = bench.noise()?;
    let x = bench.inputs("reopened", ROWS);
    let before = bench.query(&x)?;
    let descriptor = bench.descriptor.clone();
    bench.reopen()?;
    let described = bench.call("descriptor", 0.0, |d| Ok(d.descriptor()))?;
    let initial = bench.initial();
    bench.write(&initial)?;
    bench.rest();
    let after = bench.query(&x)?;
    let expected = "closed and opened again, it is the same device";
    // By their texts: numbers that are not finite are not equal to themselves.
    if format!("{described:?}") != format!("{descriptor:?}") {
        let advice =
            "what changes between two openings (a calibration, a temperature) does not belong in the descriptor";
        return Ok(Outcome::warn("it describes itself otherwise", expected, advice));
    }
    let differ = difference(&before, &after);
    let bound =
        FACTOR * noise.of_difference() + if descriptor.timing.settle_tau_s > 0.0 { 0.01 * noise.rms } else { 0.0 };
    let measured = format!("answers differ by {} (rms); the noise has {}", short(differ), short(noise.std));
    let advice = "open must give back what close took, and bring the hardware to the same point";
    Ok(Outcome::of(differ <= bound, measured, expected, advice))
}
