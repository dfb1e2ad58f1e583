//! `encoding`.

use super::Check;
use crate::circuit::{Encoding, EncodingMode, Environment, FreeSpace, Kind, Source};
use crate::file::{EncodingEntry, EncodingModeEntry, Per, SourceEntry};
use crate::scene::Scene;
use blackbeam_source::{Diagnostic, Node};

/// Power of the light source if the file gives none, W: a rule of thumb, 0 dBm on chip.
const DEFAULT_POWER_W: f64 = 1.0e-3;

/// True for generators that multiply a matrix and are read as differences of photocurrents.
pub(super) fn is_differential(kind: &Kind) -> bool {
    matches!(kind, Kind::MrrBank(_) | Kind::SlmMatvec(_))
}

impl Check {
    /// The inputs. A device of one generator has all of its own if the file says nothing; other circuits have none.
    pub(super) fn encoding(&mut self, root: &Node, scene: &Scene, environment: &Environment) -> Option<Encoding> {
        let lone = lone_generator(scene);
        let inputs = |k: &usize| lone.is_some() && scene.ports[*k].1.port < scene.flat.leaves[0].inputs;
        let all: Vec<usize> = (0..scene.ports.len()).filter(inputs).collect();
        let mut encoding = Encoding {
            ports: all,
            per_channel: false,
            mode: EncodingMode::Amplitude,
            differential: false,
            scale: 1.0,
            dac: None,
            noise_std: 0.0,
            source: Source { power_w: DEFAULT_POWER_W, rin_db_hz: f64::NEG_INFINITY, linewidth_hz: 0.0 },
        };
        let is_there = root.get("encoding").is_some_and(|node| !node.is_null());
        if scene.network {
            encoding.ports.clear();
        }
        if is_there && let Some((node, entry)) = self.section::<EncodingEntry>(root, "encoding") {
            self.encoding_entry(&mut encoding, &entry, node, scene, environment);
        }
        if !is_there && !scene.network && (lone.is_none() || encoding.ports.is_empty()) {
            return None;
        }
        if !environment.channels && environment.wavelengths_um.len() > 1 {
            let span = root.get("encoding").or(root.get("environment")).map_or(root.span, |node| node.span);
            let error = Diagnostic::error("sweep", "a device with inputs has one wavelength or channels, not a sweep");
            self.found
                .push(error.at(span).help("give `environment: {wl: 1.55}`, or leave `encoding` out to simulate only"));
        }
        Some(encoding)
    }

    fn encoding_entry(
        &mut self,
        encoding: &mut Encoding,
        entry: &EncodingEntry,
        node: &Node,
        scene: &Scene,
        environment: &Environment,
    ) {
        let before = self.errors();
        match &entry.ports {
            Some(list) => encoding.ports = self.port_list(list, node.get("ports").unwrap_or(node), scene),
            None if scene.network => {}
            None if encoding.ports.is_empty() && !self.blind => {
                let error = Diagnostic::error("missing-key", "missing key `ports`").at(node.span);
                self.found.push(error.help("say which outer ports x goes into, such as `ports: in0-7`"));
            }
            None => {}
        }
        self.are_inputs(encoding, node, scene);
        encoding.mode = match entry.mode {
            None | Some(EncodingModeEntry::Amplitude) => EncodingMode::Amplitude,
            Some(EncodingModeEntry::Intensity) => EncodingMode::Intensity,
            Some(EncodingModeEntry::Phase) => EncodingMode::Phase,
            Some(EncodingModeEntry::Complex) => EncodingMode::Complex,
            Some(EncodingModeEntry::Differential) => EncodingMode::Differential,
            Some(EncodingModeEntry::Iq) => EncodingMode::Iq,
        };
        let of_matrix = encoding.ports.iter().any(|k| is_differential(&scene.kinds[scene.ports[*k].1.instance]));
        if of_matrix && !matches!(encoding.mode, EncodingMode::Amplitude | EncodingMode::Intensity) {
            let message = "a weight bank or an SLM matrix takes real inputs: `amplitude` or `intensity`";
            self.error("mode", message, node.span_at(&["mode"]));
        }
        if scene.network && !matches!(encoding.mode, EncodingMode::Amplitude | EncodingMode::Intensity) {
            let error = Diagnostic::error("mode", "a network takes real numbers: `amplitude` or `intensity`");
            let error = error.at(node.span_at(&["mode"]));
            self.found.push(
                error.help(
                    "its photonic layers take neighbours as (re, im) pairs; `complex` makes pairs of real numbers",
                ),
            );
        }
        if encoding.mode == EncodingMode::Differential && encoding.ports.len() % 2 == 1 && self.errors() == before {
            let message = format!("`differential` takes pairs of ports, {} are given", encoding.ports.len());
            self.error("mode", message, node.span_at(&["ports"]));
        }
        self.per_channel(encoding, entry, node, environment);
        let dac = entry.dac.as_ref().and_then(|dac| self.dac(dac, node.get("dac").unwrap_or(node)));
        let is_negative = dac.is_some_and(|dac| dac.min < 0.0);
        if encoding.mode == EncodingMode::Intensity && is_negative {
            let error =
                Diagnostic::error("out-of-range", "a power cannot be negative").at(node.span_at(&["dac", "min"]));
            self.found.push(error.help("use `min: 0`, with `signed: differential` for signed inputs"));
        }
        encoding.differential = entry.signed.is_some();
        let is_unsigned = encoding.mode == EncodingMode::Intensity || (dac.is_some() && !is_negative);
        let is_known = entry.dac.is_none() || dac.is_some();
        if encoding.differential && !is_unsigned && is_known {
            let error = Diagnostic::error("mode", "these inputs are signed as they are").at(node.span_at(&["signed"]));
            self.found.push(error.help("leave `signed` out; it is for `mode: intensity` and for a DAC with `min: 0`"));
        }
        encoding.scale = entry.scale.unwrap_or(1.0);
        if let Some(SourceEntry { power, rin_db_hz, linewidth_hz }) = entry.source {
            encoding.source.power_w = power.unwrap_or(DEFAULT_POWER_W);
            if !self.ideal {
                encoding.source.rin_db_hz = rin_db_hz.unwrap_or(f64::NEG_INFINITY);
                encoding.source.linewidth_hz = linewidth_hz.unwrap_or(0.0);
            }
        }
        if !self.ideal {
            encoding.dac = dac;
            encoding.noise_std = entry.noise_std.unwrap_or(0.0);
        }
    }

    /// Generators send light one way.
    fn are_inputs(&mut self, encoding: &Encoding, node: &Node, scene: &Scene) {
        for port in &encoding.ports {
            let (name, place) = &scene.ports[*port];
            let is_generator = !matches!(scene.kinds[place.instance], Kind::Primitive(_) | Kind::Imported(_));
            if is_generator && place.port >= scene.flat.leaves[place.instance].inputs {
                let message = format!("`{name}` is an output: no light can be sent into it");
                return self.error("wrong-port", message, node.span_at(&["ports"]));
            }
        }
    }

    /// `per: channel`.
    fn per_channel(&mut self, encoding: &mut Encoding, entry: &EncodingEntry, node: &Node, environment: &Environment) {
        encoding.per_channel = entry.per == Some(Per::Channel);
        if !encoding.per_channel {
            return;
        }
        let span = node.span_at(&["per"]);
        if !environment.channels {
            let error = Diagnostic::error("channels", "`per: channel` needs channels").at(span);
            self.found
                .push(error.help("give them: `environment: {channels: {start: 1.55, spacing_GHz: 200, count: 4}}`"));
        } else if encoding.ports.len() > 1 {
            let message = format!("`per: channel` sends all of x into one port, {} are given", encoding.ports.len());
            self.error("channels", message, span);
        } else if !matches!(encoding.mode, EncodingMode::Amplitude | EncodingMode::Intensity) {
            self.error("mode", "`per: channel` goes with `amplitude` or `intensity`", node.span_at(&["mode"]));
        }
    }
}

/// The kind of the generator that is all of the device.
pub(super) fn lone_generator<'a>(scene: &Scene<'a>) -> Option<&'a Kind> {
    match scene.kinds {
        [kind @ (Kind::Mesh(_) | Kind::MrrBank(_) | Kind::SlmMatvec(_))] if !scene.network => Some(kind),
        _ => None,
    }
}

/// Number of places of y (or x) that a port has: bins of a camera, else one.
pub(super) fn width(scene: &Scene, port: usize) -> usize {
    match &scene.kinds[scene.ports[port].1.instance] {
        Kind::FreeSpace(FreeSpace::Camera { shape: [rows, columns], .. }) => rows * columns,
        _ => 1,
    }
}
