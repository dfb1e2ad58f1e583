//! Probes of methods, planned as logical groups.

use super::{
    DeviceSession, SessionError,
    limits::{limits_power, under_total},
};
use blackbeam_plugin::{
    Answer, Base, Call, Descriptor, Form, Inputs, Matrix, ParameterSet, Probe, Purpose, RVec, Want, Way, can, structure,
};

/// One logical group to be sent: a configuration with its identity.
pub struct Group {
    /// All parameters, clamped.
    pub params: Vec<f64>,
    /// The form in which the method gave them, if it can be passed on as it is.
    set: Option<ParameterSet>,
    /// Identity.
    pub call: Call,
}

impl Group {
    /// It is sent as a sparse set.
    pub(super) fn is_sparse(&self, descriptor: &Descriptor) -> bool {
        descriptor.can(can::SPARSE) && self.set.as_ref().is_some_and(|set| set.form == Form::Sparse)
    }

    /// The set in the form that is sent to the device.
    pub(super) fn for_device(&self, descriptor: &Descriptor) -> ParameterSet {
        let passes = |set: &&ParameterSet| match set.form {
            Form::Sparse => descriptor.can(can::SPARSE),
            Form::Block => descriptor.can(can::BLOCK),
            Form::Keyed => descriptor.can(can::KEYED),
            Form::Base | Form::Dense => false,
        };
        self.set.as_ref().filter(passes).cloned().unwrap_or_else(|| ParameterSet::dense(self.params.clone()))
    }
}

/// What the probes of one round have in common.
#[derive(Clone, Copy)]
pub struct Round<'a> {
    /// Training step.
    pub step: u64,
    /// Whose probes they are.
    pub purpose: Purpose,
    /// Number of the round within the step.
    pub round: u32,
    /// The batch, in the network's units.
    pub x: &'a Matrix,
    /// dL/dy for `Want::Scalar`.
    pub cotangent: &'a Matrix,
}

impl DeviceSession {
    /// Expands a set: parameters of the base, moved and clamped into range.
    ///
    /// # Errors
    /// A set that does not fit the device, or that is not finite.
    pub fn expand(&self, set: &ParameterSet) -> Result<Vec<f64>, SessionError> {
        let mut params = match set.base {
            Base::Current => self.params.clone(),
            Base::Previous => self.previous.clone(),
        };
        let wrong = |m: String| {
            SessionError::Method(format!(
                "a method sent a parameter set that device `{}` cannot take: {m}",
                self.name()
            ))
        };
        set.expand(&mut params).map_err(|e| wrong(e.message.into()))?;
        let (low, high) = &self.ends;
        let parameters = &self.descriptor().parameters;
        for (i, (v, (low, high))) in params.iter_mut().zip(low.iter().zip(high)).enumerate() {
            // the rule leaves what is well inside as it is
            if *v >= *low && *v < *high {
                continue;
            }
            if !v.is_finite() {
                return Err(wrong(format!("parameter `{}` is {v}", parameters[i].name)));
            }
            *v = parameters[i].admit(*v);
        }
        if under_total(self.descriptor(), &mut params) {
            self.power_limited.set(self.power_limited.get() + 1);
        }
        Ok(params)
    }

    /// A network's forward pass with the device at `params`: what a probe with `Want::Loss` sends.
    ///
    /// # Errors
    /// What the device answers.
    pub fn forward_at(
        &mut self,
        params: &[f64],
        x: &Matrix,
        call: (u64, Purpose, u32, u32),
    ) -> Result<Matrix, SessionError> {
        let (scaled, clipped) = self.input.apply(x, self.driver.descriptor(), &self.options.name)?;
        let (step, purpose, round, set) = call;
        let call = self.call(step, purpose, round, set);
        let mut y = self.driver.group(params, &scaled, call)?;
        self.scale_back(&mut y);
        self.keep(params, (x, &scaled, &clipped), &y);
        Ok(y)
    }

    /// Answers probes that want outputs or scalars. Groups that share the base configuration are sent together, so that
    /// it is programmed once.
    ///
    /// # Errors
    /// What the device answers; a probe that does not fit the device.
    pub fn probes(&mut self, probes: &[Probe], round: Round<'_>) -> Result<Vec<Answer>, SessionError> {
        self.answers(probes, 0, round, None)
    }

    /// The outputs of probes on the batch, whatever they want; the first of them is number `first` of the round.
    ///
    /// # Errors
    /// As [`probes`](DeviceSession::probes).
    pub fn outputs(&mut self, probes: &[Probe], first: usize, round: Round<'_>) -> Result<Vec<Answer>, SessionError> {
        self.answers(probes, first, round, Some(Want::Outputs))
    }

    fn answers(
        &mut self,
        probes: &[Probe],
        first: usize,
        round: Round<'_>,
        want: Option<Want>,
    ) -> Result<Vec<Answer>, SessionError> {
        let mut answers: Vec<Option<Answer>> = probes.iter().map(|_| None).collect();
        for base in [Base::Previous, Base::Current] {
            for (i, probe) in probes.iter().enumerate() {
                if probe.set.form == Form::Base && probe.set.base == base {
                    answers[i] = Some(self.one(probe, first + i, round, want)?);
                }
            }
        }
        let mut i = 0;
        while i < probes.len() {
            let contracts = |probe: &Probe| want.is_none() && self.contracted(probe);
            let contracted = contracts(&probes[i]);
            let together = |p: &&Probe| sent_together(p) && contracts(p) == contracted;
            let end = i + probes[i..].iter().take_while(together).take(PROBES_AT_ONCE).count();
            if answers[i].is_some() {
                i += 1;
            } else if end > i {
                let probes = &probes[i..end];
                let found = if contracted {
                    self.scalars(probes, first + i, round)
                } else {
                    self.batch(probes, first + i, round, want)
                };
                for (slot, answer) in answers[i..end].iter_mut().zip(found?) {
                    *slot = Some(answer);
                }
                i = end;
            } else {
                answers[i] = Some(self.one(&probes[i], first + i, round, want)?);
                i += 1;
            }
        }
        Ok(answers.into_iter().flatten().collect())
    }

    /// Probes of which the device itself finds the scalar: it can, and nobody is to see the outputs. It depends on neither
    /// the number of rows nor that of probes.
    fn contracted(&self, probe: &Probe) -> bool {
        let descriptor = self.driver.descriptor();
        let plain = !limits_power(descriptor) && !self.driver.slews();
        let able =
            plain && descriptor.can(can::SCALARS | can::SPARSE) && descriptor.max_batch == 0 && self.observed.is_none();
        able && sent_together(probe)
            && probe.want == Want::Scalar
            && probe.set.form == Form::Sparse
            && probe.cotangent.is_empty()
    }

    fn planned(&self, probes: &[Probe], first: usize, round: Round<'_>) -> Result<Vec<Group>, SessionError> {
        let group = |(i, probe): (usize, &Probe)| {
            let params = self.expand(&probe.set)?;
            let call = self.call(round.step, round.purpose, round.round, (first + i) as u32);
            // The device itself would not keep what the host keeps for it.
            let set = (!limits_power(self.driver.descriptor())).then(|| probe.set.clone());
            Ok(Group { params, set, call })
        };
        probes.iter().enumerate().map(group).collect()
    }

    /// Consecutive probes of which only the scalar against the round's cotangent is wanted.
    fn scalars(&mut self, probes: &[Probe], first: usize, round: Round<'_>) -> Result<Vec<Answer>, SessionError> {
        let (scaled, _) = self.input.apply(round.x, self.driver.descriptor(), &self.options.name)?;
        self.fits(round.cotangent, (scaled.rows, self.driver.descriptor().output.width))?;
        let groups = self.planned(probes, first, round)?;
        let want_applied = probes.iter().any(|p| p.want_applied);
        let bases = [self.params.as_slice(), self.previous.as_slice()];
        let found = self.driver.scalars(bases, &groups, (&scaled, round.cotangent), want_applied)?;
        let factor = self.answer_factor();
        let answer = |(probe, (scalar, applied)): (&Probe, (f64, Vec<f64>))| Answer {
            outputs: Matrix::default(),
            scalar: factor * scalar,
            applied: if probe.want_applied { applied.into() } else { RVec::new() },
        };
        Ok(probes.iter().zip(found).map(answer).collect())
    }

    /// Consecutive probes on the batch, each at its own configuration.
    fn batch(
        &mut self,
        probes: &[Probe],
        first: usize,
        round: Round<'_>,
        want: Option<Want>,
    ) -> Result<Vec<Answer>, SessionError> {
        let (scaled, clipped) = self.input.apply(round.x, self.driver.descriptor(), &self.options.name)?;
        let groups = self.planned(probes, first, round)?;
        let want_applied = probes.iter().any(|p| p.want_applied);
        let bases = [self.params.as_slice(), self.previous.as_slice()];
        let sent = self.driver.groups(bases, &groups, &scaled, want_applied)?;
        let mut answers = Vec::with_capacity(probes.len());
        for ((probe, group), (mut y, applied)) in probes.iter().zip(&groups).zip(sent) {
            self.scale_back(&mut y);
            self.keep(&group.params, (round.x, &scaled, &clipped), &y);
            answers.push(self.answer(probe, y, applied, round, want)?);
        }
        Ok(answers)
    }

    /// One probe by itself.
    fn one(
        &mut self,
        probe: &Probe,
        index: usize,
        round: Round<'_>,
        want: Option<Want>,
    ) -> Result<Answer, SessionError> {
        let params = self.expand(&probe.set)?;
        let call = self.call(round.step, round.purpose, round.round, index as u32);
        let y = match probe.inputs {
            Inputs::Batch => {
                self.forward_at(&params, round.x, (round.step, round.purpose, round.round, index as u32))?
            }
            Inputs::Own => self.own(probe, &params, call)?,
        };
        let applied = if probe.want_applied { self.driver.applied(&params, call)? } else { Vec::new() };
        self.answer(probe, y, applied, round, want)
    }

    /// A probe's own vectors: scaled into range, and the answers scaled back.
    fn own(&mut self, probe: &Probe, params: &[f64], call: Call) -> Result<Matrix, SessionError> {
        let backward = probe.way == Way::Backward;
        let descriptor = self.driver.descriptor();
        let width = if backward { descriptor.output.width } else { descriptor.input.width };
        if probe.own.columns != width || probe.own.data.len() != probe.own.rows * width {
            return Err(SessionError::Method(format!(
                "a probe sends vectors of {} elements to device `{}`, which takes {width}",
                probe.own.columns,
                self.name()
            )));
        }
        if let Some(v) = probe.own.data.iter().find(|v| !v.is_finite()) {
            return Err(SessionError::Method(format!("a probe of device `{}` holds {v}", self.name())));
        }
        if !descriptor.has(structure::LINEAR_IN_X) {
            // What a non-linear device answers cannot be scaled back: such probes are sent as the batch is.
            return self.forward_at(params, &probe.own, (call.step, call.purpose, call.round, call.set));
        }
        let (scaled, factors) = self.input.probe(&probe.own, descriptor);
        let mut y = if backward {
            self.driver.group_backward(params, &scaled, call)?
        } else {
            self.driver.group(params, &scaled, call)?
        };
        for (r, factor) in factors.iter().enumerate() {
            y.row_mut(r).iter_mut().for_each(|v| *v *= factor);
        }
        if !backward {
            self.keep(params, (&probe.own, &scaled, &[]), &y);
        }
        Ok(y)
    }

    fn fits(&self, cotangent: &Matrix, (rows, columns): (usize, usize)) -> Result<(), SessionError> {
        if (cotangent.rows, cotangent.columns) == (rows, columns) {
            return Ok(());
        }
        Err(SessionError::Method(format!(
            "a probe of device `{}` has a cotangent of {} x {} for outputs of {rows} x {columns}",
            self.name(),
            cotangent.rows,
            cotangent.columns,
        )))
    }

    fn answer(
        &self,
        probe: &Probe,
        y: Matrix,
        applied: Vec<f64>,
        round: Round<'_>,
        want: Option<Want>,
    ) -> Result<Answer, SessionError> {
        let applied: RVec<f64> = if probe.want_applied { applied.into() } else { RVec::new() };
        match want.unwrap_or(probe.want) {
            Want::Outputs => Ok(Answer { outputs: y, scalar: 0.0, applied }),
            Want::Scalar => {
                let v = if probe.cotangent.is_empty() { round.cotangent } else { &probe.cotangent };
                self.fits(v, (y.rows, y.columns))?;
                let scalar = y.data.iter().zip(v.data.iter()).map(|(y, v)| y * v).sum();
                Ok(Answer { outputs: Matrix::default(), scalar, applied })
            }
            Want::Loss => Err(SessionError::Method("the loss of a network is not the device's to answer".into())),
        }
    }
}

/// Most probes that are planned at once: bounds the memory of a round.
const PROBES_AT_ONCE: usize = 1024;

/// True for probes that can share a call: on the batch, forwards, each at its own point.
fn sent_together(probe: &Probe) -> bool {
    probe.set.form != Form::Base && probe.inputs == Inputs::Batch && probe.way == Way::Forward
}
