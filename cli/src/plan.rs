//! `blackbeam plan`.

use crate::{
    Failure,
    args::{Format, key_value},
    device_host::isolation,
    print,
    progress::Terminal,
};
use blackbeam_plugin::Purpose;
use blackbeam_runtime::{
    session::Account,
    trainer::plan::{Plan, PlanRequest, Planned, Prediction, plan},
};
use comfy_table::{CellAlignment, Table, presets::UTF8_HORIZONTAL_ONLY};
use std::path::PathBuf;

/// Arguments of `plan`.
///
/// Opens the devices, calibrates them as training does, sends some 200 vectors and some 50 configurations to each, and leaves them in
/// their safe state. Then trains the first steps with stand-ins in their place, to count what the whole run would ask for.
#[derive(clap::Args)]
pub struct PlanArgs {
    /// The experiment file.
    pub experiment: PathBuf,
    /// Replace the experiment's seed.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Switch every non-ideality of every described device off.
    #[arg(long)]
    pub ideal: bool,
    /// Replace a value of the experiment, such as devices.mesh.estimator.samples=16.
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    pub set: Vec<(String, String)>,
    /// Threads that simulated devices may use [default: all cores].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub threads: Option<u32>,
    /// File to which what the plan itself sends is appended, as in a run's ledger.jsonl.
    #[arg(long, value_name = "FILE", default_value = "plans/ledger.jsonl")]
    pub ledger: PathBuf,
    /// How the plan is written: for people, or as one JSON object.
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
}

/// Runs the command.
pub fn run(args: PlanArgs) -> Result<(), Failure> {
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get() as u32);
    let request = PlanRequest {
        experiment: args.experiment,
        overrides: args.set,
        seed: args.seed,
        ideal: args.ideal,
        threads: args.threads.unwrap_or(cores),
        data: std::env::var_os("BLACKBEAM_DATA").map(Into::into),
        ledger: args.ledger,
        isolation: Some(isolation()?),
    };
    let plan = plan(&request, &mut Terminal::new(true)).map_err(|error| match error.is_bad_input() {
        true => Failure::Input(error.to_string()),
        false => Failure::Run(error.to_string()),
    })?;
    match args.format {
        Format::Json => print(&format!("{:#}\n", serde_json::json!(plan))),
        Format::Text => print(&text(&plan)),
    }
}

fn text(plan: &Plan) -> String {
    let mut text = String::new();
    for (name, device) in &plan.devices {
        text += &described(name, device);
    }
    for prediction in &plan.runs {
        text += &predicted(prediction);
    }
    let Account { vectors, configurations, device_seconds, joules, .. } = plan.total;
    let hours = device_seconds / 3600.0;
    text += &format!(
        "All together: {vectors} vectors, {configurations} configurations, {hours:.3} device hours, {joules:.4} J.\n\
         This plan sent {} vectors and {} configurations, {:.3} device seconds.\n",
        plan.spent.vectors, plan.spent.configurations, plan.spent.device_seconds
    );
    text
}

fn described(name: &str, device: &Planned) -> String {
    let Planned { measured: m, advice: a, parameters, widths: [d_in, d_out], .. } = device;
    let mut lines =
        vec![format!("device `{name}` ({}): {d_in} inputs, {d_out} outputs, {parameters} parameters", device.device)];
    let mut line = |what: &str, value: String| lines.push(format!("  {what:<20}{value}"));
    let declared = m.noise_declared.map_or_else(|| "not declared".into(), |noise| format!("{noise:.5} declared"));
    line("noise", format!("{:.5} of full scale ({declared})", m.noise));
    line("noise of a write", format!("{:.5} of full scale", m.write_noise));
    let applied = if m.applied_step > 0.0 {
        format!("{:.5} applied", m.applied_step)
    } else {
        "whatever was asked was applied".into()
    };
    line(
        "resolution",
        format!("{:.5} declared, {applied}; a step of {:.4} is as large as the noise", m.resolution, m.step_of_noise),
    );
    let seen = if m.drift_significant { "" } else { ", no more than noise" };
    line("drift", format!("{:.4} % of full scale in {:.4} device seconds{seen}", 100.0 * m.drift, m.drift_seconds));
    let says = if m.linear_declared { "it says that it is linear" } else { "it does not say that it is linear" };
    let (off, noise) = (100.0 * m.nonlinearity, 100.0 * m.nonlinearity_by_noise);
    line("linearity in x", format!("sums are {off:.2} % off, {noise:.2} % by noise; {says}"));
    let limit = if m.rank_at_limit { " or more" } else { "" };
    line("dimensions", format!("{}{limit} hold 99 % of the power of the answers", m.rank));
    let cosine = a.cosine.map_or_else(String::new, |c| format!("; those of the experiment give {c:.2}"));
    line("mu", format!("{:.4} forward, {:.4} central differences (what `auto` takes)", a.mu_forward, a.mu_central));
    line("samples", format!("{} random directions for a cosine of 0.5{cosine}", a.samples));
    line("surrogate", format!("rank {}, {} probes", a.rank, a.probes));
    a.notes.iter().for_each(|note| line("note", note.clone()));
    lines.join("\n") + "\n\n"
}

fn predicted(prediction: &Prediction) -> String {
    let Prediction { run, steps, rehearsed, .. } = prediction;
    let all = prediction.all();
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY);
    table.set_header([run.as_str(), "vectors", "configurations", "device hours", "J"]);
    let mut row = |name: &str, a: &Account| {
        let hours = format!("{:.5}", a.device_seconds / 3600.0);
        table.add_row([
            name.to_owned(),
            a.vectors.to_string(),
            a.configurations.to_string(),
            hours,
            format!("{:.4}", a.joules),
        ]);
    };
    Purpose::ALL.into_iter().for_each(|purpose| row(purpose.name(), all.of(purpose)));
    row("together", &all.everything());
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let ends = if prediction.budget { ", then the training budget is spent" } else { "" };
    format!("{table}\n{steps} steps{ends}; reckoned from the first {rehearsed}.\n\n")
}
