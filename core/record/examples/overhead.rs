//! What recording costs a call: medians for queries of 100 x 64 numbers, 32-bit, alone and recorded.
//!
//! ```sh
//! cargo run --release -p blackbeam-record --example overhead
//! ```
use blackbeam_plugin::{ArrayView, ArrayViewMut, Call, Device, Open, Plugin, Purpose};
use blackbeam_record::{Level, Recorder};
use std::{error::Error, path::PathBuf, time::Instant};

const CALLS: usize = 20_000;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let path = folder.join(format!("overhead-{}.bblog", std::process::id()));
    println!("alone: {:.2} us a call", measure(device()?)?);
    for level in [Level::Full, Level::Probes, Level::Meta] {
        let recorder = Recorder::open(device()?, &path, ("main", "dense"), level, true)?;
        let begun = Instant::now();
        let median = measure(Box::new(recorder))?;
        let (all, size) = (begun.elapsed().as_secs_f64(), std::fs::metadata(&path)?.len() as f64);
        std::fs::remove_file(&path)?;
        let name = level.name();
        println!("{name}: {median:.2} us a call; {CALLS} calls in {all:.2} s, {:.0} MB", size / 1e6);
    }
    Ok(())
}

fn device() -> Result<Box<dyn Device>, Box<dyn Error>> {
    let settings = r#"{"rows": 64, "columns": 64}"#;
    let Some(Plugin::Device(dense)) = blackbeam_device_dense::plugins().pop() else { return Err("no device".into()) };
    Ok(dense.open(&Open { settings: settings.into(), seed: 1, threads: 1, ideal: false })?)
}

/// Median time of a query, microseconds; the device is dropped.
fn measure(mut device: Box<dyn Device>) -> Result<f64, Box<dyn Error>> {
    let (x, mut y) = (vec![0.5f32; 6400], vec![0.0f32; 6400]);
    let purpose = Purpose::Forward;
    let mut times = Vec::with_capacity(CALLS);
    for step in 0..CALLS as u64 {
        let call = Call { stream: 1, step, purpose, round: 0, set: 0, first_row: 0, time_s: 0.0 };
        let begun = Instant::now();
        device.query(ArrayView::new_f32(&x, &[100, 64]), ArrayViewMut::new_f32(&mut y, &[100, 64]), &call)?;
        times.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[CALLS / 2])
}
