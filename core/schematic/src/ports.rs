//! Names of ports.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

/// The ports of a component or circuit, by all names that they have.
#[derive(Debug)]
pub(crate) struct PortTable {
    /// Canonical names, in order.
    pub(crate) names: Arc<[String]>,
    /// How many of them are inputs; for a circuit it may be unknown.
    pub(crate) inputs: usize,
    indices: HashMap<String, usize>,
}

impl PortTable {
    /// Ports of a leaf: inputs, then outputs. in_k and out_k are known by position; o1, o2, ... go clockwise from the
    /// lower left: in_k = o(k + 1), out_k = o(n - k).
    pub(crate) fn of_leaf(names: Vec<String>, inputs: usize, aliases: &[(&str, &str)]) -> Rc<Self> {
        let mut indices = by_name(&names);
        for (alias, name) in aliases {
            if let Some(&k) = indices.get(*name) {
                indices.entry((*alias).into()).or_insert(k);
            }
        }
        let inputs = inputs.min(names.len());
        add_sides(&mut indices, &(0..inputs).collect::<Vec<_>>(), &(inputs..names.len()).collect::<Vec<_>>());
        Rc::new(PortTable { names: names.into(), inputs, indices })
    }

    /// Ports of a circuit. If they are in0.. and out0.. without gaps, they are known as o1.. too.
    pub(crate) fn of_circuit(names: Vec<String>) -> Rc<Self> {
        let mut indices = by_name(&names);
        let side = |prefix: &str| -> Vec<usize> {
            (0..names.len()).map_while(|k| indices.get(&format!("{prefix}{k}")).copied()).collect()
        };
        let (inputs, outputs) = (side("in"), side("out"));
        if inputs.len() + outputs.len() == names.len() {
            add_sides(&mut indices, &inputs, &outputs);
        }
        Rc::new(PortTable { names: names.into(), inputs: inputs.len(), indices })
    }

    /// Index of a port by any of its names.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.indices.get(name).copied()
    }

    /// `in0, in1, out0`, for people.
    pub(crate) fn list(&self) -> String {
        const SHOWN: usize = 12;
        let shown: Vec<&str> = self.names.iter().take(SHOWN).map(String::as_str).collect();
        let more =
            if self.names.len() > SHOWN { format!(" and {} more", self.names.len() - SHOWN) } else { String::new() };
        shown.join(", ") + &more
    }
}

fn by_name(names: &[String]) -> HashMap<String, usize> {
    let mut indices = HashMap::with_capacity(2 * names.len());
    for (k, name) in names.iter().enumerate() {
        indices.entry(name.clone()).or_insert(k);
    }
    indices
}

fn add_sides(indices: &mut HashMap<String, usize>, inputs: &[usize], outputs: &[usize]) {
    let n = inputs.len() + outputs.len();
    let mut add = |name: String, k: usize| {
        indices.entry(name).or_insert(k);
    };
    for (i, k) in inputs.iter().enumerate() {
        add(format!("in{i}"), *k);
        add(format!("o{}", i + 1), *k);
    }
    for (i, k) in outputs.iter().enumerate() {
        add(format!("out{i}"), *k);
        add(format!("o{}", n - i), *k);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|s| s.to_string()).collect()
    }

    #[test]
    fn clockwise_names() {
        let coupler = PortTable::of_leaf(names(&["in0", "in1", "out0", "out1"]), 2, &[("thru", "out0")]);
        let found: Vec<_> = ["o1", "o2", "o3", "o4", "thru", "o5"].iter().map(|name| coupler.find(name)).collect();
        // in0 = o1, in1 = o2, out1 = o3, out0 = o4
        assert_eq!(found, [Some(0), Some(1), Some(3), Some(2), Some(2), None]);
        let splitter = PortTable::of_leaf(names(&["in0", "out0", "out1"]), 1, &[]);
        // 1x2: out0 = o3, out1 = o2
        assert_eq!([splitter.find("o2"), splitter.find("o3")], [Some(2), Some(1)]);
        let imported = PortTable::of_leaf(names(&["o1", "o2"]), 1, &[]);
        assert_eq!([imported.find("in0"), imported.find("out0"), imported.find("o2")], [Some(0), Some(1), Some(1)]);
    }

    #[test]
    fn circuits_have_both_styles_where_it_is_clear() {
        let clear = PortTable::of_circuit(names(&["out0", "in0", "out1", "in1"]));
        let found: Vec<_> = ["o1", "o2", "o3", "o4"].iter().map(|name| clear.find(name)).collect();
        assert_eq!(found, [Some(1), Some(3), Some(2), Some(0)]);
        let ring = PortTable::of_circuit(names(&["in0", "thru", "drop"]));
        assert_eq!([ring.find("o1"), ring.find("in0"), ring.find("drop")], [None, Some(0), Some(2)]);
        assert_eq!(PortTable::of_circuit(names(&["o1", "o2"])).find("in0"), None);
    }
}
