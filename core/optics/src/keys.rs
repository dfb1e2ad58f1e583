//! The three scopes of randomness, and the places it is keyed by.
//!
//! - *device*: drawn once, keyed by (seed, source, place): fabrication, initial values, rates of drift.
//! - *write*: drawn per logical configuration, keyed by (seed, source, identity of the call that wrote it, place).
//! - *vector*: drawn per logical input vector, keyed by (seed, source, identity of the query, global row, element).
//!
//! The identity of a call is (stream, step, purpose, round, set). Neither its time nor its first row is part of it, so a
//! call that is retried, split or regrouped draws the same numbers. A place is the path of an instance and a number within
//! it, never a position in the file, so the order of instances does not matter.

use blackbeam_netlist::circuit::{Circuit, Instance, Number};
use blackbeam_plugin::{Call, Key};

/// Places of the slots of sub-circuits are counted from here, backwards from the instance that follows them.
const ABOVE: u64 = 1 << 32;

/// Key of one source for one logical call.
pub(crate) fn call_key(source: Key, call: &Call) -> Key {
    let place = u64::from(call.round) << 32 | u64::from(call.set);
    source.with(call.stream).with(call.step).with(call.purpose as u64).with(place)
}

/// True if two calls have the same identity.
pub(crate) fn same_call(a: &Call, b: &Call) -> bool {
    (a.stream, a.step, a.purpose, a.round, a.set) == (b.stream, b.step, b.purpose, b.round, b.set)
}

/// Element `element` of the numbers drawn from a distribution.
pub(crate) fn draw(number: Number, key: Key, element: u64) -> f64 {
    match number {
        Number::Fixed(value) => value,
        Number::Normal(mean, std) => mean + std * key.normal(element),
        Number::Uniform(low, high) => low + (high - low) * key.uniform(element),
        Number::Lognormal(median, sigma) => median * (sigma * key.normal(element)).exp(),
    }
}

/// Where a random number belongs: a key that stands for the path of an instance, and an element under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub path: u64,
    pub element: u64,
}

/// Places of all slots of a circuit.
pub(crate) struct Places {
    /// First slot after those of an instance, first slot of the instance, key of its path; in the order of slots.
    instances: Vec<(usize, usize, u64)>,
}

/// Number that stands for the path of an instance.
pub(crate) fn path_key(instance: &Instance) -> u64 {
    Key::new(0).named(&instance.path).seed
}

impl Places {
    pub fn new(circuit: &Circuit) -> Self {
        let with_slots = circuit.instances.iter().filter(|i| !i.slots.is_empty());
        let mut instances: Vec<_> = with_slots.map(|i| (i.slots.end, i.slots.start, path_key(i))).collect();
        instances.sort_unstable();
        Places { instances }
    }

    /// The place of a slot. A slot of a sub-circuit stands before the first instance inside it and is named after that.
    pub fn of(&self, slot: usize) -> Place {
        match self.instances.get(self.instances.partition_point(|i| i.0 <= slot)) {
            Some(&(_, start, path)) if start <= slot => Place { path, element: (slot - start) as u64 },
            Some(&(_, start, path)) => Place { path, element: ABOVE + (start - slot) as u64 },
            None => Place { path: 0, element: slot as u64 },
        }
    }
}

/// One source of randomness, asked for place after place.
pub(crate) struct Source {
    key: Key,
    /// The path asked for last, with its key.
    last: Option<(u64, Key)>,
}

impl Source {
    pub fn new(key: Key) -> Self {
        Source { key, last: None }
    }

    /// Key of a path.
    pub fn at(&mut self, path: u64) -> Key {
        match self.last {
            Some((known, key)) if known == path => key,
            _ => self.last.insert((path, self.key.with(path))).1,
        }
    }

    pub fn draw(&mut self, number: Number, place: Place) -> f64 {
        draw(number, self.at(place.path), place.element)
    }
}

/// Neighbours: places of one path whose elements follow each other. (First, number of them.)
pub(crate) fn runs(places: &[Place]) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (i, place) in places.iter().enumerate() {
        match runs.last_mut() {
            Some((first, len))
                if places[*first].path == place.path && places[*first].element + *len as u64 == place.element =>
            {
                *len += 1;
            }
            _ => runs.push((i, 1)),
        }
    }
    runs
}

/// The numbers of many places: as [`Source::draw`] one by one, but faster for neighbours.
pub(crate) fn draw_all(number: Number, key: Key, places: &[Place]) -> Vec<f64> {
    let mut values = vec![0.0; places.len()];
    let mut source = Source::new(key);
    if let Number::Fixed(value) = number {
        values.fill(value);
        return values;
    }
    for (first, len) in runs(places) {
        let (key, element) = (source.at(places[first].path), places[first].element);
        let values = &mut values[first..first + len];
        match number {
            Number::Normal(mean, std) => {
                key.fill_normal(element, values);
                values.iter_mut().for_each(|v| *v = mean + std * *v);
            }
            Number::Lognormal(median, sigma) => {
                key.fill_normal(element, values);
                values.iter_mut().for_each(|v| *v = median * (sigma * *v).exp());
            }
            _ => values.iter_mut().zip(element..).for_each(|(v, element)| *v = draw(number, key, element)),
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_are_drawn_as_one() {
        let places: Vec<Place> = [(1, 0), (1, 1), (1, 2), (2, 3), (1, 3), (1, 4), (1, 4), (1, 9), (1, 10)]
            .map(|(path, element)| Place { path, element })
            .into();
        assert_eq!(runs(&places), [(0, 3), (3, 1), (4, 2), (6, 1), (7, 2)]);
        for number in
            [Number::Fixed(2.0), Number::Normal(1.0, 0.5), Number::Uniform(-1.0, 3.0), Number::Lognormal(2.0, 0.1)]
        {
            let mut source = Source::new(Key::new(5));
            let one: Vec<f64> = places.iter().map(|&p| source.draw(number, p)).collect();
            assert_eq!(draw_all(number, Key::new(5), &places), one);
        }
    }
}
