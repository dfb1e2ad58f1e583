//! From instances to a chain of planes.

use crate::{fabrication::Fabrication, keys::path_key};
use blackbeam_freespace::{Camera, Element, Grid, Method, Shift, Slm, SlmKind, diffuser, wavefront};
use blackbeam_netlist::circuit::{self, Circuit, FreeSpace, Kind, Propagation, Quantity};
use blackbeam_plugin::{Key, PluginError, Result};
use num_complex::Complex64;
use std::ops::Range;

/// The instances of a chain in the order of the light.
///
/// # Errors
/// `SETTINGS` if they are not one chain that starts with a plane.
pub(super) fn order(circuit: &Circuit) -> Result<Vec<usize>> {
    let wrong = |m: &str| Err(PluginError::settings(format!("free space: {m}")));
    let planes = circuit
        .instances
        .iter()
        .enumerate()
        .filter(|(_, i)| matches!(i.kind, Kind::FreeSpace(FreeSpace::Plane { .. })));
    let planes: Vec<usize> = planes.map(|(i, _)| i).collect();
    let [source] = planes.as_slice() else { return wrong("the light starts at exactly one `plane`") };
    let mut order = vec![*source];
    loop {
        let last = *order.last().expect("it starts with the source");
        let out = circuit.instances[last].inputs;
        let next = circuit.links.iter().find_map(|[a, b]| match (a, b) {
            (a, b) if (a.instance, a.port) == (last, out) => Some(b),
            (a, b) if (b.instance, b.port) == (last, out) => Some(a),
            _ => None,
        });
        match next {
            None => break,
            Some(port) if port.port != 0 || order.contains(&port.instance) => {
                return wrong("light goes from the output of one element to the input of the next");
            }
            Some(port) => order.push(port.instance),
        }
    }
    if order.len() != circuit.instances.len() {
        return wrong("all elements must stand in one chain, and nothing else in the circuit");
    }
    Ok(order)
}

/// An SLM of the chain.
pub(super) struct Modulator {
    pub kind: circuit::SlmKind,
    pub slots: Range<usize>,
    pub pixels: usize,
}

/// What a chain is made of.
pub(super) struct Elements {
    pub source: Grid,
    pub elements: Vec<Element>,
    pub modulators: Vec<Modulator>,
    /// Camera pixels of a bin; 0 without a camera.
    pub camera_pixels: usize,
    /// Padded pixels of all Fourier transforms, roughly.
    pub transformed: f64,
}

/// # Errors
/// `SETTINGS` for elements that do not fit.
pub(super) fn elements(
    circuit: &Circuit,
    order: &[usize],
    fabrication: &Fabrication<'_>,
    seed: Key,
) -> Result<Elements> {
    let Kind::FreeSpace(FreeSpace::Plane { shape, pitch_um }) = circuit.instances[order[0]].kind else {
        return Err(PluginError::settings("free space: the light starts at a `plane`"));
    };
    let source = Grid::square(shape[0], shape[1], pitch_um);
    let mut built =
        Elements { source, elements: Vec::new(), modulators: Vec::new(), camera_pixels: 0, transformed: 0.0 };
    // The plane that the light is in, as far as an element needs it.
    let mut grid = source;
    for &index in &order[1..] {
        let instance = &circuit.instances[index];
        let wrong = |m: String| PluginError::settings(format!("`{}`: {m}", instance.path));
        let Kind::FreeSpace(element) = &instance.kind else {
            return Err(wrong("it is no element of free space".into()));
        };
        let pixels = grid.pixels() as f64;
        let wl = circuit.environment.wavelengths_um[0];
        let element = match *element {
            FreeSpace::Plane { .. } => return Err(wrong("a second plane".into())),
            FreeSpace::Propagate { distance_um, method, pad } => {
                let pad_square = (pad * pad) as f64;
                built.transformed += if method == Propagation::Fraunhofer { 1.0 } else { 2.0 } * pixels * pad_square;
                if method == Propagation::Fraunhofer {
                    grid = far(grid, wl * distance_um, pad);
                }
                let method = match method {
                    Propagation::AngularSpectrum => Method::AngularSpectrum,
                    Propagation::Fresnel => Method::Fresnel,
                    Propagation::Fraunhofer => Method::Fraunhofer,
                    Propagation::Matrix => Method::Matrix,
                };
                Element::Propagate { distance_um, method, pad }
            }
            FreeSpace::Lens2f { focal_um } => {
                built.transformed += pixels;
                grid = far(grid, wl * focal_um, 1);
                Element::Lens { focal_um, misalign: shift(fabrication, index)? }
            }
            FreeSpace::Slm { shape, pitch_um, fill_factor, kind } => {
                let mine = Grid::square(shape[0], shape[1], pitch_um);
                let each = if kind == circuit::SlmKind::Complex { 2 } else { 1 };
                if instance.slots.len() != each * mine.pixels() {
                    return Err(wrong(format!("{} slots for {} pixels", instance.slots.len(), mine.pixels())));
                }
                built.modulators.push(Modulator { kind, slots: instance.slots.clone(), pixels: mine.pixels() });
                let kind = match kind {
                    circuit::SlmKind::Phase => SlmKind::Phase,
                    circuit::SlmKind::Amplitude => SlmKind::Amplitude,
                    circuit::SlmKind::Complex => SlmKind::Complex,
                };
                let zero_order = fabrication.value(Quantity::ZeroOrder, index, 0.0)?;
                let wavefront = aberration(fabrication, index, mine).map_err(wrong)?;
                Element::Slm(Slm { grid: mine, kind, fill_factor, gap: Complex64::ZERO, zero_order, wavefront })
            }
            FreeSpace::Diffuser { sigma_rad, correlation_um } => {
                let mut white = vec![0.0; grid.pixels()];
                seed.named("diffuser").with(path_key(instance)).fill_normal(0, &mut white);
                let phase = diffuser(grid, sigma_rad, correlation_um, &white).map_err(|e| wrong(e.to_string()))?;
                Element::Screen { phase }
            }
            FreeSpace::Camera { shape, bin } => {
                built.camera_pixels = bin[0] * bin[1];
                Element::Camera(Camera { misalign: shift(fabrication, index)?, ..Camera::new(shape, bin) })
            }
        };
        built.elements.push(element);
    }
    Ok(built)
}

/// The plane after a Fourier transform over a distance, `area` = wl distance.
fn far(grid: Grid, area: f64, pad: usize) -> Grid {
    let (rows, cols) = (pad * grid.rows, pad * grid.cols);
    let pitch_um = [area / (rows as f64 * grid.pitch_um[0]), area / (cols as f64 * grid.pitch_um[1])];
    Grid { rows, cols, pitch_um }
}

fn shift(fabrication: &Fabrication<'_>, index: usize) -> Result<Shift> {
    let shift = fabrication.values(Quantity::Misalign, index, &[0.0; 2])?;
    Ok(Shift { x_um: shift[0], y_um: shift[1] })
}

fn aberration(fabrication: &Fabrication<'_>, index: usize, grid: Grid) -> Result<Vec<f64>, String> {
    if !fabrication.sets(Quantity::Zernike, index) {
        return Ok(Vec::new());
    }
    let count = blackbeam_freespace::MAX_NOLL + 1;
    let terms = fabrication.values(Quantity::Zernike, index, &vec![0.0; count]).map_err(|e| e.message.to_string())?;
    let terms: Vec<(usize, f64)> = terms.into_iter().enumerate().filter(|(_, c)| *c != 0.0).collect();
    wavefront(grid, &terms).map_err(|e| e.to_string())
}
