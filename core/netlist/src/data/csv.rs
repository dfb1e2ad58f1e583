//! Tables of comma-separated values.

/// Most numbers in a table.
const MAX_NUMBERS: usize = 1 << 24;

/// The rows of a table. Numbers stand between commas, semicolons, tabs or blanks; lines that begin with `#` and a first line
/// of names are passed over.
///
/// # Errors
/// What is wrong, in words that go on after the name of the file.
pub(crate) fn table(text: &str) -> Result<Vec<Vec<f64>>, String> {
    let mut rows: Vec<Vec<f64>> = Vec::new();
    let mut count = 0;
    let mut is_first = true;
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let fields = line.split([',', ';', '\t', ' ']).map(str::trim).filter(|field| !field.is_empty());
        let row: Result<Vec<f64>, &str> = fields.map(|field| field.parse().map_err(|_| field)).collect();
        let was_first = std::mem::take(&mut is_first);
        let row = match row {
            Ok(row) => row,
            Err(_) if was_first => continue,
            Err(field) => {
                let shown: String = field.chars().take(40).collect();
                return Err(format!("line {}: `{shown}` is not a number", at + 1));
            }
        };
        if let Some(bad) = row.iter().find(|x| !x.is_finite()) {
            return Err(format!("line {}: {bad} is not a finite number", at + 1));
        }
        count += row.len();
        if count > MAX_NUMBERS {
            return Err(format!("has more than {MAX_NUMBERS} numbers"));
        }
        rows.push(row);
    }
    if rows.is_empty() { Err("holds no numbers".into()) } else { Ok(rows) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables() {
        assert_eq!(table("gray,phase\n# x\n0,0\n1, 2.5e-1\n").unwrap(), [[0.0, 0.0], [1.0, 0.25]]);
        assert_eq!(table("1;2\t3 4").unwrap(), [[1.0, 2.0, 3.0, 4.0]]);
        assert!(table("a,b\n1,x\n").unwrap_err().contains("line 2: `x`"));
        assert!(table("1\nnan").unwrap_err().contains("finite"));
        assert!(table("a,b\n").unwrap_err().contains("no numbers"));
    }
}
