//! Many names in one text.

use std::ops::Index;

/// Names, one after the other in one text: a mesh of 256 modes has 65 000, and as many small allocations would take longer
/// than all checks of its file.
#[derive(Clone, Default, PartialEq)]
pub struct Names {
    text: String,
    ends: Vec<usize>,
}

impl Names {
    /// Number of names.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Name `k`, if there are so many.
    pub fn get(&self, k: usize) -> Option<&str> {
        let end = *self.ends.get(k)?;
        let start = if k == 0 { 0 } else { self.ends[k - 1] };
        Some(&self.text[start..end])
    }

    /// The names in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        (0..self.len()).map(|k| &self[k])
    }

    /// Adds a name, which `write` appends to the text.
    pub fn push_with(&mut self, write: impl FnOnce(&mut String)) {
        write(&mut self.text);
        self.ends.push(self.text.len());
    }

    /// Adds names after these.
    pub fn extend(&mut self, names: &Names) {
        let start = self.text.len();
        self.text.push_str(&names.text);
        self.ends.extend(names.ends.iter().map(|end| start + end));
    }

    /// Keeps the first `count` names.
    pub fn truncate(&mut self, count: usize) {
        self.ends.truncate(count);
        self.text.truncate(self.ends.last().copied().unwrap_or(0));
    }
}

impl Index<usize> for Names {
    type Output = str;

    /// # Panics
    /// If there is no name `k`.
    fn index(&self, k: usize) -> &str {
        self.get(k).expect("fewer names than the index")
    }
}

impl<S: AsRef<str>> FromIterator<S> for Names {
    fn from_iter<I: IntoIterator<Item = S>>(names: I) -> Self {
        let mut all = Names::default();
        names.into_iter().for_each(|name| all.push_with(|text| text.push_str(name.as_ref())));
        all
    }
}

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kept_apart() {
        let mut names: Names = ["U.theta<0.0>", "", "x"].into_iter().collect();
        assert_eq!(names.iter().collect::<Vec<_>>(), ["U.theta<0.0>", "", "x"]);
        assert_eq!((names.get(3), &names[2]), (None, "x"));
        let twice = names.clone();
        names.extend(&twice);
        assert_eq!((names.len(), &names[3], &names[5]), (6, "U.theta<0.0>", "x"));
        names.truncate(2);
        names.push_with(|text| text.push('y'));
        assert_eq!(format!("{names:?}"), r#"["U.theta<0.0>", "", "y"]"#);
    }
}
