//! Free space: whether the planes along the light fit each other.

use super::Check;
use crate::circuit::{FreeSpace, Kind, Propagation};
use blackbeam_schematic::Flat;
use blackbeam_source::Diagnostic;
use std::collections::HashMap;

/// A sampled plane.
#[derive(Clone, Copy)]
struct Plane {
    shape: [usize; 2],
    /// Known until a far field changes it.
    pitch_um: Option<f64>,
}

impl Check {
    /// Follows the light from every source plane: modulators have its pixels, cameras at most as many.
    pub(super) fn planes(&mut self, flat: &Flat, kinds: &[Kind]) {
        let mut partner = HashMap::new();
        for link in &flat.links {
            partner.insert(link.a, link.b);
            partner.insert(link.b, link.a);
        }
        for (source, kind) in kinds.iter().enumerate() {
            let Kind::FreeSpace(FreeSpace::Plane { shape, pitch_um }) = kind else { continue };
            let mut plane = Plane { shape: *shape, pitch_um: Some(*pitch_um) };
            let mut at = source;
            // no element of free space has more than one way on, so that it ends after all of them
            for _ in 0..kinds.len() {
                let Some((next, 0)) = partner.get(&(at, 1)).copied() else { break };
                let Kind::FreeSpace(element) = &kinds[next] else { break };
                self.meet(flat, next, element, &mut plane);
                at = next;
            }
        }
    }

    /// A plane of light meets an element.
    fn meet(&mut self, flat: &Flat, leaf: usize, element: &FreeSpace, plane: &mut Plane) {
        let owner = &flat.owners[flat.leaves[leaf].owner];
        let [rows, columns] = plane.shape;
        match element {
            FreeSpace::Propagate { method: Propagation::Fraunhofer, .. } | FreeSpace::Lens2f { .. } => {
                plane.pitch_um = None;
            }
            FreeSpace::Slm { shape, pitch_um, .. } => {
                if *shape != plane.shape {
                    let [r, c] = shape;
                    let message = format!("`{owner}` has {r} x {c} pixels, the light that comes {rows} x {columns}");
                    let error = Diagnostic::error("plane", message).at(owner.span);
                    self.found.push(error.help("give the plane and the modulators the same `shape`"));
                } else if let Some(pitch) = plane.pitch_um.filter(|pitch| (pitch / pitch_um - 1.0).abs() > 1e-9) {
                    let message = format!("`{owner}` has a pitch of {pitch_um} um, the light that comes {pitch} um");
                    self.found.push(Diagnostic::error("plane", message).at(owner.span));
                }
            }
            FreeSpace::Camera { shape, bin } => {
                let needed = [shape[0] * bin[0], shape[1] * bin[1]];
                let [r, c] = needed;
                if r > rows || c > columns {
                    let message =
                        format!("`{owner}` sees {r} x {c} pixels, the light that comes has {rows} x {columns}");
                    let error = Diagnostic::error("plane", message).at(owner.span);
                    self.found.push(error.help("`shape` is the number of bins, `bin` the pixels of each"));
                } else if needed != plane.shape {
                    let message =
                        format!("`{owner}` sees {r} x {c} of {rows} x {columns} pixels; the others are dropped");
                    self.found.push(Diagnostic::warning("dropped-pixels", message).at(owner.span));
                }
            }
            FreeSpace::Plane { .. } | FreeSpace::Propagate { .. } | FreeSpace::Diffuser { .. } => {}
        }
    }
}
