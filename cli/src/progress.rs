//! The progress bar of a run.

use crate::say;
use blackbeam_runtime::trainer::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Shows progress on standard error; a bar where that is a terminal, lines otherwise.
pub struct Terminal {
    quiet: bool,
    bar: Option<ProgressBar>,
    run: String,
    tested: String,
}

impl Terminal {
    /// `quiet` shows notes (warnings) only.
    pub fn new(quiet: bool) -> Self {
        Terminal { quiet, bar: None, run: String::new(), tested: String::new() }
    }

    fn line(&self, line: &str) {
        match &self.bar {
            Some(bar) if !bar.is_hidden() => bar.println(line),
            _ => say(line),
        }
    }
}

impl Progress for Terminal {
    fn note(&mut self, line: &str) {
        self.line(line);
    }

    fn begin(&mut self, run: &str, at: u64, total: u64) {
        self.run = run.to_owned();
        self.tested.clear();
        if self.quiet {
            return;
        }
        let style =
            ProgressStyle::with_template("{prefix:16} {bar:30} {pos}/{len} steps  {per_sec}  {eta} left  {msg}");
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(5));
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix(run.to_owned());
        bar.set_position(at);
        if bar.is_hidden() {
            say(&format!("{run}: from step {at} to {total}"));
        }
        self.bar = Some(bar);
    }

    fn step(&mut self, step: u64, loss: f64) {
        if let Some(bar) = &self.bar {
            bar.set_position(step);
            if step.is_multiple_of(16) {
                bar.set_message(format!("loss {loss:.4}{}", self.tested));
            }
        }
    }

    fn evaluated(&mut self, step: u64, loss: f64, (quality, value): (&str, f64)) {
        self.tested = format!("  test {quality} {value:.4}");
        if self.bar.as_ref().is_some_and(|bar| bar.is_hidden()) {
            say(&format!("{}: step {step}{}  test loss {loss:.4}", self.run, self.tested));
        }
    }

    fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish();
        }
    }
}
