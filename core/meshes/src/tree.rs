//! Trees of 1x2 splitters.

use crate::{Error, Result};

/// Most outputs of a splitter tree.
pub const MAX_OUTPUTS: usize = 1 << 16;

/// Where the light of a splitter or of an output comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The input of the tree, `in0`.
    Input,
    /// An output of a splitter: `out0` or `out1`.
    Splitter {
        /// Index of the splitter.
        index: usize,
        /// 0 or 1.
        port: usize,
    },
}

/// A 1x2 splitter with ports `in0`, `out0`, `out1`.
#[derive(Clone, Debug, PartialEq)]
pub struct Splitter {
    /// `s<layer.row>`.
    pub name: String,
    /// What feeds its `in0`.
    pub source: Source,
    /// Number of outputs of the tree behind `out0` and behind `out1`.
    pub leaves: [usize; 2],
    /// Part of the power that must go to `out0` so that all outputs of the tree are alike: leaves\[0\] / (leaves\[0\] +
    /// leaves\[1\]).
    pub share: f64,
}

/// A tree of 1x2 splitters with ports `in0` and `out0` .. `out<outputs - 1>`, as flat as can be.
#[derive(Clone, Debug, PartialEq)]
pub struct SplitterTree {
    /// Layer by layer from the input, from above: one fewer than outputs.
    pub splitters: Vec<Splitter>,
    /// What feeds each output.
    pub outputs: Vec<Source>,
}

/// A binary tree with any number of outputs.
///
/// ```text
///                      ┌── out0
///            ┌── s<1.0>┤              5 outputs: `out0` of a splitter leads to half of them, the
///            │         │   ┌── out1   larger half if their number is odd
///  in0 ─ s<0.0>        └───┤ ..
///            │         ┌── out3
///            └── s<1.1>┤
///                      └── out4
/// ```
///
/// With a power of two of outputs every splitter is 50:50 (`share` is 1/2) and every output has 1 / outputs of the power. With
/// any other number the two sides of some splitters lead to k and k - 1 outputs: with `share` as given the outputs are still
/// alike, with 50:50 splitters those that are one splitter deeper have half the power of the others.
///
/// # Errors
/// No outputs, or more than [`MAX_OUTPUTS`].
pub fn splitter_tree(outputs: usize) -> Result<SplitterTree> {
    if outputs == 0 || outputs > MAX_OUTPUTS {
        return Err(Error::Layout(format!("a splitter tree has 1 to {MAX_OUTPUTS} outputs, not {outputs}")));
    }
    let mut tree = SplitterTree { splitters: vec![], outputs: vec![Source::Input; outputs] };
    // Branches of a layer: where the light comes from, first output, number of outputs.
    let mut branches = vec![(Source::Input, 0, outputs)];
    for layer in 0.. {
        let (mut next, mut row) = (vec![], 0);
        for (source, first, count) in branches {
            if count == 1 {
                tree.outputs[first] = source;
                continue;
            }
            let leaves = [count.div_ceil(2), count / 2];
            let index = tree.splitters.len();
            let share = leaves[0] as f64 / count as f64;
            tree.splitters.push(Splitter { name: format!("s<{layer}.{row}>"), source, leaves, share });
            row += 1;
            next.push((Source::Splitter { index, port: 0 }, first, leaves[0]));
            next.push((Source::Splitter { index, port: 1 }, first + leaves[0], leaves[1]));
        }
        if next.is_empty() {
            break;
        }
        branches = next;
    }
    Ok(tree)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Power at each output.
    fn powers(tree: &SplitterTree, share: impl Fn(&Splitter) -> f64) -> Vec<f64> {
        let mut behind: Vec<[f64; 2]> = vec![];
        let of = |source, behind: &[[f64; 2]]| match source {
            Source::Input => 1.0,
            Source::Splitter { index, port } => behind[index][port],
        };
        for splitter in &tree.splitters {
            let (power, share) = (of(splitter.source, &behind), share(splitter));
            behind.push([power * share, power * (1.0 - share)]);
        }
        tree.outputs.iter().map(|&source| of(source, &behind)).collect()
    }

    #[test]
    fn any_number_of_outputs() {
        for outputs in (1..70).chain([1000]) {
            let tree = splitter_tree(outputs).unwrap();
            assert_eq!((tree.splitters.len(), tree.outputs.len()), (outputs - 1, outputs));
            assert!(powers(&tree, |s| s.share).iter().all(|p| (p * outputs as f64 - 1.0).abs() < 1e-14));
            let even = powers(&tree, |_| 0.5);
            let deepest = 0.5f64.powi(outputs.next_power_of_two().ilog2() as i32);
            assert!(even.iter().all(|&p| p == deepest || p == 2.0 * deepest));
            assert_eq!(even.iter().sum::<f64>(), 1.0);
            assert_eq!(outputs.is_power_of_two(), even.iter().all(|&p| p == deepest));
            // each output of a splitter feeds exactly one thing
            let mut used: Vec<Source> = tree.splitters.iter().map(|s| s.source).chain(tree.outputs.clone()).collect();
            used.retain(|source| *source != Source::Input);
            used.sort_by_key(|source| match source {
                Source::Splitter { index, port } => (*index, *port),
                Source::Input => (usize::MAX, 0),
            });
            let every = (0..outputs - 1).flat_map(|index| [0, 1].map(|port| Source::Splitter { index, port }));
            assert!(used.into_iter().eq(every));
        }
    }

    #[test]
    fn four_outputs() {
        let tree = splitter_tree(4).unwrap();
        let names: Vec<&str> = tree.splitters.iter().map(|s| s.name.as_str()).collect();
        assert_eq!(names, ["s<0.0>", "s<1.0>", "s<1.1>"]);
        assert_eq!(tree.splitters[2].source, Source::Splitter { index: 0, port: 1 });
        assert_eq!(tree.outputs[1], Source::Splitter { index: 1, port: 1 });
        assert_eq!(splitter_tree(1).unwrap().outputs, [Source::Input]);
        assert!(splitter_tree(0).is_err() && splitter_tree(usize::MAX).is_err());
    }
}
