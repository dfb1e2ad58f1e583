//! What an instance looks like.

use crate::{
    colour,
    svg::{Anchor, Sheet},
};
use blackbeam_meshes::{Site, layout, size};
use blackbeam_netlist::circuit::{Circuit, FreeSpace, Instance, Kind, SlmKind};

/// Distance of the modes of a mesh, and width of one of its layers.
const MODE: f64 = 16.0;
const LAYER: f64 = 22.0;
/// A ring of a bank.
const RING: f64 = 16.0;
/// Distance of the ports of a box.
const PORT: f64 = 16.0;
/// Largest side of an image of pixels.
const IMAGE: f64 = 256.0;

/// An instance on the sheet.
pub(crate) struct Symbol<'a> {
    instance: &'a Instance,
    /// Values of its slots.
    values: &'a [f64],
    sites: Vec<Site>,
    layers: usize,
}

impl<'a> Symbol<'a> {
    pub fn new(circuit: &'a Circuit, index: usize, values: &'a [f64]) -> Self {
        let instance = &circuit.instances[index];
        let values = values.get(instance.slots.clone()).unwrap_or(&[]);
        let mut symbol = Symbol { instance, values, sites: Vec::new(), layers: 0 };
        if let Kind::Mesh(mesh) = &instance.kind {
            // a checked circuit has a layout; without one the mesh is a plain box
            symbol.sites = layout(mesh.arrangement, mesh.n, mesh.layers).unwrap_or_default();
            symbol.layers = size(mesh.arrangement, mesh.n, mesh.layers).map_or(0, |s| s.layers);
        }
        symbol
    }

    fn is_mesh(&self) -> bool {
        self.layers > 0
    }

    /// Width and height.
    pub fn size(&self) -> (f64, f64) {
        let ports = self.instance.inputs.max(self.instance.outputs).max(1) as f64;
        match &self.instance.kind {
            Kind::Mesh(mesh) if self.is_mesh() => (LAYER * self.layers as f64 + 44.0, MODE * mesh.n as f64 + 24.0),
            Kind::MrrBank(bank) => (RING * bank.columns as f64 + 30.0, RING * bank.rows as f64 + 30.0),
            Kind::SlmMatvec(slm) => {
                let (w, h) = image(slm.n_out, slm.n_in);
                ((w + 30.0).max(60.0), (h + 30.0).max(ports.min(20.0) * 4.0))
            }
            Kind::FreeSpace(FreeSpace::Slm { shape, .. }) => {
                let (w, h) = image(shape[0], shape[1]);
                (w + 20.0, h + 30.0)
            }
            Kind::FreeSpace(_) => (84.0, 120.0),
            _ => {
                let letters = self.label().chars().count().max(self.instance.path.chars().count()).max(9);
                (5.3 * letters as f64 + 12.0, PORT * ports + 30.0)
            }
        }
    }

    /// What it is, in a word.
    fn label(&self) -> String {
        match &self.instance.kind {
            Kind::Mesh(_) => "mesh".into(),
            Kind::MrrBank(_) => "mrr_bank".into(),
            Kind::SlmMatvec(_) => "slm_matvec".into(),
            Kind::Weights(_) => "weights".into(),
            Kind::Primitive(name) => (*name).into(),
            Kind::Imported(imported) => imported.name.clone(),
            Kind::FreeSpace(element) => match element {
                FreeSpace::Plane { .. } => "plane",
                FreeSpace::Propagate { .. } => "free_space",
                FreeSpace::Slm { .. } => "slm",
                FreeSpace::Lens2f { .. } => "lens_2f",
                FreeSpace::Diffuser { .. } => "diffuser",
                FreeSpace::Camera { .. } => "camera",
            }
            .into(),
        }
    }

    /// Where port `port` (inputs first) meets the border, relative to the upper left corner.
    pub fn port(&self, port: usize) -> (f64, f64) {
        let (width, height) = self.size();
        let (side, k, count) = if port < self.instance.inputs {
            (0.0, port, self.instance.inputs)
        } else {
            (width, port - self.instance.inputs, self.instance.outputs)
        };
        let y = if self.is_mesh() {
            20.0 + MODE * (k as f64 + 0.5)
        } else {
            20.0 + (height - 26.0) * (k as f64 + 0.5) / count.max(1) as f64
        };
        (side, y)
    }

    /// Draws it with its upper left corner at `at`.
    pub fn draw(&self, sheet: &mut Sheet, at: (f64, f64), detail: bool) {
        let path = &self.instance.path;
        let phase = self.phase();
        let fill = phase.map_or("#f4f4f0".into(), colour::of_phase);
        let title = phase.map_or_else(|| path.clone(), |p| format!("{path}: {p:.4} rad"));
        sheet.rect(at, self.size(), &fill, "#555", &title);
        sheet.text((at.0 + 4.0, at.1 + 11.0), 9.0, Anchor::Start, path);
        match &self.instance.kind {
            Kind::Mesh(mesh) if self.is_mesh() => self.mesh(sheet, at, mesh.n),
            Kind::MrrBank(bank) => self.grid(sheet, at, bank.rows, bank.columns, RING, false),
            Kind::SlmMatvec(slm) => {
                let side = pixel(slm.n_out, slm.n_in);
                self.grid(sheet, at, slm.n_out, slm.n_in, side, false);
            }
            Kind::FreeSpace(FreeSpace::Slm { shape, kind, .. }) => {
                let side = pixel(shape[0], shape[1]);
                self.grid(sheet, at, shape[0], shape[1], side, *kind == SlmKind::Amplitude);
            }
            _ if detail => sheet.text((at.0 + 4.0, at.1 + 22.0), 8.0, Anchor::Start, &self.label()),
            _ => {}
        }
    }

    /// The phase of a phase shifter.
    fn phase(&self) -> Option<f64> {
        match self.instance.kind {
            Kind::Primitive("phase") => self.values.first().copied(),
            _ => None,
        }
    }

    /// Modes as lines, cells as boxes in two halves: phi, then theta; output phases at the end.
    fn mesh(&self, sheet: &mut Sheet, (x, y): (f64, f64), n: usize) {
        let (width, cells) = (self.size().0, self.sites.len());
        for mode in 0..n {
            let level = y + 20.0 + MODE * (mode as f64 + 0.5);
            sheet.line((x, level), (x + width, level), "#999");
        }
        let value = |k: usize| self.values.get(k).copied().unwrap_or(0.0);
        for (k, site) in self.sites.iter().enumerate() {
            let left = x + 8.0 + LAYER * site.layer as f64;
            let top = y + 20.0 + MODE * (site.modes.0 as f64 + 0.2);
            let height = MODE * ((site.modes.1 - site.modes.0) as f64 + 0.6);
            let (theta, phi) = (value(k), value(cells + k));
            let title = format!(
                "m<{}.{}> modes {} and {}: theta {theta:.4}, phi {phi:.4}",
                site.layer, site.row, site.modes.0, site.modes.1
            );
            let half = 0.5 * (LAYER - 6.0);
            sheet.rect((left, top), (half, height), &colour::of_phase(phi), "none", &title);
            sheet.rect((left + half, top), (half, height), &colour::of_phase(theta), "none", &title);
        }
        for (mode, gamma) in self.values.iter().skip(2 * cells).enumerate() {
            let top = y + 20.0 + MODE * (mode as f64 + 0.2);
            let title = format!("gamma<{mode}>: {gamma:.4}");
            sheet.rect((x + width - 22.0, top), (8.0, 0.6 * MODE), &colour::of_phase(*gamma), "none", &title);
        }
    }

    /// Values as an image.
    fn grid(&self, sheet: &mut Sheet, (x, y): (f64, f64), rows: usize, columns: usize, side: f64, level: bool) {
        for row in 0..rows {
            for column in 0..columns {
                let value = self.values.get(row * columns + column).copied().unwrap_or(0.0);
                let fill = if level { colour::of_level(value) } else { colour::of_phase(value) };
                let place = (x + 10.0 + side * column as f64, y + 20.0 + side * row as f64);
                let title =
                    if rows * columns <= 4096 { format!("<{row}.{column}>: {value:.4}") } else { String::new() };
                sheet.rect(place, (side, side), &fill, "none", &title);
            }
        }
    }
}

/// Side of a pixel of an image.
fn pixel(rows: usize, columns: usize) -> f64 {
    (IMAGE / rows.max(columns).max(1) as f64).clamp(0.5, 16.0)
}

fn image(rows: usize, columns: usize) -> (f64, f64) {
    let side = pixel(rows, columns);
    (side * columns as f64, side * rows as f64)
}
