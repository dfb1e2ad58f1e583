//! Several configurations in one call.

use super::{
    SessionError,
    clock::{query_cost, write_cost},
    driver::Driver,
    groups::Group,
    ledger::Account,
    send::{finite, send_scalars, send_sets},
};
use blackbeam_plugin::{Call, Device, Dtype, Matrix, ParameterSet, PluginError, RVec, can};

/// Most configurations in one call: bounds the memory of a round.
const SETS_PER_CALL: usize = 64;

/// Several configurations that are sent together.
struct Planned {
    calls: Vec<Call>,
    sets: Vec<ParameterSet>,
    /// Physical cost of writing them one after the other, and once more after that.
    writes: [Account; 2],
}

impl Planned {
    /// The calls for rows from `first` on.
    fn calls_from(&self, first: u64) -> Vec<Call> {
        self.calls.iter().map(|call| Call { first_row: call.first_row + first, ..*call }).collect()
    }
}

impl Driver {
    /// Several groups on one batch: in one call where the device can, else one by one. The bits are the same.
    ///
    /// Sparse sets always go as they are to a device that takes them, so that whether it answers them by their structure
    /// depends on nothing else.
    pub fn groups(
        &mut self,
        bases: [&[f64]; 2],
        groups: &[Group],
        x: &Matrix,
        want_applied: bool,
    ) -> Result<Vec<(Matrix, Vec<f64>)>, SessionError> {
        // A device whose changes are slowed down by the host is written one configuration after the other.
        let can = self.descriptor.can(can::QUERY_SETS) && !self.slews();
        let mut answers = Vec::with_capacity(groups.len());
        let mut rest = groups;
        while let Some(group) = rest.first() {
            let fresh = self.programmed.as_ref().is_none_or(|p| *p.params != *group.params);
            let sparse = group.is_sparse(&self.descriptor);
            let alike = |g: &Group| g.is_sparse(&self.descriptor) == sparse;
            let count = if can && fresh && (sparse || x.rows <= self.max_batch) {
                run_of_changes(rest, alike).min(SETS_PER_CALL)
            } else {
                1
            };
            let (now, later) = rest.split_at(count);
            rest = later;
            if count > 1 || can && fresh && sparse {
                answers.extend(self.call_sets(bases, now, x, want_applied)?);
            } else {
                let applied = if want_applied { self.applied(&group.params, group.call)? } else { Vec::new() };
                answers.push((self.group(&group.params, x, group.call)?, applied));
            }
        }
        Ok(answers)
    }

    /// Several configurations, each new, in one call (several, if the device does not take so many rows).
    fn call_sets(
        &mut self,
        bases: [&[f64]; 2],
        groups: &[Group],
        x: &Matrix,
        want_applied: bool,
    ) -> Result<Vec<(Matrix, Vec<f64>)>, SessionError> {
        let planned = self.plan(groups, x.rows);
        let (width, d_out) = (self.descriptor.input.width, self.descriptor.output.width);
        let mut answers: Vec<(RVec<f64>, Vec<f64>)> =
            groups.iter().map(|_| (RVec::with_capacity(x.rows * d_out), Vec::new())).collect();
        let rows = self.max_batch.min(x.rows).max(1);
        let mut y = std::mem::take(&mut self.room);
        y.resize(groups.len() * rows * d_out, f64::NAN);
        for first in (0..x.rows).step_by(rows) {
            let n = rows.min(x.rows - first);
            let x = &x.data[first * width..(first + n) * width];
            let calls = planned.calls_from(first as u64);
            let y = &mut y[..groups.len() * n * d_out];
            let applied = self.attempt_sets(groups, &planned, (n, first > 0), want_applied, |device, dtype| {
                y.fill(f64::NAN);
                let applied =
                    send_sets(device, dtype, bases, &planned.sets, &calls, (x, width), (y, d_out), want_applied)?;
                finite(y).map(|()| applied)
            })?;
            if let Some(last) = calls.last() {
                self.keep((x, width), (&y[(groups.len() - 1) * n * d_out..], d_out), last, false);
            }
            self.correct(y);
            for ((answer, y), applied) in answers.iter_mut().zip(y.chunks(n * d_out)).zip(applied) {
                answer.0.extend_from_slice(y);
                answer.1 = applied;
            }
        }
        self.room = y;
        let matrix = |data| Matrix { rows: x.rows, columns: d_out, data };
        Ok(answers.into_iter().map(|(data, applied)| (matrix(data), applied)).collect())
    }

    /// Of several configurations, each new, what the answers give with `cotangent`, in one call.
    pub fn scalars(
        &mut self,
        bases: [&[f64]; 2],
        groups: &[Group],
        (x, cotangent): (&Matrix, &Matrix),
        want_applied: bool,
    ) -> Result<Vec<(f64, Vec<f64>)>, SessionError> {
        let planned = self.plan(groups, x.rows);
        let mut scalars = vec![f64::NAN; groups.len()];
        let applied = self.attempt_sets(groups, &planned, (x.rows, false), want_applied, |device, dtype| {
            scalars.fill(f64::NAN);
            let applied = send_scalars(
                device,
                dtype,
                bases,
                (&planned.sets, &planned.calls),
                (x, cotangent),
                &mut scalars,
                want_applied,
            )?;
            finite(&scalars).map(|()| applied)
        })?;
        self.correct(&mut scalars);
        // Nothing was answered that could be asked for again by itself.
        self.kept = None;
        Ok(scalars.iter().copied().zip(applied).collect())
    }

    /// Charges the logical column for several groups, each a new configuration.
    fn plan(&mut self, groups: &[Group], rows: usize) -> Planned {
        let mut rest = Account::default();
        for w in groups.windows(2) {
            rest.add(&write_cost(&self.descriptor, Some(&w[0].params), &w[1].params));
        }
        let all_written = |held: Option<&[f64]>| {
            let mut cost = rest;
            if let Some(first) = groups.first() {
                cost.add(&write_cost(&self.descriptor, held, &first.params));
            }
            cost
        };
        let last = groups.last().map(|g| &*g.params);
        let mut planned = Planned {
            calls: Vec::with_capacity(groups.len()),
            sets: groups.iter().map(|g| g.for_device(&self.descriptor)).collect(),
            writes: [all_written(self.held.as_ref().map(|h| &*h.params)), all_written(last)],
        };
        for group in groups {
            planned.calls.push(self.begin(&group.params, group.call).0);
            self.answered(group.call.purpose, rows);
        }
        planned
    }

    /// Sends a call of several configurations until it is answered, and charges the physical column for each attempt. Gives
    /// what was applied, an empty vector each where that is not wanted. `again`: the same configurations were sent just now.
    fn attempt_sets(
        &mut self,
        groups: &[Group],
        planned: &Planned,
        (rows, again): (usize, bool),
        want_applied: bool,
        mut send: impl FnMut(&mut dyn Device, Dtype) -> Result<Vec<Vec<f64>>, PluginError>,
    ) -> Result<Vec<Vec<f64>>, SessionError> {
        let (first, count) = (planned.calls[0], planned.calls.len());
        let what = || format!("a {} call of {count} configurations (step {})", first.purpose.name(), first.step);
        let mut cost = planned.writes[usize::from(again)];
        (0..count).for_each(|_| cost.add(&query_cost(&self.descriptor, self.vectors(rows))));
        let applied = self.persist(what, &first, |driver| {
            driver.held = None;
            driver.spend(first.purpose, first.step, &cost)?;
            let applied = send(&mut *driver.device, driver.descriptor.dtype)?;
            if !want_applied {
                return Ok(vec![Vec::new(); count]);
            }
            let asked: Vec<&[f64]> = groups.iter().map(|group| &*group.params).collect();
            driver.believed(&asked, applied)
        })?;
        self.holds(self.programmed.clone());
        self.held_applied = applied.last().cloned().unwrap_or_default();
        Ok(applied)
    }
}

/// How many groups from the first on each change the parameters of the one before and are `alike`.
fn run_of_changes(groups: &[Group], alike: impl Fn(&Group) -> bool) -> usize {
    1 + groups.windows(2).take_while(|w| w[0].params != w[1].params && alike(&w[1])).count()
}
