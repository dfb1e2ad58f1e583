//! Both ends of an object that crosses the boundary: each hands every call to the other representation.

use super::{DeviceAbi, DeviceObject, EstimatorAbi, EstimatorObject, SurrogateAbi, SurrogateObject};
use crate::{
    Answer, Applied, ArrayView, ArrayViewMut, Ask, Call, Context, Cost, CostInputs, Descriptor, Device, Estimator,
    Factors, Health, Matrix, ParameterSet, PluginError, Result, Surrogate,
};
use abi_stable::std_types::{RResult, RSlice, RSliceMut, RVec};

type Answered<T> = RResult<T, PluginError>;

/// The host's side of an object of a library.
pub(super) struct Remote<T>(pub(super) T);

/// The library's side of an object. It is always the guard that is inside.
pub(crate) struct Exported<T: ?Sized>(pub(crate) Box<T>);

impl Device for Remote<DeviceObject> {
    fn descriptor(&self) -> Descriptor {
        self.0.descriptor()
    }

    fn write_params(&mut self, params: &[f64], call: &Call) -> Result<Applied> {
        self.0.write_params(params.into(), call).into_result()
    }

    fn query(&mut self, x: ArrayView<'_>, y: ArrayViewMut<'_>, call: &Call) -> Result<()> {
        self.0.query(x, y, call).into_result()
    }

    fn query_sets(
        &mut self,
        bases: [&[f64]; 2],
        sets: &[ParameterSet],
        calls: &[Call],
        x: ArrayView<'_>,
        y: ArrayViewMut<'_>,
        want_applied: bool,
    ) -> Result<Vec<Applied>> {
        let [current, previous] = bases;
        let answered =
            self.0.query_sets(current.into(), previous.into(), sets.into(), calls.into(), x, y, want_applied);
        answered.into_result().map(Vec::from)
    }

    fn query_backward(&mut self, y: ArrayView<'_>, x: ArrayViewMut<'_>, call: &Call) -> Result<()> {
        self.0.query_backward(y, x, call).into_result()
    }

    fn read_matrix(&mut self, call: &Call) -> Result<Matrix> {
        self.0.read_matrix(call).into_result()
    }

    fn read_params(&mut self) -> Result<Vec<f64>> {
        self.0.read_params().into_result().map(Vec::from)
    }

    fn set_full_scale(&mut self, full_scale: f64) -> Result<()> {
        self.0.set_full_scale(full_scale).into_result()
    }

    fn safe_state(&mut self) -> Result<()> {
        self.0.safe_state().into_result()
    }

    fn save_state(&self) -> Result<Vec<u8>> {
        self.0.save_state().into_result().map(Vec::from)
    }

    fn restore_state(&mut self, state: &[u8]) -> Result<()> {
        self.0.restore_state(state.into()).into_result()
    }

    fn health(&mut self) -> Result<Health> {
        self.0.health().into_result()
    }

    fn calibrate(&mut self) -> Result<()> {
        self.0.calibrate().into_result()
    }

    fn exact_vjp(
        &mut self,
        x: ArrayView<'_>,
        dy: ArrayView<'_>,
        dx: ArrayViewMut<'_>,
        dparams: &mut [f64],
        call: &Call,
    ) -> Result<()> {
        self.0.exact_vjp(x, dy, dx, dparams.into(), call).into_result()
    }

    fn query_scalars(
        &mut self,
        bases: [&[f64]; 2],
        sets: &[ParameterSet],
        calls: &[Call],
        x: ArrayView<'_>,
        cotangent: ArrayView<'_>,
        scalars: &mut [f64],
        want_applied: bool,
    ) -> Result<Vec<Applied>> {
        let [current, previous] = bases.map(RSlice::from);
        let scalars = scalars.into();
        let answered =
            self.0.query_scalars(current, previous, sets.into(), calls.into(), x, cotangent, scalars, want_applied);
        answered.into_result().map(Vec::from)
    }
}

impl DeviceAbi for Exported<dyn Device> {
    fn descriptor(&self) -> Descriptor {
        self.0.descriptor()
    }

    fn write_params(&mut self, params: RSlice<'_, f64>, call: &Call) -> Answered<Applied> {
        self.0.write_params(params.as_slice(), call).into()
    }

    fn query(&mut self, x: ArrayView<'_>, y: ArrayViewMut<'_>, call: &Call) -> Answered<()> {
        self.0.query(x, y, call).into()
    }

    fn query_sets(
        &mut self,
        current: RSlice<'_, f64>,
        previous: RSlice<'_, f64>,
        sets: RSlice<'_, ParameterSet>,
        calls: RSlice<'_, Call>,
        x: ArrayView<'_>,
        y: ArrayViewMut<'_>,
        want_applied: bool,
    ) -> Answered<RVec<Applied>> {
        let bases = [current.as_slice(), previous.as_slice()];
        self.0.query_sets(bases, sets.as_slice(), calls.as_slice(), x, y, want_applied).map(RVec::from).into()
    }

    fn query_backward(&mut self, y: ArrayView<'_>, x: ArrayViewMut<'_>, call: &Call) -> Answered<()> {
        self.0.query_backward(y, x, call).into()
    }

    fn read_matrix(&mut self, call: &Call) -> Answered<Matrix> {
        self.0.read_matrix(call).into()
    }

    fn read_params(&mut self) -> Answered<RVec<f64>> {
        self.0.read_params().map(RVec::from).into()
    }

    fn set_full_scale(&mut self, full_scale: f64) -> Answered<()> {
        self.0.set_full_scale(full_scale).into()
    }

    fn safe_state(&mut self) -> Answered<()> {
        self.0.safe_state().into()
    }

    fn save_state(&self) -> Answered<RVec<u8>> {
        self.0.save_state().map(RVec::from).into()
    }

    fn restore_state(&mut self, state: RSlice<'_, u8>) -> Answered<()> {
        self.0.restore_state(state.as_slice()).into()
    }

    fn health(&mut self) -> Answered<Health> {
        self.0.health().into()
    }

    fn calibrate(&mut self) -> Answered<()> {
        self.0.calibrate().into()
    }

    fn exact_vjp(
        &mut self,
        x: ArrayView<'_>,
        dy: ArrayView<'_>,
        dx: ArrayViewMut<'_>,
        mut dparams: RSliceMut<'_, f64>,
        call: &Call,
    ) -> Answered<()> {
        self.0.exact_vjp(x, dy, dx, dparams.as_mut_slice(), call).into()
    }

    fn query_scalars(
        &mut self,
        current: RSlice<'_, f64>,
        previous: RSlice<'_, f64>,
        sets: RSlice<'_, ParameterSet>,
        calls: RSlice<'_, Call>,
        x: ArrayView<'_>,
        cotangent: ArrayView<'_>,
        mut scalars: RSliceMut<'_, f64>,
        want_applied: bool,
    ) -> Answered<RVec<Applied>> {
        let bases = [current.as_slice(), previous.as_slice()];
        let (sets, calls, scalars) = (sets.as_slice(), calls.as_slice(), scalars.as_mut_slice());
        self.0.query_scalars(bases, sets, calls, x, cotangent, scalars, want_applied).map(RVec::from).into()
    }
}

impl Estimator for Remote<EstimatorObject> {
    fn ask(&mut self, context: &Context<'_>) -> Result<Ask> {
        self.0.ask(context).into_result()
    }

    fn tell(&mut self, context: &Context<'_>, answers: &[Answer]) -> Result<()> {
        self.0.tell(context, answers.into()).into_result()
    }

    fn cost(&self, inputs: &CostInputs) -> Cost {
        self.0.cost(inputs)
    }

    fn save(&self) -> Result<Vec<u8>> {
        self.0.save().into_result().map(Vec::from)
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        self.0.restore(state.into()).into_result()
    }
}

impl EstimatorAbi for Exported<dyn Estimator> {
    fn ask(&mut self, context: &Context<'_>) -> Answered<Ask> {
        self.0.ask(context).into()
    }

    fn tell(&mut self, context: &Context<'_>, answers: RSlice<'_, Answer>) -> Answered<()> {
        self.0.tell(context, answers.as_slice()).into()
    }

    fn cost(&self, inputs: &CostInputs) -> Cost {
        self.0.cost(inputs)
    }

    fn save(&self) -> Answered<RVec<u8>> {
        self.0.save().map(RVec::from).into()
    }

    fn restore(&mut self, state: RSlice<'_, u8>) -> Answered<()> {
        self.0.restore(state.as_slice()).into()
    }
}

impl Surrogate for Remote<SurrogateObject> {
    fn ask(&mut self, context: &Context<'_>) -> Result<Ask> {
        self.0.ask(context).into_result()
    }

    fn tell(&mut self, context: &Context<'_>, answers: &[Answer]) -> Result<()> {
        self.0.tell(context, answers.into()).into_result()
    }

    fn backward(&self, x: ArrayView<'_>, grad_y: ArrayView<'_>, grad_x: ArrayViewMut<'_>) -> Result<()> {
        self.0.backward(x, grad_y, grad_x).into_result()
    }

    fn factors(&self) -> Factors {
        self.0.factors()
    }

    fn observe(&mut self, params: &[f64], x: ArrayView<'_>, y: ArrayView<'_>) -> Result<()> {
        self.0.observe(params.into(), x, y).into_result()
    }

    fn cost(&self, inputs: &CostInputs) -> Cost {
        self.0.cost(inputs)
    }

    fn save(&self) -> Result<Vec<u8>> {
        self.0.save().into_result().map(Vec::from)
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        self.0.restore(state.into()).into_result()
    }
}

impl SurrogateAbi for Exported<dyn Surrogate> {
    fn ask(&mut self, context: &Context<'_>) -> Answered<Ask> {
        self.0.ask(context).into()
    }

    fn tell(&mut self, context: &Context<'_>, answers: RSlice<'_, Answer>) -> Answered<()> {
        self.0.tell(context, answers.as_slice()).into()
    }

    fn backward(&self, x: ArrayView<'_>, grad_y: ArrayView<'_>, grad_x: ArrayViewMut<'_>) -> Answered<()> {
        self.0.backward(x, grad_y, grad_x).into()
    }

    fn factors(&self) -> Factors {
        self.0.factors()
    }

    fn observe(&mut self, params: RSlice<'_, f64>, x: ArrayView<'_>, y: ArrayView<'_>) -> Answered<()> {
        self.0.observe(params.as_slice(), x, y).into()
    }

    fn cost(&self, inputs: &CostInputs) -> Cost {
        self.0.cost(inputs)
    }

    fn save(&self) -> Answered<RVec<u8>> {
        self.0.save().map(RVec::from).into()
    }

    fn restore(&mut self, state: RSlice<'_, u8>) -> Answered<()> {
        self.0.restore(state.as_slice()).into()
    }
}
