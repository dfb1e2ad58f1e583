//! The table at the end of a run.

use blackbeam_runtime::trainer::{Outcome, PhaseResult};
use comfy_table::{CellAlignment, Table, presets::UTF8_HORIZONTAL_ONLY};

/// The results side by side, and where they lie.
pub fn of(outcome: &Outcome) -> String {
    let summary = &outcome.summary;
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY);
    table.set_header([
        "run",
        &format!("test {}", summary.quality),
        "test loss",
        "vectors",
        "configurations",
        "device s",
        "J",
        "host s",
    ]);
    for result in &summary.results {
        table.add_row(row(result));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut text = format!("{table}\n");
    if let Some(set) = outcome.synthetic {
        text.push_str(&format!("The data set is synthetic: {set} generated in code, not measured data.\n"));
    }
    if let Some(main) = summary.results.first().filter(|main| main.ledger.device_seconds > 0.0) {
        let (ledger, host) = (&main.ledger, main.host_seconds);
        let (write, settle, query) = (ledger.write_s, ledger.settle_s, ledger.query_s());
        text.push_str(&format!(
            "Time of {}: device {write:.3} s writing, {settle:.3} s settling, {query:.3} s of queries; host {host:.1} s\n",
            main.run
        ));
    }
    text.push_str(&format!("Results: {}\n", outcome.dir.display()));
    text
}

fn row(result: &PhaseResult) -> [String; 8] {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    [
        result.run.clone(),
        or_dash(result.quality.as_ref().map(|(_, v)| format!("{v:.4}"))),
        or_dash(result.test_loss.map(|l| format!("{l:.4}"))),
        result.ledger.vectors.to_string(),
        result.ledger.configurations.to_string(),
        format!("{:.3}", result.ledger.device_seconds),
        format!("{:.3}", result.ledger.joules),
        format!("{:.1}", result.host_seconds),
    ]
}
