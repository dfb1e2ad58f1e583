//! `blackbeam explain`.

use super::{read, refused};
use crate::{Failure, args::ExplainArgs, print};
use blackbeam_components::{catalogue, describe, find};
use blackbeam_netlist::circuit::{Circuit, Init, Kind, Number, ParameterBlock};
use blackbeam_optics::{Explanation, Simulator};
use blackbeam_plugin::{Descriptor, Device};
use blackbeam_source::did_you_mean;
use std::fmt::Write;

/// Runs the command.
pub fn run(args: &ExplainArgs) -> Result<(), Failure> {
    if let Some(name) = &args.component {
        return component(name);
    }
    let Some(file) = &args.file else { return Err(Failure::Input("give a file or --component NAME".into())) };
    let (circuit, seed) = read(file, &args.reading)?;
    if circuit.encoding.is_none() {
        let explanation = Explanation::new(&circuit, seed).map_err(refused(file))?;
        return print(&text(&circuit, &explanation, None));
    }
    let device = Simulator::open(&circuit, seed, 1).map_err(refused(file))?;
    let explanation = device.explain(&circuit).map_err(refused(file))?;
    print(&text(&circuit, &explanation, Some(&device.descriptor())))
}

fn component(name: &str) -> Result<(), Failure> {
    if name == "list" {
        let lines: Vec<String> = catalogue().iter().map(|c| format!("{:<20} {}\n", c.name, c.summary)).collect();
        return print(&lines.concat());
    }
    match find(name) {
        Some(found) => print(&describe(found)),
        None => {
            let near = did_you_mean(name, catalogue().iter().map(|c| c.name)).unwrap_or_default();
            let message = format!("there is no component `{name}`; {near}");
            let message = message.trim_end_matches("; ");
            Err(Failure::Input(format!("{message} (`blackbeam explain --component list` lists them)")))
        }
    }
}

fn text(circuit: &Circuit, explanation: &Explanation, descriptor: Option<&Descriptor>) -> String {
    let mut out = String::new();
    // writing to a string cannot fail
    let _ = writeln!(out, "{}: {} instances, {} links", circuit.name, circuit.instances.len(), circuit.links.len());
    let _ = writeln!(out, "wavelengths: {}", wavelengths(circuit));
    if !circuit.ports.is_empty() {
        let names: Vec<&str> = circuit.ports.iter().take(40).map(|p| p.name.as_str()).collect();
        let more = if circuit.ports.len() > 40 { ", ..." } else { "" };
        let _ = writeln!(out, "ports: {}{more}", names.join(", "));
    }
    let _ = writeln!(out, "\nprogram: {}\n  why: {}", explanation.program, explanation.why);
    explanation.parts.iter().for_each(|part| {
        let _ = writeln!(out, "  {part}");
    });
    let _ = writeln!(
        out,
        "  about {} flops a configuration, {} flops a vector",
        amount(explanation.flops_per_configuration),
        amount(explanation.flops_per_vector)
    );
    let kinds = kinds(circuit);
    let _ = writeln!(out, "\ncomponents: {}", kinds.join(", "));
    parameters(&mut out, circuit, descriptor);
    if let Some(d) = descriptor {
        let _ = writeln!(out, "\ninputs: {}, {} to {}{}", d.input.width, d.input.min, d.input.max, bits(d.input.bits));
        let _ =
            writeln!(out, "outputs: {}, {} to {}{}", d.output.width, d.output.min, d.output.max, bits(d.output.bits));
    } else {
        let _ = writeln!(out, "\nno `encoding`: it can be simulated, not trained");
    }
    power(&mut out, explanation);
    let _ = writeln!(out, "\nnon-idealities:");
    if explanation.nonidealities.is_empty() {
        let _ = writeln!(out, "  none");
    }
    explanation.nonidealities.iter().for_each(|line| {
        let _ = writeln!(out, "  {line}");
    });
    out
}

fn wavelengths(circuit: &Circuit) -> String {
    let wl = &circuit.environment.wavelengths_um;
    match (&wl[..], circuit.environment.channels) {
        ([one], false) => format!("{one} um"),
        ([first, .., last], channels) => {
            let what = if channels { "incoherent channels" } else { "points" };
            format!("{} {what}, {first} to {last} um", wl.len())
        }
        _ => format!("{} channel", wl.len()),
    }
}

/// How many of each component.
fn kinds(circuit: &Circuit) -> Vec<String> {
    let mut counts: Vec<(String, usize)> = Vec::new();
    for instance in &circuit.instances {
        let name = match &instance.kind {
            Kind::Mesh(mesh) => format!("mesh ({} modes)", mesh.n),
            Kind::MrrBank(bank) => {
                let bus = if bank.shared.is_some() { ", shared bus" } else { "" };
                format!("mrr_bank ({} x {}{bus})", bank.rows, bank.columns)
            }
            Kind::SlmMatvec(slm) => format!("slm_matvec ({} x {})", slm.n_out, slm.n_in),
            Kind::FreeSpace(_) => "free space".to_owned(),
            Kind::Weights(_) => "layer of weights".to_owned(),
            Kind::Primitive(name) => (*name).to_owned(),
            Kind::Imported(imported) => format!("{} (imported)", imported.name),
        };
        match counts.iter_mut().find(|(n, _)| *n == name) {
            Some((_, count)) => *count += 1,
            None => counts.push((name, 1)),
        }
    }
    counts.into_iter().map(|(name, count)| if count == 1 { name } else { format!("{count} {name}") }).collect()
}

fn parameters(out: &mut String, circuit: &Circuit, descriptor: Option<&Descriptor>) {
    let trainable: usize = circuit.parameters.iter().filter(|b| b.trainable).map(|b| b.names.len()).sum();
    let _ = writeln!(out, "\nparameters: {trainable} in w");
    let mut at = 0;
    for block in &circuit.parameters {
        let count = block.names.len();
        let Some(first) = block.names.get(0) else { continue };
        let last = &block.names[count - 1];
        let names = if count == 1 { first.to_owned() } else { format!("{first} .. {last}") };
        let unit = if block.unit.is_empty() { String::new() } else { format!(" {}", block.unit) };
        let (low, high) = block.range;
        let _ = write!(
            out,
            "  {names} ({count}): {low} to {high}{unit}, {:?} at the bounds, init {}",
            block.at_range,
            init(block)
        );
        if !block.trainable {
            let _ = write!(out, ", not trained");
        } else if let Some(d) = descriptor {
            let steps = d.parameters.iter().skip(at).take(count).map(|p| p.resolution);
            let step = steps.fold(0.0, f64::max);
            let _ = if step > 0.0 {
                write!(out, ", steps of at most {step:.3e}{unit}")
            } else {
                write!(out, ", continuous")
            };
            at += count;
        }
        out.push('\n');
    }
}

fn init(block: &ParameterBlock) -> String {
    match &block.init {
        Init::Number(Number::Fixed(x)) => x.to_string(),
        Init::Number(Number::Normal(mean, sigma)) => format!("normal({mean}, {sigma})"),
        Init::Number(Number::Uniform(low, high)) => format!("uniform({low}, {high})"),
        Init::Number(Number::Lognormal(median, sigma)) => format!("lognormal({median}, {sigma})"),
        Init::Haar => "haar".into(),
        Init::Values(_) => "from a file".into(),
        Init::Layers => "as the layer says".into(),
        Init::Settings => "as in the netlist".into(),
        Init::Resonance => "on resonance with its channel".into(),
    }
}

fn power(out: &mut String, explanation: &Explanation) {
    if let Some((mean, most)) = explanation.insertion_loss_db {
        let _ = writeln!(out, "\ninsertion loss at the start: {mean:.2} dB on average, {most:.2} dB at most");
    }
    if let Some(watts) = explanation.source_power_w {
        let _ = writeln!(out, "source: {watts:e} W");
    }
    for (name, sum) in &explanation.drives {
        let _ = writeln!(out, "actuator `{name}`: its drives sum to {sum:.4} at the start");
    }
}

fn bits(bits: u32) -> String {
    if bits == 0 { String::new() } else { format!(", {bits} bits") }
}

fn amount(flops: f64) -> String {
    format!("{flops:.2e}")
}
