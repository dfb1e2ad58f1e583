//! What came of the checks.

use blackbeam_plugin::PluginError;

/// How a check ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The device does as it says.
    Pass,
    /// Nothing is broken, but somebody should know.
    Warn,
    /// A promise or a rule is broken.
    Fail,
    /// It was not tried.
    Skipped,
}

impl Verdict {
    /// The name in tables and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Warn => "warn",
            Verdict::Fail => "fail",
            Verdict::Skipped => "skipped",
        }
    }
}

/// What one check says.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// How it ended.
    pub verdict: Verdict,
    /// What was measured; of a check that was skipped: why.
    pub measured: String,
    /// What was expected. Empty if it was skipped.
    pub expected: String,
    /// What to do. Empty if there is nothing to be done.
    pub advice: String,
}

impl Outcome {
    pub(crate) fn pass(measured: impl Into<String>, expected: impl Into<String>) -> Self {
        Outcome { verdict: Verdict::Pass, measured: measured.into(), expected: expected.into(), advice: String::new() }
    }

    pub(crate) fn warn(measured: impl Into<String>, expected: impl Into<String>, advice: impl Into<String>) -> Self {
        Outcome { verdict: Verdict::Warn, advice: advice.into(), ..Self::pass(measured, expected) }
    }

    pub(crate) fn fail(measured: impl Into<String>, expected: impl Into<String>, advice: impl Into<String>) -> Self {
        Outcome { verdict: Verdict::Fail, advice: advice.into(), ..Self::pass(measured, expected) }
    }

    pub(crate) fn skipped(why: impl Into<String>) -> Self {
        Outcome { verdict: Verdict::Skipped, ..Self::pass(why, "") }
    }

    /// Passes if `good`, else fails with what to do.
    pub(crate) fn of(
        good: bool,
        measured: impl Into<String>,
        expected: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        if good { Self::pass(measured, expected) } else { Self::fail(measured, expected, advice) }
    }

    /// A call failed that should not have.
    pub(crate) fn failed_call(error: &PluginError) -> Self {
        let advice = if error.retryable {
            "the error says that the call may be sent again: check once more; if it stays, the driver should retry or wait"
        } else {
            "the call must not fail: find out why it does"
        };
        Self::fail(error.to_string(), "an answer", advice)
    }
}

/// One check and what it says.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Id of the check, such as `answers.linear`.
    pub id: &'static str,
    /// What it says.
    pub outcome: Outcome,
    /// Vectors that it sent.
    pub vectors: u64,
    /// Writes that it made.
    pub writes: u64,
    /// What it took, seconds.
    pub seconds: f64,
}

/// All that was found.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Report {
    /// What the device is called, and its firmware: empty if it could not be opened.
    pub device: (String, String),
    /// Why it could not be opened.
    pub not_opened: Option<PluginError>,
    /// The checks in order.
    pub findings: Vec<Finding>,
    /// Vectors that were sent.
    pub vectors: u64,
    /// Writes that were made.
    pub writes: u64,
}

impl Report {
    /// How many checks ended so.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.findings.iter().filter(|finding| finding.outcome.verdict == verdict).count()
    }

    /// True if nothing is broken.
    pub fn conforms(&self) -> bool {
        self.count(Verdict::Fail) == 0
    }
}
