//! Where parameters stand: names, places on a grid, order.

use crate::circuit::Names;
use crate::file::Axis;
use crate::scene::Scene;
use blackbeam_schematic::Index;
use std::collections::HashMap;

/// Paths of slots, `U.theta<3.1>`. Slots of one instance share the work for its path.
pub(super) fn slot_names(scene: &Scene, slots: &[usize]) -> Names {
    let mut range = 0..0;
    let mut prefix = String::new();
    let mut names = Names::default();
    for slot in slots {
        if !range.contains(slot) {
            let owner = &scene.flat.owners[scene.flat.owner_of(*slot)];
            range = owner.slots.clone();
            prefix = if owner.path.is_empty() { String::new() } else { format!("{owner}.") };
        }
        let slot = &scene.flat.slots[*slot];
        names.push_with(|text| {
            text.push_str(&prefix);
            text.push_str(&slot.name);
            push_index(text, slot.index);
        });
    }
    names
}

/// `<3>` or `<0.1>`, or nothing.
fn push_index(text: &mut String, index: Index) {
    let (first, second) = match index {
        Index::None => return,
        Index::Line(k) => (k, None),
        Index::Grid(a, b) => (a, Some(b)),
    };
    text.push('<');
    push_number(text, first);
    if let Some(second) = second {
        text.push('.');
        push_number(text, second);
    }
    text.push('>');
}

/// Decimal digits; formatting them takes several times as long.
fn push_number(text: &mut String, mut n: u32) {
    let mut digits = [b'0'; 10];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            break;
        }
    }
    text.extend(digits[first..].iter().map(|d| char::from(*d)));
}

/// Places of slots on a grid.
pub(super) struct Grid {
    /// (row, column) of each.
    pub(super) places: Vec<[u32; 2]>,
    /// Rows are separate instances.
    pub(super) rows_apart: bool,
    /// There are arrays, or instances of different names, by which the places differ.
    pub(super) has_arrays: bool,
}

/// Coordinates of a slot along its path: names, and rows and columns in arrays from the outermost one in.
struct Coordinates {
    names: Vec<std::sync::Arc<str>>,
    /// Depth in the path, row, column.
    arrays: Vec<(usize, u32, u32)>,
}

fn coordinates(scene: &Scene, slot: usize) -> Coordinates {
    let owner = &scene.flat.owners[scene.flat.owner_of(slot)];
    let mut arrays = Vec::new();
    for (depth, part) in owner.path.iter().enumerate() {
        match part.index {
            Index::None => {}
            Index::Line(k) => arrays.push((depth, 0, k)),
            Index::Grid(column, row) => arrays.push((depth, row, column)),
        }
    }
    match scene.flat.slots[slot].index {
        Index::None => {}
        Index::Line(k) => arrays.push((owner.path.len(), 0, k)),
        // within a generator the row comes first
        Index::Grid(row, column) => arrays.push((owner.path.len(), row, column)),
    }
    Coordinates { names: owner.path.iter().map(|part| part.name.clone()).collect(), arrays }
}

/// Where slots stand. Rows are told apart by the rows of all arrays around them (and by the names of instances), columns by
/// the columns. Without columns all stand in one line.
pub(super) fn grid(scene: &Scene, slots: &[usize]) -> Grid {
    let all: Vec<Coordinates> = slots.iter().map(|slot| coordinates(scene, *slot)).collect();
    let line =
        |has_arrays| Grid { places: (0..slots.len() as u32).map(|k| [0, k]).collect(), rows_apart: false, has_arrays };
    let Some(first) = all.first() else { return line(false) };
    let depths = |c: &Coordinates| c.arrays.iter().map(|(depth, ..)| *depth).collect::<Vec<_>>();
    if all.iter().any(|c| depths(c) != depths(first)) {
        return line(false);
    }
    let varies = |pick: &dyn Fn(&(usize, u32, u32)) -> u32| -> Vec<usize> {
        (0..first.arrays.len()).filter(|k| all.iter().any(|c| pick(&c.arrays[*k]) != pick(&first.arrays[*k]))).collect()
    };
    let (rows, columns) = (varies(&|a| a.1), varies(&|a| a.2));
    let by_name = all.iter().any(|c| c.names != first.names);
    if columns.is_empty() && (by_name || rows.is_empty()) {
        return line(!rows.is_empty() || by_name);
    }
    let mut name_ids: HashMap<&[std::sync::Arc<str>], u32> = HashMap::new();
    let keys: Vec<(Vec<u32>, Vec<u32>)> = all
        .iter()
        .map(|c| {
            let next = name_ids.len() as u32;
            let mut row = vec![*name_ids.entry(&c.names).or_insert(next)];
            row.extend(rows.iter().map(|k| c.arrays[*k].1));
            (row, columns.iter().map(|k| c.arrays[*k].2).collect())
        })
        .collect();
    // a single coordinate keeps its value, so that gaps stay gaps; several are ranked
    let row_place = ranks(keys.iter().map(|(row, _)| &row[..]), rows.len() == 1 && !by_name, 1);
    let column_place = ranks(keys.iter().map(|(_, column)| &column[..]), columns.len() == 1, 0);
    let outermost_row = if by_name { Some(0) } else { rows.first().map(|k| first.arrays[*k].0 + 1) };
    let innermost_column = columns.last().map(|k| first.arrays[*k].0 + 1);
    Grid {
        places: row_place.into_iter().zip(column_place).map(|(row, column)| [row, column]).collect(),
        rows_apart: matches!((outermost_row, innermost_column), (Some(row), Some(column)) if row < column),
        has_arrays: true,
    }
}

/// Places of keys along an axis: the value at `single` of a key, or its rank among all.
fn ranks<'a>(keys: impl Iterator<Item = &'a [u32]> + Clone, is_single: bool, single: usize) -> Vec<u32> {
    if is_single {
        return keys.map(|key| key[single]).collect();
    }
    let mut sorted: Vec<&[u32]> = keys.clone().collect();
    sorted.sort_unstable();
    sorted.dedup();
    keys.map(|key| sorted.partition_point(|other| *other < key) as u32).collect()
}

/// Brings slots and their places into an order.
pub(super) fn sort(slots: &mut Vec<usize>, grid: &mut Grid, order: &[Axis]) {
    let by_column = order.first() == Some(&Axis::Column);
    let mut all: Vec<([u32; 2], usize)> = grid.places.iter().copied().zip(slots.iter().copied()).collect();
    all.sort_by_key(|([row, column], _)| if by_column { [*column, *row] } else { [*row, *column] });
    grid.places = all.iter().map(|(place, _)| *place).collect();
    *slots = all.into_iter().map(|(_, slot)| slot).collect();
}
