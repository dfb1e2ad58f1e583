//! Parameter sets: the points in parameter space at which a method wants the device queried.

use crate::{Code, Key, PluginError, Result};
use abi_stable::{StableAbi, std_types::RVec};

/// The vector that a parameter set starts from.
#[repr(u8)]
#[derive(StableAbi, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Base {
    /// The parameters asked of the device now.
    #[default]
    Current = 0,
    /// The parameters asked of it before the last update.
    Previous = 1,
}

/// How the other fields of a [`ParameterSet`] are to be read.
#[repr(u8)]
#[derive(StableAbi, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// The base itself.
    Base = 0,
    /// `values` are all parameters; the base is not used.
    Dense = 1,
    /// `values[i]` is added to parameter `indices[i]` of the base.
    Sparse = 2,
    /// `values` are added to the parameters from `offset` on.
    Block = 3,
    /// `scale * u(key)` is added to all parameters.
    Keyed = 4,
}

/// Distribution of the direction u of a keyed set.
#[repr(u8)]
#[derive(StableAbi, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Direction {
    /// Independent standard normal elements.
    #[default]
    Normal = 0,
    /// Independent signs.
    Rademacher = 1,
}

impl Direction {
    /// Element `index` of the direction named by `key`.
    pub fn element(self, key: Key, index: u64) -> f64 {
        match self {
            Direction::Normal => key.normal(index),
            Direction::Rademacher => key.sign(index),
        }
    }

    /// Adds `scale` times the direction named by `key` to `out`.
    pub fn add(self, key: Key, scale: f64, out: &mut [f64]) {
        match self {
            Direction::Normal => key.add_normal(0, scale, out),
            Direction::Rademacher => key.add_sign(scale, out),
        }
    }
}

/// One configuration of a device's parameters, in one of the forms of [`Form`]. Values are in the units of the
/// descriptor. The host clamps what is out of range and expands what a device cannot take.
#[repr(C)]
#[derive(StableAbi, Clone, Debug, PartialEq)]
pub struct ParameterSet {
    /// How the other fields are to be read.
    pub form: Form,
    /// What the set starts from.
    pub base: Base,
    /// Distribution of a keyed direction.
    pub direction: Direction,
    /// First parameter of a block.
    pub offset: usize,
    /// Parameters of a sparse set.
    pub indices: RVec<u32>,
    /// Values (dense) or differences to the base (sparse, block).
    pub values: RVec<f64>,
    /// Names the direction of a keyed set.
    pub key: Key,
    /// Length of the step along a keyed direction.
    pub scale: f64,
}

impl ParameterSet {
    fn of(form: Form, base: Base) -> Self {
        ParameterSet {
            form,
            base,
            direction: Direction::Normal,
            offset: 0,
            indices: RVec::new(),
            values: RVec::new(),
            key: Key::default(),
            scale: 0.0,
        }
    }

    /// The base as it is.
    pub fn base(base: Base) -> Self {
        Self::of(Form::Base, base)
    }

    /// All parameters, given.
    pub fn dense(values: Vec<f64>) -> Self {
        ParameterSet { values: values.into(), ..Self::of(Form::Dense, Base::Current) }
    }

    /// The base with `differences[i]` added to parameter `indices[i]`.
    pub fn sparse(base: Base, indices: Vec<u32>, differences: Vec<f64>) -> Self {
        ParameterSet { indices: indices.into(), values: differences.into(), ..Self::of(Form::Sparse, base) }
    }

    /// The base with `differences` added from parameter `offset` on.
    pub fn block(base: Base, offset: usize, differences: Vec<f64>) -> Self {
        ParameterSet { offset, values: differences.into(), ..Self::of(Form::Block, base) }
    }

    /// The base plus `scale` times the direction named by `key`.
    pub fn keyed(base: Base, direction: Direction, key: Key, scale: f64) -> Self {
        ParameterSet { direction, key, scale, ..Self::of(Form::Keyed, base) }
    }

    /// Writes the parameters of this set to `out`, which holds the base on entry. Nothing is clamped.
    ///
    /// # Errors
    /// `SHAPE` if an index or a length does not fit `out`.
    pub fn expand(&self, out: &mut [f64]) -> Result<()> {
        let n = out.len();
        match self.form {
            Form::Base => {}
            Form::Dense => {
                if self.values.len() != n {
                    return Err(shape(format!("a dense set of {} values for {n} parameters", self.values.len())));
                }
                out.copy_from_slice(&self.values);
            }
            Form::Sparse => {
                if self.indices.len() != self.values.len() {
                    return Err(shape(format!("{} indices for {} values", self.indices.len(), self.values.len())));
                }
                for (&i, &v) in self.indices.iter().zip(self.values.iter()) {
                    *out.get_mut(i as usize).ok_or_else(|| shape(format!("index {i} of {n} parameters")))? += v;
                }
            }
            Form::Block => {
                let end = self.offset.checked_add(self.values.len()).filter(|&end| end <= n);
                let end = end.ok_or_else(|| {
                    shape(format!("a block of {} values at {} of {n} parameters", self.values.len(), self.offset))
                })?;
                for (o, v) in out[self.offset..end].iter_mut().zip(self.values.iter()) {
                    *o += v;
                }
            }
            Form::Keyed => self.direction.add(self.key, self.scale, out),
        }
        Ok(())
    }
}

fn shape(message: String) -> PluginError {
    PluginError::new(Code::SHAPE, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_expand_to_the_same_point() {
        let base = [1.0, 2.0, 3.0];
        let expand = |set: ParameterSet| {
            let mut out = base;
            set.expand(&mut out).map(|()| out)
        };
        assert_eq!(expand(ParameterSet::base(Base::Current)).unwrap(), base);
        assert_eq!(expand(ParameterSet::dense(vec![0.0; 3])).unwrap(), [0.0; 3]);
        let moved = [1.0, 2.5, 2.0];
        assert_eq!(expand(ParameterSet::sparse(Base::Current, vec![2, 1], vec![-1.0, 0.5])).unwrap(), moved);
        assert_eq!(expand(ParameterSet::block(Base::Current, 1, vec![0.5, -1.0])).unwrap(), moved);
        let key = Key::new(1);
        let keyed = expand(ParameterSet::keyed(Base::Current, Direction::Normal, key, 0.1)).unwrap();
        for i in 0..3 {
            assert_eq!(keyed[i], base[i] + 0.1 * key.normal(i as u64));
        }
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let mut out = [0.0; 3];
        for set in [
            ParameterSet::dense(vec![0.0; 2]),
            ParameterSet::sparse(Base::Current, vec![3], vec![1.0]),
            ParameterSet::sparse(Base::Current, vec![1, 2], vec![1.0]),
            ParameterSet::block(Base::Current, 2, vec![1.0, 1.0]),
            ParameterSet::block(Base::Current, usize::MAX, vec![1.0, 1.0]),
        ] {
            assert_eq!(set.expand(&mut out).unwrap_err().code, Code::SHAPE);
        }
    }
}
