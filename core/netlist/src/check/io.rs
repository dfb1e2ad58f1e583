//! `encoding`, `readout` and `timing`.

use super::Check;
use super::ports::Outer;
use crate::circuit::{Encoding, EncodingMode, Generator, Readout, ReadoutMode, Timing};
use crate::file::{
    AdcRange, EncodingEntry, EncodingModeEntry, HostTime, ReadoutEntry, ReadoutModeEntry, RelativeTo, TimingEntry,
};
use blackbeam_source::{Diagnostic, Node};

/// Power of the light source if the file gives none, W: a rule of thumb, 0 dBm on chip.
const DEFAULT_POWER_W: f64 = 1.0e-3;

impl Check {
    pub(super) fn encoding(&mut self, root: &Node, generator: &Generator, outer: &Outer) -> Option<Encoding> {
        let mut encoding = Encoding {
            mode: EncodingMode::Amplitude,
            differential: false,
            dac: None,
            noise_std: 0.0,
            power_w: DEFAULT_POWER_W,
        };
        if root.get("encoding").is_none_or(Node::is_null) {
            return Some(encoding);
        }
        let (node, entry) = self.section::<EncodingEntry>(root, "encoding")?;
        self.one_of(node, entry.ports.is_some(), "ports", entry.port.is_some(), "port");
        self.port_list(
            entry.ports.as_ref().or(entry.port.as_ref()),
            node.get("ports").or(node.get("port")).unwrap_or(node),
            &outer.inputs,
        );
        encoding.mode = match entry.mode {
            None | Some(EncodingModeEntry::Amplitude) => EncodingMode::Amplitude,
            Some(EncodingModeEntry::Intensity) => EncodingMode::Intensity,
            Some(EncodingModeEntry::Complex) => EncodingMode::Complex,
        };
        if encoding.mode == EncodingMode::Complex && !matches!(generator, Generator::Mesh(_)) {
            let message = "complex inputs need a device that keeps phases: a `mesh`";
            self.error("mode", message, node.span_at(&["mode"]));
        }
        let dac = match &entry.dac {
            Some(dac) => Some(self.dac(dac, node.get("dac").unwrap_or(node))?),
            None => None,
        };
        let is_negative = dac.is_some_and(|dac| dac.min < 0.0);
        if encoding.mode == EncodingMode::Intensity && is_negative {
            let error =
                Diagnostic::error("out-of-range", "a power cannot be negative").at(node.span_at(&["dac", "min"]));
            self.found.push(error.help("use `min: 0`, with `signed: differential` for signed inputs"));
        }
        encoding.differential = entry.signed.is_some();
        let is_unsigned = encoding.mode == EncodingMode::Intensity || (dac.is_some() && !is_negative);
        if encoding.differential && !is_unsigned {
            let error = Diagnostic::error("mode", "these inputs are signed as they are").at(node.span_at(&["signed"]));
            self.found.push(error.help("leave `signed` out; it is for `mode: intensity` and for a DAC with `min: 0`"));
        }
        encoding.power_w = entry.source.and_then(|source| source.power).unwrap_or(DEFAULT_POWER_W);
        if !self.ideal {
            encoding.dac = dac;
            encoding.noise_std = entry.noise_std.unwrap_or(0.0);
        }
        Some(encoding)
    }

    pub(super) fn readout(&mut self, root: &Node, generator: &Generator, outer: &Outer) -> Option<Readout> {
        let is_mesh = matches!(generator, Generator::Mesh(_));
        let mode = if is_mesh { ReadoutMode::CoherentReal } else { ReadoutMode::Differential };
        let mut readout = Readout { mode, noise_std: 0.0, noise_relative: true, adc_bits: None, adc_range: None };
        if root.get("readout").is_none_or(Node::is_null) {
            return Some(readout);
        }
        let (node, entry) = self.section::<ReadoutEntry>(root, "readout")?;
        self.one_of(node, entry.ports.is_some(), "ports", entry.port.is_some(), "port");
        self.port_list(
            entry.ports.as_ref().or(entry.port.as_ref()),
            node.get("ports").or(node.get("port")).unwrap_or(node),
            &outer.outputs,
        );
        if let Some(mode) = entry.mode {
            readout.mode = readout_mode(mode);
        }
        if is_mesh == (readout.mode == ReadoutMode::Differential) {
            let message = if is_mesh {
                "`differential` reads weight banks and SLMs; a mesh has no pairs of outputs"
            } else {
                "the outputs of this component are pairs of photocurrents: they are read as `differential`"
            };
            self.error("mode", message, node.span_at(&["mode"]));
        }
        let adc_node = node.get("adc").unwrap_or(node);
        let range = match entry.adc.as_ref().and_then(|adc| adc.range) {
            Some(AdcRange::Fixed(range)) if range <= 0.0 => {
                self.error("out-of-range", "the full scale of a converter is positive", adc_node.span_at(&["range"]));
                None
            }
            Some(AdcRange::Fixed(range)) => Some(range),
            _ => None,
        };
        if let Some(adc) = &entry.adc
            && adc.bits.is_none()
        {
            self.found.push(Diagnostic::error("missing-key", "missing key `bits`").at(adc_node.span));
        }
        if !self.ideal {
            readout.noise_std = entry.noise_std.unwrap_or(0.0);
            readout.noise_relative = entry.relative_to != Some(RelativeTo::Absolute);
            readout.adc_bits = entry.adc.and_then(|adc| adc.bits);
            readout.adc_range = range;
        }
        Some(readout)
    }

    pub(super) fn timing(&mut self, root: &Node) -> Option<Timing> {
        let mut timing = Timing {
            write_fixed_s: 0.0,
            write_each_s: 0.0,
            trigger_s: 0.0,
            frame_s: 0.0,
            frame_vectors: 1,
            averages: 1,
            host_step_s: 0.0,
        };
        if root.get("timing").is_none_or(Node::is_null) {
            return Some(timing);
        }
        let (node, entry) = self.section::<TimingEntry>(root, "timing")?;
        self.one_of(node, entry.frame.is_some(), "frame", entry.frame_time.is_some(), "frame_time");
        timing.write_fixed_s = entry.write_fixed.unwrap_or(0.0);
        timing.write_each_s = entry.write_each.unwrap_or(0.0);
        timing.trigger_s = entry.trigger.unwrap_or(0.0);
        timing.frame_s = entry.frame.or(entry.frame_time).unwrap_or(0.0);
        timing.frame_vectors = entry.batch.unwrap_or(1);
        timing.averages = entry.averages.unwrap_or(1);
        timing.host_step_s = match entry.host_time {
            Some(HostTime::Fixed(seconds)) => seconds,
            None | Some(HostTime::Named(_)) => 0.0,
        };
        if timing.host_step_s < 0.0 {
            self.error("out-of-range", "a time cannot be negative", node.span_at(&["host_time"]));
        }
        Some(timing)
    }
}

fn readout_mode(entry: ReadoutModeEntry) -> ReadoutMode {
    match entry {
        ReadoutModeEntry::CoherentReal => ReadoutMode::CoherentReal,
        ReadoutModeEntry::CoherentImag => ReadoutMode::CoherentImag,
        ReadoutModeEntry::Coherent => ReadoutMode::Coherent,
        ReadoutModeEntry::Amplitude => ReadoutMode::Amplitude,
        ReadoutModeEntry::Intensity => ReadoutMode::Intensity,
        ReadoutModeEntry::Differential => ReadoutMode::Differential,
    }
}
