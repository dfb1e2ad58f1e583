//! Where the cells of a mesh stand.

use crate::{Error, Result};

/// Most modes of a mesh.
pub const MAX_MODES: usize = 4096;
/// Most cells of a mesh: those of the largest Clements mesh.
pub const MAX_CELLS: usize = MAX_MODES * (MAX_MODES - 1) / 2;

/// How the cells of a mesh are arranged. In the pictures light goes from left to right along the modes, and ┬ over ┴
/// is a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arrangement {
    /// Rectangular (Clements et al., Optica 3, 1460, 2016). n layers; layer l couples (m, m + 1) for m = l mod 2,
    /// l mod 2 + 2, ... Any unitary.
    ///
    /// ```text
    ///   layer  0   1   2   3
    /// 0 ───────┬───────┬───────
    /// 1 ───────┴───┬───┴───┬───      n = 4: (0,1) (2,3) | (1,2) | (0,1) (2,3) | (1,2)
    /// 2 ───────┬───┴───┬───┴───
    /// 3 ───────┴───────┴───────
    /// ```
    Clements,
    /// Triangular (Reck et al., Phys. Rev. Lett. 73, 58, 1994), with the long side on mode 0: (m, m + 1) is coupled in the
    /// n - 1 - m layers m, m + 2, .., 2n - 4 - m. 2n - 3 layers. Any unitary.
    ///
    /// ```text
    ///   layer  0   1   2   3   4
    /// 0 ───────┬───────┬───────┬───
    /// 1 ───────┴───┬───┴───┬───┴───  n = 4: (0,1) | (1,2) | (0,1) (2,3) | (1,2) | (0,1)
    /// 2 ───────────┴───┬───┴───────
    /// 3 ───────────────┴───────────
    /// ```
    Reck,
    /// Reck upside down, the long side on mode n - 1: (m, m + 1) is coupled in m + 1 layers. Any unitary. (Left and right
    /// are alike in both triangles: light from the other side meets the same layout, with transposed cells.)
    ///
    /// ```text
    ///   layer  0   1   2   3   4
    /// 0 ───────────────┬───────────
    /// 1 ───────────┬───┴───┬───────  n = 4: (2,3) | (1,2) | (0,1) (2,3) | (1,2) | (2,3)
    /// 2 ───────┬───┴───┬───┴───┬───
    /// 3 ───────┴───────┴───────┴───
    /// ```
    Triangular,
    /// The graph of the fast Fourier transform (decimation in frequency): n a power of two, log2 n layers of n / 2 cells.
    /// Layer l couples (m, m + s), s = n / 2^(l + 1), for every m whose bit s is 0. Each output depends on each input over
    /// one path; not every unitary.
    ///
    /// ```text
    ///   layer  0       1
    /// 0 ───────┬───────┬───
    /// 1 ───────│─┬─────┴───          n = 4: (0,2) (1,3) | (0,1) (2,3)
    /// 2 ───────┴─│─────┬───
    /// 3 ─────────┴─────┴───
    /// ```
    Butterfly,
    /// Clements with more layers than n (at least n): more paths around cells that are not ideal. Any unitary.
    Redundant,
}

/// A cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Site {
    /// Layer, from the inputs.
    pub layer: usize,
    /// Index within the layer.
    pub row: usize,
    /// The modes that it couples, the lower first. The lower one is its arm 0.
    pub modes: (usize, usize),
}

/// Extent of a mesh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Number of layers.
    pub layers: usize,
    /// Number of cells.
    pub cells: usize,
}

/// Number of layers and cells of the mesh that [`layout()`] would return, at no cost. `layers` belongs to
/// [`Arrangement::Redundant`]; elsewhere it may repeat the number that follows from n.
///
/// # Errors
/// As [`layout()`].
pub fn size(arrangement: Arrangement, n: usize, layers: Option<usize>) -> Result<Size> {
    let error = |text: String| Err(Error::Layout(text));
    if n == 0 || n > MAX_MODES {
        return error(format!("a mesh has 1 to {MAX_MODES} modes, not {n}"));
    }
    let natural = match arrangement {
        Arrangement::Clements => n,
        Arrangement::Reck | Arrangement::Triangular => (2 * n).saturating_sub(3),
        Arrangement::Butterfly if n.is_power_of_two() => n.ilog2() as usize,
        Arrangement::Butterfly => {
            let (below, above) = (1 << n.ilog2(), n.next_power_of_two());
            return error(format!("a butterfly mesh has a power of two of modes, not {n}: take {below} or {above}"));
        }
        Arrangement::Redundant => match layers {
            None => return error("a redundant mesh needs `layers`, its number of layers".into()),
            Some(layers) if layers < n => {
                return error(format!("a redundant mesh of {n} modes has at least {n} layers, not {layers}"));
            }
            Some(layers) => layers,
        },
    };
    if let Some(layers) = layers.filter(|&layers| layers != natural) {
        return error(format!(
            "this mesh of {n} modes has {natural} layers, not {layers}: `layers` is for redundant meshes"
        ));
    }
    let cells = match arrangement {
        // Even layers have n / 2 cells (rounded down), odd ones (n - 1) / 2.
        Arrangement::Redundant => {
            natural.div_ceil(2).saturating_mul(n / 2).saturating_add((natural / 2).saturating_mul((n - 1) / 2))
        }
        Arrangement::Butterfly => natural * (n / 2),
        _ => n * (n - 1) / 2,
    };
    // A mesh of one mode has no cell however many layers it has: they are bounded too.
    if cells > MAX_CELLS || natural > MAX_CELLS {
        return error(format!("a mesh has at most {MAX_CELLS} cells; {natural} layers of {n} modes are more"));
    }
    Ok(Size { layers: natural, cells })
}

/// The cells of a mesh in the order of their parameters: layer by layer from the inputs, within a layer by their lower
/// mode. This is also an order in which light can meet them. Linear in the number of cells.
///
/// # Errors
/// n is 0 or above [`MAX_MODES`], the cells are more than [`MAX_CELLS`], n is not a power of two (butterfly), `layers` is
/// missing or below n (redundant) or contradicts the arrangement (the others).
pub fn layout(arrangement: Arrangement, n: usize, layers: Option<usize>) -> Result<Vec<Site>> {
    let size = size(arrangement, n, layers)?;
    let mut sites = Vec::with_capacity(size.cells);
    for layer in 0..size.layers {
        // Cells (m, m + 1) of a triangle: how far down its layer reaches.
        let depth = layer.min((2 * n).saturating_sub(4 + layer));
        match arrangement {
            Arrangement::Clements | Arrangement::Redundant => {
                push(&mut sites, layer, (layer % 2..n - 1).step_by(2), 1);
            }
            Arrangement::Reck => push(&mut sites, layer, (layer % 2..=depth).step_by(2), 1),
            Arrangement::Triangular => push(&mut sites, layer, (n - 2 - depth..n - 1).step_by(2), 1),
            Arrangement::Butterfly => {
                let stride = n >> (layer + 1);
                push(&mut sites, layer, (0..n).filter(|m| m & stride == 0), stride);
            }
        }
    }
    Ok(sites)
}

fn push(sites: &mut Vec<Site>, layer: usize, modes: impl Iterator<Item = usize>, stride: usize) {
    sites.extend(modes.enumerate().map(|(row, m)| Site { layer, row, modes: (m, m + stride) }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use Arrangement::*;

    /// Layers of mode pairs.
    fn drawn(arrangement: Arrangement, n: usize, layers: Option<usize>) -> Vec<Vec<(usize, usize)>> {
        let mut drawn = vec![vec![]; size(arrangement, n, layers).unwrap().layers];
        for site in layout(arrangement, n, layers).unwrap() {
            assert_eq!(site.row, drawn[site.layer].len());
            drawn[site.layer].push(site.modes);
        }
        drawn
    }

    #[test]
    fn as_drawn_by_hand() {
        let pairs = |layers: &[&[usize]]| -> Vec<Vec<(usize, usize)>> {
            layers.iter().map(|layer| layer.iter().map(|&m| (m, m + 1)).collect()).collect()
        };
        assert_eq!(drawn(Clements, 4, None), pairs(&[&[0, 2], &[1], &[0, 2], &[1]]));
        assert_eq!(drawn(Clements, 5, Some(5)), pairs(&[&[0, 2], &[1, 3], &[0, 2], &[1, 3], &[0, 2]]));
        assert_eq!(drawn(Reck, 4, None), pairs(&[&[0], &[1], &[0, 2], &[1], &[0]]));
        assert_eq!(drawn(Reck, 5, None), pairs(&[&[0], &[1], &[0, 2], &[1, 3], &[0, 2], &[1], &[0]]));
        assert_eq!(drawn(Triangular, 4, None), pairs(&[&[2], &[1], &[0, 2], &[1], &[2]]));
        assert_eq!(drawn(Triangular, 5, None), pairs(&[&[3], &[2], &[1, 3], &[0, 2], &[1, 3], &[2], &[3]]));
        assert_eq!(drawn(Redundant, 3, Some(5)), pairs(&[&[0], &[1], &[0], &[1], &[0]]));
        assert_eq!(
            drawn(Butterfly, 8, None),
            [[(0, 4), (1, 5), (2, 6), (3, 7)], [(0, 2), (1, 3), (4, 6), (5, 7)], [(0, 1), (2, 3), (4, 5), (6, 7)]]
        );
    }

    #[test]
    fn counts() {
        for n in 1..40 {
            for arrangement in [Clements, Reck, Triangular] {
                assert_eq!(layout(arrangement, n, None).unwrap().len(), n * (n - 1) / 2, "{arrangement:?} {n}");
            }
            for layers in n..n + 4 {
                let size = size(Redundant, n, Some(layers)).unwrap();
                assert_eq!(layout(Redundant, n, Some(layers)).unwrap().len(), size.cells);
            }
        }
        for (log, n) in [1, 2, 4, 8, 16].into_iter().enumerate() {
            assert_eq!(layout(Butterfly, n, None).unwrap().len(), log * n / 2);
        }
        let large = layout(Clements, 1024, None).unwrap();
        assert_eq!(large.len(), 1024 * 1023 / 2);
    }

    #[test]
    fn what_is_refused() {
        let refused = |arrangement, n, layers, part: &str| {
            let error = layout(arrangement, n, layers).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        };
        refused(Clements, 0, None, "1 to 4096 modes, not 0");
        refused(Reck, 2_000_000_000, None, "not 2000000000");
        refused(Butterfly, 12, None, "take 8 or 16");
        refused(Redundant, 8, None, "needs `layers`");
        refused(Redundant, 8, Some(7), "at least 8 layers");
        refused(Redundant, 8, Some(usize::MAX), "at most");
        refused(Redundant, 1, Some(usize::MAX), "at most");
        refused(Clements, 8, Some(9), "has 8 layers");
        assert!(layout(Clements, 1, None).unwrap().is_empty() && layout(Butterfly, 1, None).unwrap().is_empty());
    }
}
