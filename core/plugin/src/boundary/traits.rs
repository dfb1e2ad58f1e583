//! The three traits with a C layout, method for method.

// `sabi_trait` generates unsafe code and local implementations, and repeats the longest signature in several places.
#![allow(unsafe_code, non_local_definitions, unused_qualifications)]
#![allow(clippy::too_many_arguments, clippy::type_complexity)]

use crate::{
    Answer, Applied, ArrayView, ArrayViewMut, Ask, Call, Context, Cost, CostInputs, Descriptor, Factors, Health,
    Matrix, ParameterSet, PluginError,
};
use abi_stable::{
    sabi_trait,
    std_types::{RBox, RResult, RSlice, RSliceMut, RVec},
};

/// [`crate::Device`] with a C layout.
#[sabi_trait]
pub trait DeviceAbi: Send {
    /// See [`crate::Device::descriptor`].
    fn descriptor(&self) -> Descriptor;
    /// See [`crate::Device::write_params`].
    fn write_params(&mut self, params: RSlice<'_, f64>, call: &Call) -> RResult<Applied, PluginError>;
    /// See [`crate::Device::query`].
    fn query(&mut self, x: ArrayView<'_>, y: ArrayViewMut<'_>, call: &Call) -> RResult<(), PluginError>;
    /// See [`crate::Device::query_sets`].
    fn query_sets(
        &mut self,
        current: RSlice<'_, f64>,
        previous: RSlice<'_, f64>,
        sets: RSlice<'_, ParameterSet>,
        calls: RSlice<'_, Call>,
        x: ArrayView<'_>,
        y: ArrayViewMut<'_>,
        want_applied: bool,
    ) -> RResult<RVec<Applied>, PluginError>;
    /// See [`crate::Device::query_backward`].
    fn query_backward(&mut self, y: ArrayView<'_>, x: ArrayViewMut<'_>, call: &Call) -> RResult<(), PluginError>;
    /// See [`crate::Device::read_matrix`].
    fn read_matrix(&mut self, call: &Call) -> RResult<Matrix, PluginError>;
    /// See [`crate::Device::read_params`].
    fn read_params(&mut self) -> RResult<RVec<f64>, PluginError>;
    /// See [`crate::Device::set_full_scale`].
    fn set_full_scale(&mut self, full_scale: f64) -> RResult<(), PluginError>;
    /// See [`crate::Device::safe_state`].
    fn safe_state(&mut self) -> RResult<(), PluginError>;
    /// See [`crate::Device::save_state`].
    fn save_state(&self) -> RResult<RVec<u8>, PluginError>;
    /// See [`crate::Device::restore_state`].
    #[sabi(last_prefix_field)]
    fn restore_state(&mut self, state: RSlice<'_, u8>) -> RResult<(), PluginError>;
    /// See [`crate::Device::exact_vjp`]. Since 0.2: what older libraries lack is answered here.
    fn exact_vjp(
        &mut self,
        x: ArrayView<'_>,
        dy: ArrayView<'_>,
        dx: ArrayViewMut<'_>,
        dparams: RSliceMut<'_, f64>,
        call: &Call,
    ) -> RResult<(), PluginError> {
        let _ = (x, dy, dx, dparams, call);
        RResult::RErr(PluginError::new(crate::Code::UNSUPPORTED, "the device has no exact_vjp"))
    }
    /// See [`crate::Device::query_scalars`]. Since 0.3.
    fn query_scalars(
        &mut self,
        current: RSlice<'_, f64>,
        previous: RSlice<'_, f64>,
        sets: RSlice<'_, ParameterSet>,
        calls: RSlice<'_, Call>,
        x: ArrayView<'_>,
        cotangent: ArrayView<'_>,
        scalars: RSliceMut<'_, f64>,
        want_applied: bool,
    ) -> RResult<RVec<Applied>, PluginError> {
        let _ = (current, previous, sets, calls, x, cotangent, scalars, want_applied);
        RResult::RErr(PluginError::new(crate::Code::UNSUPPORTED, "the device has no query_scalars"))
    }
    /// See [`crate::Device::health`]. Since 0.5.
    fn health(&mut self) -> RResult<Health, PluginError> {
        RResult::ROk(Health::default())
    }
    /// See [`crate::Device::calibrate`]. Since 0.5.
    fn calibrate(&mut self) -> RResult<(), PluginError> {
        RResult::RErr(PluginError::new(crate::Code::UNSUPPORTED, "the device has no calibrate"))
    }
}

/// [`crate::Estimator`] with a C layout.
#[sabi_trait]
pub trait EstimatorAbi: Send {
    /// See [`crate::Estimator::ask`].
    fn ask(&mut self, context: &Context<'_>) -> RResult<Ask, PluginError>;
    /// See [`crate::Estimator::tell`].
    fn tell(&mut self, context: &Context<'_>, answers: RSlice<'_, Answer>) -> RResult<(), PluginError>;
    /// See [`crate::Estimator::cost`].
    fn cost(&self, inputs: &CostInputs) -> Cost;
    /// See [`crate::Estimator::save`].
    fn save(&self) -> RResult<RVec<u8>, PluginError>;
    /// See [`crate::Estimator::restore`].
    #[sabi(last_prefix_field)]
    fn restore(&mut self, state: RSlice<'_, u8>) -> RResult<(), PluginError>;
}

/// [`crate::Surrogate`] with a C layout.
#[sabi_trait]
pub trait SurrogateAbi: Send {
    /// See [`crate::Surrogate::ask`].
    fn ask(&mut self, context: &Context<'_>) -> RResult<Ask, PluginError>;
    /// See [`crate::Surrogate::tell`].
    fn tell(&mut self, context: &Context<'_>, answers: RSlice<'_, Answer>) -> RResult<(), PluginError>;
    /// See [`crate::Surrogate::backward`].
    fn backward(&self, x: ArrayView<'_>, grad_y: ArrayView<'_>, grad_x: ArrayViewMut<'_>) -> RResult<(), PluginError>;
    /// See [`crate::Surrogate::factors`].
    fn factors(&self) -> Factors;
    /// See [`crate::Surrogate::observe`].
    fn observe(&mut self, params: RSlice<'_, f64>, x: ArrayView<'_>, y: ArrayView<'_>) -> RResult<(), PluginError>;
    /// See [`crate::Surrogate::cost`].
    fn cost(&self, inputs: &CostInputs) -> Cost;
    /// See [`crate::Surrogate::save`].
    fn save(&self) -> RResult<RVec<u8>, PluginError>;
    /// See [`crate::Surrogate::restore`].
    #[sabi(last_prefix_field)]
    fn restore(&mut self, state: RSlice<'_, u8>) -> RResult<(), PluginError>;
}

/// A device of a library.
pub type DeviceObject = DeviceAbi_TO<'static, RBox<()>>;
/// An estimator of a library.
pub type EstimatorObject = EstimatorAbi_TO<'static, RBox<()>>;
/// A surrogate of a library.
pub type SurrogateObject = SurrogateAbi_TO<'static, RBox<()>>;
