//! Components of the catalogue in the models of SAX.

use super::{Made, Writer};
use blackbeam_components::Component;
use std::f64::consts::{FRAC_PI_2, PI};

/// The models of SAX that are circuits of nothing else. Their settings are those of the catalogue.
pub(super) const STOCK: [&str; 19] = [
    "attenuator",
    "bend",
    "circulator",
    "coupler",
    "coupler_ideal",
    "crossing_ideal",
    "grating_coupler",
    "ideal_probe",
    "isolator",
    "mirror",
    "mmi1x2",
    "mmi1x2_ideal",
    "mmi2x2",
    "mmi2x2_ideal",
    "phase_shifter",
    "reflector",
    "splitter_ideal",
    "straight",
    "terminator",
];

impl Writer {
    /// Writes a component; gives the end of each port.
    pub(super) fn primitive(
        &mut self,
        path: &str,
        component: &'static Component,
        values: &[f64],
    ) -> Result<Vec<String>, String> {
        match (component.name, values) {
            ("phase", &[phi, loss]) => self.shifter(path, phi, loss).map(through),
            ("phase_modulator", &[voltage, v_pi, phi, loss]) => {
                self.shifter(path, phi + PI * voltage / v_pi, loss).map(through)
            }
            ("pcm_cell", &[fraction, amorphous, crystalline, phase]) => {
                let loss = amorphous + fraction * (crystalline - amorphous);
                self.shifter(path, fraction * phase, loss).map(through)
            }
            // the same at all wavelengths, and no port reflects: a phase and a loss
            ("eam" | "gain" | "mzm", _) => {
                let s = component.matrix(values, 1, 1, 1.0)[2];
                let loss = -20.0 * s.re.hypot(s.im).log10() + 0.0;
                self.shifter(path, s.im.atan2(s.re), loss).map(through)
            }
            ("splitter", &[coupling, loss]) => self.splitter(path, "splitter_ideal", &[("coupling", coupling)], loss),
            ("ybranch", &[loss]) => self.splitter(path, "mmi1x2_ideal", &[], loss),
            ("lossy_coupler", &[coupling, loss0, loss1]) => self.lossy_coupler(path, coupling, [loss0, loss1]),
            ("mzi", &[theta, phi, coupling0, coupling1, loss]) => {
                let phi = self.shifter(&format!("{path}.phi0"), phi, 0.0)?;
                let first = self.coupler(&format!("{path}.coupler0"), coupling0)?;
                self.join(phi.output(0), first.input(0));
                let last = self.arms(path, &first, theta, loss, "coupler1", coupling1)?;
                Ok(vec![phi.input(0), first.input(1), last.output(0), last.output(1)])
            }
            ("mzi3", &[theta, phi, coupling0, coupling1, coupling2, loss]) => {
                let first = self.coupler(&format!("{path}.coupler0"), coupling0)?;
                let phi = self.shifter(&format!("{path}.phi0"), phi - FRAC_PI_2, 0.0)?;
                let middle = self.coupler(&format!("{path}.coupler1"), coupling1)?;
                self.join(first.output(0), phi.input(0));
                self.join(phi.output(0), middle.input(0));
                self.join(first.output(1), middle.input(1));
                let last = self.arms(path, &middle, theta + FRAC_PI_2, loss, "coupler2", coupling2)?;
                Ok(vec![first.input(0), first.input(1), last.output(0), last.output(1)])
            }
            ("ring_allpass", &[wl0, neff, ng, length, loss_db_cm, phi, loss, coupling]) => {
                let bus = self.coupler(&format!("{path}.c"), coupling)?;
                let guide = waveguide([wl0, neff, ng, length, loss_db_cm]);
                self.lap(path, "", &guide, phi, loss, bus.output(1), bus.input(1))?;
                Ok(vec![bus.input(0), bus.output(0)])
            }
            ("ring_adddrop", &[wl0, neff, ng, length, loss_db_cm, phi, loss, coupling0, coupling1]) => {
                let bus = self.coupler(&format!("{path}.c0"), coupling0)?;
                let drop = self.coupler(&format!("{path}.c1"), coupling1)?;
                let half = waveguide([wl0, neff, ng, length / 2.0, loss_db_cm]);
                self.lap(path, "0", &half, phi / 2.0, loss / 2.0, bus.output(1), drop.input(0))?;
                self.lap(path, "1", &half, phi / 2.0, loss / 2.0, drop.output(0), bus.input(1))?;
                Ok(vec![bus.input(0), drop.input(1), bus.output(0), drop.output(1)])
            }
            ("mmi2x2", &[wl0, fwhm, loss, shift, loss_cross, loss_thru, cross, thru]) => {
                self.scaled = true;
                // SAX 0.18 cannot take `loss_dB_cross` and `loss_dB_thru` in a circuit: put into the splitting ratios
                let [of_cross, of_thru] = [loss_cross, loss_thru].map(|own| if own == 0.0 { loss } else { own }.abs());
                let common = of_cross.min(of_thru);
                let [cross, thru] = [(cross, of_cross), (thru, of_thru)].map(|(ratio, loss)| {
                    if loss == common { ratio } else { ratio * 10f64.powf(-(loss - common) / 10.0) }
                });
                let mut settings: Vec<_> = vec![("wl0", wl0), ("fwhm", fwhm), ("loss_dB", common), ("shift", shift)];
                settings.extend([("splitting_ratio_cross", cross), ("splitting_ratio_thru", thru)]);
                let made = self.add(path, component, settings, (2, 2))?;
                Ok((0..4).map(|port| made.end(port)).collect())
            }
            (name, _) => {
                if !STOCK.contains(&name) && !self.without_model.contains(&name) {
                    self.without_model.push(name);
                }
                self.scaled |= name == "mmi1x2";
                let settings = component.settings.iter().zip(values).map(|(setting, value)| (setting.name, *value));
                let size = component.size(values)?;
                let made = self.add(path, component, settings.collect(), size)?;
                Ok((0..size.0 + size.1).map(|port| made.end(port)).collect())
            }
        }
    }

    pub(super) fn coupler(&mut self, path: &str, coupling: f64) -> Result<Made, String> {
        self.stock(path, "coupler_ideal", &[("coupling", coupling)])
    }

    /// A splitter behind an attenuator.
    fn splitter(
        &mut self,
        path: &str,
        model: &str,
        settings: &[(&'static str, f64)],
        loss: f64,
    ) -> Result<Vec<String>, String> {
        let attenuator = self.stock(&format!("{path}.loss"), "attenuator", &[("loss", loss)])?;
        let splitter = self.stock(&format!("{path}.split"), model, settings)?;
        self.join(attenuator.output(0), splitter.input(0));
        Ok(vec![attenuator.input(0), splitter.output(0), splitter.output(1)])
    }

    fn lossy_coupler(&mut self, path: &str, coupling: f64, losses: [f64; 2]) -> Result<Vec<String>, String> {
        let coupler = self.coupler(&format!("{path}.coupler"), coupling)?;
        let mut ends = vec![coupler.input(0), coupler.input(1)];
        for (k, loss) in losses.into_iter().enumerate() {
            let attenuator = self.stock(&format!("{path}.loss{k}"), "attenuator", &[("loss", loss)])?;
            self.join(coupler.output(k), attenuator.input(0));
            ends.push(attenuator.output(0));
        }
        Ok(ends)
    }

    /// Two arms behind `first`, theta on that of index 0 and the loss of the whole on both, and a coupler behind them.
    fn arms(
        &mut self,
        path: &str,
        first: &Made,
        theta: f64,
        loss: f64,
        last: &str,
        coupling: f64,
    ) -> Result<Made, String> {
        let arms =
            [self.shifter(&format!("{path}.arm0"), theta, loss)?, self.shifter(&format!("{path}.arm1"), 0.0, loss)?];
        let last = self.coupler(&format!("{path}.{last}"), coupling)?;
        for (k, arm) in arms.iter().enumerate() {
            self.join(first.output(k), arm.input(0));
            self.join(arm.output(0), last.input(k));
        }
        Ok(last)
    }

    /// A waveguide and a phase shifter from one coupler to another.
    #[expect(clippy::too_many_arguments, reason = "two ends, and what lies between them")]
    pub(super) fn lap(
        &mut self,
        path: &str,
        which: &str,
        guide: &[(&'static str, f64)],
        phi: f64,
        loss: f64,
        from: String,
        to: String,
    ) -> Result<(), String> {
        let guide = self.stock(&format!("{path}.ring{which}"), "straight", guide)?;
        let phase = self.shifter(&format!("{path}.phase{which}"), phi, loss)?;
        self.join(from, guide.input(0));
        self.join(guide.output(0), phase.input(0));
        self.join(phase.output(0), to);
        Ok(())
    }
}

/// The ends of one input and one output.
fn through(made: Made) -> Vec<String> {
    vec![made.input(0), made.output(0)]
}

/// Settings of a waveguide.
pub(super) fn waveguide(values: [f64; 5]) -> Vec<(&'static str, f64)> {
    ["wl0", "neff", "ng", "length", "loss_dB_cm"].into_iter().zip(values).collect()
}
