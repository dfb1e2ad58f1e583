//! Where the instances stand: columns along the light, order within a column by the middle of what they hang on.

use blackbeam_netlist::circuit::Circuit;
use std::collections::VecDeque;

/// Column of each instance: one more than the furthest before it. Links that close a loop do not count. Light goes from
/// the outer inputs, in breadth-first order, so that a link is against the light if it leads to an instance that was
/// reached before and lies on the way to its own start.
pub(crate) fn columns(circuit: &Circuit) -> Vec<usize> {
    let n = circuit.instances.len();
    let after = neighbours(circuit);
    let order = reverse_postorder(&after, &sources(circuit, &after));
    let mut place = vec![0; n];
    order.iter().enumerate().for_each(|(k, &i)| place[i] = k);
    let mut column = vec![0; n];
    for &i in &order {
        for &j in after[i].iter().filter(|&&j| place[j] > place[i]) {
            column[j] = column[j].max(column[i] + 1);
        }
    }
    column
}

/// Instances that an instance's outputs lead to. A link between two outputs or two inputs counts from the first end.
fn neighbours(circuit: &Circuit) -> Vec<Vec<usize>> {
    let mut after = vec![Vec::new(); circuit.instances.len()];
    for [a, b] in &circuit.links {
        let is_output = |p: &blackbeam_netlist::circuit::Port| p.port >= circuit.instances[p.instance].inputs;
        let (from, to) = if !is_output(a) && is_output(b) { (b, a) } else { (a, b) };
        if from.instance != to.instance {
            after[from.instance].push(to.instance);
        }
    }
    after
}

/// Instances with an outer input first, then those that nothing leads to, then the rest.
fn sources(circuit: &Circuit, after: &[Vec<usize>]) -> Vec<usize> {
    let mut led_to = vec![false; after.len()];
    after.iter().flatten().for_each(|&i| led_to[i] = true);
    let outer = circuit.ports.iter().map(|p| p.port).filter(|p| p.port < circuit.instances[p.instance].inputs);
    let rest = 0..after.len();
    outer.map(|p| p.instance).chain(rest.clone().filter(|&i| !led_to[i])).chain(rest).collect()
}

/// Depth-first, without recursion.
fn reverse_postorder(after: &[Vec<usize>], roots: &[usize]) -> Vec<usize> {
    let mut seen = vec![false; after.len()];
    let mut order = VecDeque::with_capacity(after.len());
    let mut stack: Vec<(usize, usize)> = Vec::new();
    // What a later root leads to was reached by an earlier one: the later root comes before it.
    for &root in roots.iter().filter(|&&r| r < after.len()) {
        if std::mem::replace(&mut seen[root], true) {
            continue;
        }
        stack.push((root, 0));
        while let Some((i, next)) = stack.last_mut() {
            match after[*i].get(*next) {
                Some(&j) => {
                    *next += 1;
                    if !std::mem::replace(&mut seen[j], true) {
                        stack.push((j, 0));
                    }
                }
                None => {
                    order.push_front(*i);
                    stack.pop();
                }
            }
        }
    }
    order.into()
}

/// Upper left corners of boxes of these sizes.
pub(crate) fn places(circuit: &Circuit, sizes: &[(f64, f64)]) -> Vec<(f64, f64)> {
    const GAP: (f64, f64) = (60.0, 22.0);
    let column = columns(circuit);
    let count = column.iter().max().map_or(0, |c| c + 1);
    let mut rows: Vec<Vec<usize>> = vec![Vec::new(); count];
    column.iter().enumerate().for_each(|(i, &c)| rows[c].push(i));
    let mut before = vec![Vec::new(); sizes.len()];
    for (i, next) in neighbours(circuit).iter().enumerate() {
        next.iter().filter(|&&j| column[j] > column[i]).for_each(|&j| before[j].push(i));
    }
    let mut at = vec![(0.0, 0.0); sizes.len()];
    let mut x = 120.0;
    for row in &mut rows {
        let middle = |i: usize| {
            let of = |j: &usize| at[*j].1 + 0.5 * sizes[*j].1;
            let sum: f64 = before[i].iter().map(of).sum();
            if before[i].is_empty() { f64::MAX } else { sum / before[i].len() as f64 }
        };
        let mut sorted: Vec<(f64, usize)> = row.iter().map(|&i| (middle(i), i)).collect();
        sorted.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let mut y = 50.0;
        for &(wish, i) in &sorted {
            if wish != f64::MAX {
                y = f64::max(y, wish - 0.5 * sizes[i].1);
            }
            at[i] = (x, y);
            y += sizes[i].1 + GAP.1;
        }
        x += row.iter().map(|&i| sizes[i].0).fold(0.0, f64::max) + GAP.0;
    }
    at
}
