//! `readout`.

use super::Check;
use super::encoding::{is_differential, lone_generator, width};
use super::ports::expand;
use crate::circuit::{AdcRange, Camera, Detector, Encoding, Environment, FreeSpace, Kind, Readout, ReadoutMode};
use crate::file::{AdcEntry, AdcRangeEntry, DetectorEntry, NamedRange, ReadoutEntry, ReadoutModeEntry, RelativeTo};
use crate::scene::Scene;
use blackbeam_source::{Diagnostic, Node};
use std::collections::HashSet;

/// Planck's constant times the speed of light over the charge of an electron, V um: h c / q.
const HC_OVER_Q_V_UM: f64 = 1.239_841_984_332_002_6;
/// Load of a detector if the file gives none, ohm.
const DEFAULT_LOAD_OHM: f64 = 50.0;

/// The positions in y.
#[derive(Default)]
pub(super) struct Outputs {
    /// Outer ports that are read, each with its first position.
    starts: Vec<(usize, usize)>,
    /// Names of pairs; pair k is position k.
    pub(super) pairs: Vec<String>,
}

impl Outputs {
    /// First position and number of positions of an outer port, if it is read.
    pub(super) fn of_port(&self, port: usize, scene: &Scene) -> Option<std::ops::Range<usize>> {
        let (_, start) = self.starts.iter().find(|(p, _)| *p == port)?;
        Some(*start..*start + width(scene, port))
    }
}

impl Check {
    /// The outputs, and where they stand in y.
    pub(super) fn readout(
        &mut self,
        root: &Node,
        scene: &Scene,
        environment: &Environment,
        encoding: Option<&Encoding>,
    ) -> (Readout, Outputs) {
        let lone = lone_generator(scene);
        let is_in = |k: usize| match lone {
            Some(_) => scene.ports[k].1.port < scene.flat.leaves[0].inputs,
            None => encoding.is_some_and(|encoding| encoding.ports.contains(&k)),
        };
        let mut readout = Readout {
            ports: (0..scene.ports.len()).filter(|k| !scene.network && !is_in(*k)).collect(),
            pairs: Vec::new(),
            mode: ReadoutMode::Intensity,
            lo_power_w: encoding.map_or(1e-3, |encoding| encoding.source.power_w),
            detector: None,
            tia_ohm: None,
            noise_std: 0.0,
            noise_relative: true,
            adc_levels: None,
            adc_range: AdcRange::Auto,
        };
        let mut names = Vec::new();
        let section = self.section::<ReadoutEntry>(root, "readout");
        if let Some((node, entry)) = &section {
            self.what_is_read(&mut readout, &mut names, entry, node, scene);
        }
        readout.mode = match section.as_ref().and_then(|(_, entry)| entry.mode) {
            Some(mode) => readout_mode(mode),
            None if !readout.pairs.is_empty() => ReadoutMode::Differential,
            None => match lone {
                Some(Kind::Mesh(_)) => ReadoutMode::CoherentReal,
                Some(_) => ReadoutMode::Differential,
                // the numbers that a network gives, signed as they are
                None if scene.network => ReadoutMode::Differential,
                None => ReadoutMode::Intensity,
            },
        };
        if let Some((node, entry)) = section {
            if scene.network {
                self.of_network(&readout, &entry, node);
            } else {
                self.check_mode(&readout, node, scene);
            }
            self.electronics(&mut readout, &entry, node, environment, encoding);
        }
        let mut outputs = Outputs { starts: Vec::new(), pairs: names };
        let mut at = 0;
        for port in &readout.ports {
            outputs.starts.push((*port, at));
            at += width(scene, *port);
        }
        (readout, outputs)
    }

    /// A network's outputs are read as they are.
    fn of_network(&mut self, readout: &Readout, entry: &ReadoutEntry, node: &Node) {
        let given = [("mode", readout.mode != ReadoutMode::Differential), ("detector", entry.detector.is_some())];
        for (key, _) in given.into_iter().filter(|(_, given)| *given) {
            let message = format!("`{key}` has no meaning here: the outputs of a network are numbers");
            let error = Diagnostic::error("mode", message).at(node.span_at(&[key]));
            self.found.push(
                error.help(
                    "the layers say what is detected (`magnitude`, `power`); `noise_std` and `adc` are added here",
                ),
            );
        }
    }

    /// `ports` and `pairs`.
    fn what_is_read(
        &mut self,
        readout: &mut Readout,
        names: &mut Vec<String>,
        entry: &ReadoutEntry,
        node: &Node,
        scene: &Scene,
    ) {
        if let Some(list) = &entry.ports {
            readout.ports = self.port_list(list, node.get("ports").unwrap_or(node), scene);
            for port in &readout.ports {
                let (name, place) = &scene.ports[*port];
                let is_generator = !matches!(scene.kinds[place.instance], Kind::Primitive(_) | Kind::Imported(_));
                if is_generator && place.port < scene.flat.leaves[place.instance].inputs {
                    self.error(
                        "wrong-port",
                        format!("`{name}` is an input: nothing comes out"),
                        node.span_at(&["ports"]),
                    );
                    break;
                }
            }
        }
        if entry.pairs.is_none() {
            return;
        }
        if let Some((key, _)) = node.entry("ports") {
            self.error("two-values", "give `ports` or `pairs`, not both", key.span);
        }
        readout.ports.clear();
        let mut known: HashSet<String> = names.iter().cloned().collect();
        // in the order of the file
        for (key, pair) in node.get("pairs").and_then(Node::as_map).unwrap_or_default() {
            let Some([plus, minus]) = pair.as_seq() else { continue };
            let (Some(plus_text), Some(minus_text)) = (plus.as_str(), minus.as_str()) else { continue };
            let before = self.errors();
            let plus = self.ports_named(plus_text, plus.span, scene);
            let minus = self.ports_named(minus_text, minus.span, scene);
            let labels = expand(&key.name, scene.ports.len().max(1));
            if self.errors() > before || self.blind {
                continue;
            }
            if plus.len() != minus.len() || labels.len() != plus.len() {
                let counts = [labels.len(), plus.len(), minus.len()];
                let message = format!("{} name(s) for {} and {} port(s)", counts[0], counts[1], counts[2]);
                self.error("port-count", message, key.span);
                continue;
            }
            for label in labels {
                if !known.insert(label.clone()) {
                    self.error("name-twice", format!("two pairs have the name `{label}`"), key.span);
                }
                names.push(label);
            }
            readout.pairs.extend(plus.into_iter().zip(minus).map(|(plus, minus)| [plus, minus]));
        }
    }

    fn check_mode(&mut self, readout: &Readout, node: &Node, scene: &Scene) {
        let kind = |k: &usize| &scene.kinds[scene.ports[*k].1.instance];
        let of_matrix = readout.ports.iter().any(|k| is_differential(kind(k)));
        let of_camera = readout.ports.iter().any(|k| matches!(kind(k), Kind::FreeSpace(FreeSpace::Camera { .. })));
        let differential = readout.mode == ReadoutMode::Differential;
        let span = node.span_at(&["mode"]);
        if differential && !of_matrix && readout.pairs.is_empty() && !self.blind && node.get("pairs").is_none() {
            let error = Diagnostic::error("mode", "`differential` reads pairs of outputs, and there are none").at(span);
            self.found.push(error.help("give them: `pairs: {y0-3: [plus0-3, minus0-3]}`"));
        } else if !differential && of_matrix {
            let message = "the outputs of this component are pairs of photocurrents: they are read as `differential`";
            self.error("mode", message, span);
        } else if !differential && !readout.pairs.is_empty() {
            self.error("mode", "`pairs` are read as `differential`", span);
        } else if of_camera && readout.mode != ReadoutMode::Intensity {
            self.error("mode", "a camera sees `intensity` only", span);
        }
        if node.get("local_oscillator").is_some()
            && !matches!(readout.mode, ReadoutMode::Coherent | ReadoutMode::CoherentReal | ReadoutMode::CoherentImag)
        {
            let message = "`local_oscillator` belongs to coherent modes";
            self.error("unused-setting", message, node.entry("local_oscillator").map_or(span, |(key, _)| key.span));
        }
    }

    /// Detector, amplifier, noise and converter.
    fn electronics(
        &mut self,
        readout: &mut Readout,
        entry: &ReadoutEntry,
        node: &Node,
        environment: &Environment,
        encoding: Option<&Encoding>,
    ) {
        if let Some(oscillator) = &entry.local_oscillator {
            readout.lo_power_w = oscillator.power;
        }
        let detector = entry
            .detector
            .as_ref()
            .and_then(|detector| self.detector(detector, node.get("detector").unwrap_or(node), environment, encoding));
        let adc = entry.adc.as_ref().map(|adc| self.adc(adc, node.get("adc").unwrap_or(node), entry, detector));
        if let (Some(_), None) = (&entry.tia, &entry.detector) {
            let message = "`tia` needs a `detector`: it turns a photocurrent into a voltage";
            self.error("unused-setting", message, node.entry("tia").map_or(node.span, |(key, _)| key.span));
        }
        if self.ideal {
            return;
        }
        readout.detector = detector;
        readout.tia_ohm = entry.tia.as_ref().map(|tia| tia.gain_ohm);
        readout.noise_std = entry.noise_std.unwrap_or(0.0);
        readout.noise_relative = entry.relative_to != Some(RelativeTo::Absolute);
        if let Some((levels, range)) = adc {
            readout.adc_levels = levels;
            readout.adc_range = range;
        }
    }

    fn adc(
        &mut self,
        adc: &AdcEntry,
        node: &Node,
        entry: &ReadoutEntry,
        detector: Option<Detector>,
    ) -> (Option<u32>, AdcRange) {
        let levels = self.levels(adc.bits, adc.levels, node);
        let range = match adc.range {
            None | Some(AdcRangeEntry::Named(NamedRange::Auto)) => AdcRange::Auto,
            Some(AdcRangeEntry::Named(NamedRange::FullWell)) => {
                let camera = detector.and_then(|detector| detector.camera);
                if entry.detector.is_none() || (detector.is_some() && camera.is_none()) {
                    let error = Diagnostic::error("unused-setting", "`full_well` needs a camera as `detector`");
                    let help = "give `detector: {quantum_efficiency, exposure_s, full_well_e, ..}`";
                    self.found.push(error.at(node.span_at(&["range"])).help(help));
                } else if camera.is_some_and(|camera| camera.full_well_e.is_infinite()) {
                    let error = Diagnostic::error("missing-key", "the camera has no `full_well_e`");
                    self.found.push(error.at(node.span_at(&["range"])));
                }
                AdcRange::FullWell
            }
            Some(AdcRangeEntry::Fixed(range)) => {
                if range <= 0.0 {
                    let message = "the full scale of a converter is positive";
                    self.error("out-of-range", message, node.span_at(&["range"]));
                }
                if entry.detector.is_some() { AdcRange::Volts(range) } else { AdcRange::Output(range) }
            }
        };
        (levels, range)
    }

    fn detector(
        &mut self,
        entry: &DetectorEntry,
        node: &Node,
        environment: &Environment,
        encoding: Option<&Encoding>,
    ) -> Option<Detector> {
        let missing = |key: &str, why: &str| {
            Diagnostic::error("missing-key", format!("missing key `{key}`")).at(node.span).help(why)
        };
        let wl = environment.wavelengths_um.first().copied().unwrap_or(1.55);
        let is_camera = entry.exposure_s.is_some()
            || entry.full_well_e.is_some()
            || entry.read_noise_e.is_some()
            || entry.dark_e.is_some();
        let responsivity = match (entry.responsivity, entry.quantum_efficiency) {
            (Some(_), Some(_)) => {
                let message = "`responsivity` and `quantum_efficiency` say the same thing; give one";
                self.error("two-values", message, node.span);
                return None;
            }
            (Some(responsivity), None) => responsivity,
            (None, Some(efficiency)) => efficiency * wl / HC_OVER_Q_V_UM,
            (None, None) => {
                self.found.push(missing(
                    "responsivity",
                    "a photodiode has a `responsivity` in A/W, a camera a `quantum_efficiency`",
                ));
                return None;
            }
        };
        let camera = if is_camera {
            let Some(exposure_s) = entry.exposure_s else {
                self.found.push(missing("exposure_s", "a camera counts electrons over an exposure"));
                return None;
            };
            Some(Camera {
                quantum_efficiency: entry.quantum_efficiency.unwrap_or(responsivity * HC_OVER_Q_V_UM / wl),
                exposure_s,
                read_noise_e: entry.read_noise_e.unwrap_or(0.0),
                full_well_e: entry.full_well_e.unwrap_or(f64::INFINITY),
                dark_e: entry.dark_e.unwrap_or(0.0),
            })
        } else {
            None
        };
        let on = |flag: Option<bool>| flag.unwrap_or(false);
        let has_noise = on(entry.shot) || on(entry.thermal) || on(entry.rin);
        let bandwidth_hz = match (entry.bandwidth_hz, camera) {
            (Some(bandwidth), _) => bandwidth,
            // a sinc of the exposure: its noise bandwidth
            (None, Some(camera)) => 0.5 / camera.exposure_s,
            (None, None) if has_noise => {
                self.found.push(missing("bandwidth_Hz", "the noise of a photodiode is in proportion to its bandwidth"));
                return None;
            }
            (None, None) => 0.0,
        };
        if on(entry.rin) && !self.ideal && encoding.is_none_or(|e| e.source.rin_db_hz == f64::NEG_INFINITY) {
            let warning = Diagnostic::warning("no-effect", "`rin: true` has no effect: the source has no `rin_dB_Hz`");
            self.found.push(warning.at(node.span_at(&["rin"])).help("give `encoding: {source: {rin_dB_Hz: -145}}`"));
        }
        Some(Detector {
            responsivity,
            bandwidth_hz,
            dark_current_a: entry.dark_current_a.unwrap_or(0.0),
            load_ohm: entry.load_ohm.unwrap_or(DEFAULT_LOAD_OHM),
            temperature_k: entry.temperature_k.unwrap_or(environment.temperature_k),
            shot: on(entry.shot),
            thermal: on(entry.thermal),
            rin: on(entry.rin),
            camera,
        })
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
