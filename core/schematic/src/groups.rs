//! Which instances hang together.

/// Disjoint sets of numbers below n.
#[derive(Default)]
pub(crate) struct Groups {
    /// Another member of the same set, nearer to its root; a root names itself.
    parents: Vec<usize>,
}

impl Groups {
    pub(crate) fn new(n: usize) -> Self {
        Groups { parents: (0..n).collect() }
    }

    fn root(&mut self, mut k: usize) -> usize {
        while self.parents[k] != k {
            // halves the path, so that none gets long
            self.parents[k] = self.parents[self.parents[k]];
            k = self.parents[k];
        }
        k
    }

    /// Puts all members into one set.
    pub(crate) fn join(&mut self, members: &[usize]) {
        for pair in members.windows(2) {
            let (a, b) = (self.root(pair[0]), self.root(pair[1]));
            self.parents[a] = b;
        }
    }

    pub(crate) fn are_joined(&mut self, a: usize, b: usize) -> bool {
        self.root(a) == self.root(b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets() {
        let mut groups = Groups::new(6);
        groups.join(&[0, 1]);
        groups.join(&[2, 3, 4]);
        groups.join(&[4, 1]);
        assert!(groups.are_joined(0, 3) && !groups.are_joined(0, 5));
    }
}
