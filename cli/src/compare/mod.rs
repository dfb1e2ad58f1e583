//! `blackbeam compare`: finished runs side by side, and what can be said about their differences.

mod runs;
mod statistics;

use crate::{
    Failure,
    args::{CompareArgs, Format},
    print, say,
};
use comfy_table::{CellAlignment, Table, presets::UTF8_HORIZONTAL_ONLY};
use runs::{Found, Group, Run, differing};
use serde_json::{Value, json};
use statistics::{MOST, MannWhitney, deviation, enough, least_two_sided, mann_whitney, mean, median};

/// Sections in which experiments must agree to be comparable.
const COMMON: [&str; 3] = ["data", "budget", "model.loss"];
/// Settings that are named in one cell or line.
const MOST_NAMED: usize = 3;

/// Runs the command.
pub fn run(args: &CompareArgs) -> Result<(), Failure> {
    let found = runs::read(&args.dirs).map_err(Failure::Input)?;
    let pairs = pairs(&found.groups);
    let warnings = warnings(&found);
    if args.format == Format::Json {
        return print(&format!("{:#}\n", as_json(&found, &pairs, &warnings)));
    }
    for warning in &warnings {
        say(&format!("warning: {warning}"));
    }
    let mut text = format!("{}\n", table_of_groups(&found.groups));
    if !pairs.is_empty() {
        text += &format!("\n{}\n", table_of_pairs(&pairs));
        text += "Exact Mann-Whitney tests, not corrected for the number of pairs. A one-sided p counts only if it was said \
                 beforehand which one is to be higher.\n";
    }
    print(&text)
}

/// Two groups, and what the test says of them; `None` where they cannot be tested.
struct Pair<'a> {
    a: &'a Group,
    b: &'a Group,
    test: Option<MannWhitney>,
}

fn pairs(groups: &[Group]) -> Vec<Pair<'_>> {
    let mut pairs = Vec::new();
    for (i, a) in groups.iter().enumerate() {
        for b in &groups[i + 1..] {
            let test = mann_whitney(&a.qualities(), &b.qualities()).filter(|_| a.quality == b.quality);
            pairs.push(Pair { a, b, test });
        }
    }
    pairs
}

impl Pair<'_> {
    fn least(&self) -> f64 {
        least_two_sided(self.a.runs.len(), self.b.runs.len())
    }

    /// What the test comes to, for people.
    fn says(&self) -> String {
        let Some(test) = self.test else {
            if self.a.quality != self.b.quality {
                return format!("not tested: {} against {}", self.a.quality, self.b.quality);
            }
            return format!("not tested: more than {MOST} runs");
        };
        let level = |name: &str, level: f64| format!("{name} needs {} seeds each", enough(level));
        match (test.two_sided, self.least()) {
            (p, _) if p < 0.01 => "they differ, p < .01".into(),
            (p, least) if p < 0.05 && least >= 0.01 => format!("they differ, p < .05 ({})", level("p < .01", 0.01)),
            (p, _) if p < 0.05 => "they differ, p < .05".into(),
            (_, least) if least >= 0.05 => format!("too few seeds to tell: {}", level("p < .05", 0.05)),
            _ => "no difference shown".into(),
        }
    }
}

fn warnings(found: &Found) -> Vec<String> {
    let mut warnings: Vec<String> =
        found.left_out.iter().map(|(dir, why)| format!("{} is left out: {why}", dir.display())).collect();
    let groups: Vec<&Group> = found.groups.iter().collect();
    let common = |path: &&str| {
        COMMON.iter().any(|c| path.strip_prefix(c).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
    };
    let differ: Vec<&str> = differing(&groups).into_iter().filter(common).collect();
    if !differ.is_empty() {
        warnings.push(format!("the groups are not comparable, they differ in {}", named(&differ)));
    }
    let all = || found.groups.iter().flat_map(|g| &g.runs);
    let mut builds: Vec<&str> = all().map(|run| run.binary.as_str()).collect();
    builds.sort_unstable();
    builds.dedup();
    if builds.len() > 1 {
        warnings.push(format!("the runs were made by {} different builds of blackbeam", builds.len()));
    }
    for run in all().filter(|run| !run.changes.is_empty()) {
        warnings.push(format!("{} went on after a change of {}", run.dir.display(), run.changes.join(", ")));
    }
    warnings
}

/// The first few of some names.
fn named(names: &[impl AsRef<str>]) -> String {
    let mut text = names.iter().take(MOST_NAMED).map(|n| format!("`{}`", n.as_ref())).collect::<Vec<_>>().join(", ");
    if names.len() > MOST_NAMED {
        text += &format!(" and {} more", names.len() - MOST_NAMED);
    }
    text
}

/// The median of a number over the runs of a group.
fn typical(group: &Group, of: impl Fn(&Run) -> f64) -> f64 {
    median(&group.runs.iter().map(of).collect::<Vec<_>>())
}

fn extremes(values: &[f64]) -> (f64, f64) {
    values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(*v), high.max(*v)))
}

/// How the runs ended that were not done, such as `2 budget`; empty if all were.
fn status(group: &Group) -> String {
    let budget = group.runs.iter().filter(|run| run.status != "done").count();
    if budget == 0 { String::new() } else { format!("{budget} budget") }
}

fn table_of_groups(groups: &[Group]) -> Table {
    let settings = groups.iter().any(|g| g.label != g.name);
    let ended = groups.iter().any(|g| !status(g).is_empty());
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY);
    let mut header = vec![
        "group",
        "seeds",
        "test",
        "median",
        "min .. max",
        "deviation",
        "mean",
        "vectors",
        "configurations",
        "host s",
    ];
    header.extend(ended.then_some("ended by"));
    header.extend(settings.then_some("settings"));
    table.set_header(header);
    for group in groups {
        let values = group.qualities();
        let (low, high) = extremes(&values);
        let mut row = vec![
            group.label.clone(),
            group.runs.len().to_string(),
            group.quality.to_owned(),
            format!("{:.4}", median(&values)),
            format!("{low:.4} .. {high:.4}"),
            deviation(&values).map_or("-".into(), |d| format!("{d:.4}")),
            format!("{:.4}", mean(&values)),
            format!("{:.0}", typical(group, |run| run.vectors as f64)),
            format!("{:.0}", typical(group, |run| run.configurations as f64)),
            format!("{:.1}", typical(group, |run| run.host_seconds)),
        ];
        row.extend(ended.then(|| status(group)));
        row.extend(settings.then(|| own_settings(group, groups)));
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(1).take(9) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn own_settings(group: &Group, groups: &[Group]) -> String {
    let own = group.own_settings(groups);
    let short = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
    let mut lines: Vec<String> = own.iter().take(MOST_NAMED).map(|(path, v)| format!("{path}={}", short(v))).collect();
    if own.len() > MOST_NAMED {
        lines.push(format!("and {} more", own.len() - MOST_NAMED));
    }
    lines.join("\n")
}

fn table_of_pairs(pairs: &[Pair<'_>]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY);
    table.set_header(["pair", "seeds", "higher", "U", "p one-sided", "p two-sided", "least p", ""]);
    for pair in pairs {
        let mut row = vec![
            format!("{}\n{}", pair.a.label, pair.b.label),
            format!("{}, {}", pair.a.runs.len(), pair.b.runs.len()),
        ];
        row.extend(match pair.test {
            Some(test) => [
                higher(pair, &test),
                test.u_a.min(test.u_b).to_string(),
                p(test.a_higher.min(test.b_higher)),
                p(test.two_sided),
                p(pair.least()),
            ],
            None => [(); 5].map(|_| "-".to_owned()),
        });
        row.push(pair.says());
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(3).take(4) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// The group with more of the higher values.
fn higher(pair: &Pair<'_>, test: &MannWhitney) -> String {
    match test.u_a.total_cmp(&test.u_b) {
        std::cmp::Ordering::Greater => pair.a.label.clone(),
        std::cmp::Ordering::Less => pair.b.label.clone(),
        std::cmp::Ordering::Equal => "neither".into(),
    }
}

fn p(value: f64) -> String {
    if value < 1e-4 { format!("{value:.1e}") } else { format!("{value:.4}") }
}

fn as_json(found: &Found, pairs: &[Pair<'_>], warnings: &[String]) -> Value {
    let run = |run: &Run| {
        json!({
            "dir": run.dir, "seed": run.seed, "status": run.status, "quality": run.quality, "vectors": run.vectors,
            "configurations": run.configurations, "host_seconds": run.host_seconds,
        })
    };
    let group = |group: &Group| {
        let values = group.qualities();
        let (low, high) = extremes(&values);
        json!({
            "group": group.label,
            "name": group.name,
            "settings": group.own_settings(&found.groups),
            "quality": group.quality,
            "median": median(&values),
            "min": low,
            "max": high,
            "deviation": deviation(&values),
            "mean": mean(&values),
            "vectors": typical(group, |run| run.vectors as f64),
            "configurations": typical(group, |run| run.configurations as f64),
            "host_seconds": typical(group, |run| run.host_seconds),
            "runs": group.runs.iter().map(run).collect::<Vec<_>>(),
        })
    };
    let pair = |pair: &Pair<'_>| {
        let of = |number: fn(&MannWhitney) -> f64| pair.test.as_ref().map(number);
        json!({
            "groups": [pair.a.label, pair.b.label],
            "seeds": [pair.a.runs.len(), pair.b.runs.len()],
            "u": [of(|t| t.u_a), of(|t| t.u_b)],
            "p_higher": [of(|t| t.a_higher), of(|t| t.b_higher)],
            "p_two_sided": of(|t| t.two_sided),
            "least_p_two_sided": pair.least(),
            "says": pair.says(),
        })
    };
    json!({
        "groups": found.groups.iter().map(group).collect::<Vec<_>>(),
        "pairs": pairs.iter().map(pair).collect::<Vec<_>>(),
        "left_out": found.left_out.iter().map(|(dir, why)| json!({"dir": dir, "why": why})).collect::<Vec<_>>(),
        "warnings": warnings,
    })
}
