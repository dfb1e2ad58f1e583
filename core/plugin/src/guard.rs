//! The guard around everything that a plugin's author wrote: a panic becomes an error with the panic's message, and what
//! panicked is not called again, but for the safe state of a device.
//!
//! Calls that cannot fail by their signature ([`Estimator::cost`], [`Surrogate::factors`], ...) answer with an empty
//! value; the next call that can fail reports what happened.

use crate::{
    Answer, Applied, ArrayView, ArrayViewMut, Ask, Call, Code, Context, Cost, CostInputs, Descriptor, Device,
    DevicePlugin, Estimator, EstimatorPlugin, Factors, Health, Manifest, Matrix, Open, ParameterSet, Plugin,
    PluginError, Result, SafeState, Surrogate, SurrogatePlugin,
};
use std::{
    any::Any,
    cell::{Cell, OnceCell, RefCell},
    panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook},
    sync::Arc,
    time::Duration,
};

/// The same plugin behind the guard: neither its constructor nor what it makes can panic any more.
///
/// # Errors
/// `PANIC` if it panics while it says what it is; `UNSUPPORTED` if its manifest names another kind.
pub fn guard(plugin: Plugin) -> Result<Plugin> {
    let manifest = catch(|| Ok(plugin.manifest()))?;
    if manifest.kind != plugin.kind() {
        let (name, says, is) = (&manifest.name, manifest.kind.name(), plugin.kind().name());
        let message = format!("the manifest of `{name}` says {says}, but it is registered as {is}");
        return Err(PluginError::new(Code::UNSUPPORTED, message));
    }
    Ok(match plugin {
        Plugin::Device(inner) => Plugin::Device(Box::new(Factory { inner, manifest })),
        Plugin::Estimator(inner) => Plugin::Estimator(Box::new(Factory { inner, manifest })),
        Plugin::Surrogate(inner) => Plugin::Surrogate(Box::new(Factory { inner, manifest })),
    })
}

/// Calls `call`; a panic in it is an error with code `PANIC`, after which the state of what was called is unknown.
pub(crate) fn catch<R>(call: impl FnOnce() -> Result<R>) -> Result<R> {
    DEPTH.set(DEPTH.get() + 1);
    let result = catch_unwind(AssertUnwindSafe(call));
    DEPTH.set(DEPTH.get() - 1);
    result.unwrap_or_else(|payload| {
        let place = PLACE.take().map(|place| format!(" at {place}")).unwrap_or_default();
        let message = format!("the plugin panicked{place}: {}", text(payload.as_ref()));
        // The payload is a value of the author's, whose destructor may panic too.
        std::mem::forget(payload);
        Err(PluginError::new(Code::PANIC, message).with_unknown_state())
    })
}

thread_local! {
    /// Guards around the running call.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    /// Where the last panic inside a guard happened.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Makes panics inside a guard silent, and remembers their place for the error message. For shared libraries, which have
/// a panic hook of their own: the host's is not touched. With `RUST_BACKTRACE` set the panic is printed as usual.
pub fn quiet_panics() {
    let loud = take_hook();
    let backtrace = std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0");
    set_hook(Box::new(move |info| {
        let guarded = DEPTH.try_with(Cell::get).is_ok_and(|depth| depth > 0);
        if guarded {
            PLACE.set(info.location().map(|l| format!("{}:{}", l.file(), l.line())));
        }
        if !guarded || backtrace {
            loud(info);
        }
    }));
}

fn text(payload: &(dyn Any + Send)) -> &str {
    let owned = payload.downcast_ref::<String>().map(String::as_str);
    owned.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("(no message)")
}

/// A matrix must hold what its shape says before anything indexes into it.
fn whole(what: &str, matrix: &Matrix) -> Result<()> {
    if matrix.rows.checked_mul(matrix.columns) == Some(matrix.data.len()) {
        return Ok(());
    }
    let (rows, columns, held) = (matrix.rows, matrix.columns, matrix.data.len());
    Err(PluginError::new(Code::SHAPE, format!("{what} is declared as {rows} x {columns} but holds {held} numbers")))
}

fn whole_ask(ask: Ask) -> Result<Ask> {
    for probe in ask.probes.iter() {
        whole("a probe's input", &probe.own)?;
        whole("a probe's cotangent", &probe.cotangent)?;
    }
    Ok(ask)
}

/// An object of the author's, with what made it unusable.
struct Guarded<T: ?Sized> {
    /// Taken when the guard is dropped.
    inner: Option<Box<T>>,
    fault: OnceCell<PluginError>,
}

impl<T: ?Sized> Guarded<T> {
    fn new(inner: Box<T>) -> Self {
        Guarded { inner: Some(inner), fault: OnceCell::new() }
    }

    fn usable(&self) -> Result<()> {
        let Some(fault) = self.fault.get() else { return Ok(()) };
        let message = format!("the plugin cannot be used any more: {}", fault.message);
        Err(PluginError::new(Code::FATAL, message).with_unknown_state())
    }

    fn noted<R>(&self, result: Result<R>) -> Result<R> {
        if let Err(error) = &result
            && error.code == Code::PANIC
        {
            self.spoil(error);
        }
        result
    }

    fn spoil(&self, error: &PluginError) {
        // Only the first fault is kept: the others follow from it.
        let _ = self.fault.set(error.clone());
    }

    fn read<R>(&self, call: impl FnOnce(&T) -> Result<R>) -> Result<R> {
        self.usable()?;
        let inner = self.inner.as_deref().expect("the object is taken only when the guard is dropped");
        self.noted(catch(|| call(inner)))
    }

    fn write<R>(&mut self, call: impl FnOnce(&mut T) -> Result<R>) -> Result<R> {
        self.usable()?;
        let inner = self.inner.as_deref_mut().expect("the object is taken only when the guard is dropped");
        let result = catch(|| call(inner));
        self.noted(result)
    }
}

impl<T: ?Sized> Drop for Guarded<T> {
    fn drop(&mut self) {
        let inner = self.inner.take();
        // A destructor has nobody to report a panic to.
        let _ = catch(|| {
            drop(inner);
            Ok(())
        });
    }
}

/// A guarded constructor.
struct Factory<T: ?Sized> {
    inner: Box<T>,
    manifest: Manifest,
}

impl DevicePlugin for Factory<dyn DevicePlugin> {
    fn manifest(&self) -> Manifest {
        self.manifest.clone()
    }

    fn open(&self, open: &Open) -> Result<Box<dyn Device>> {
        let guarded = Guarded::new(catch(|| self.inner.open(open))?);
        let descriptor = guarded.read(|device| Ok(device.descriptor()))?;
        Ok(Box::new(GuardedDevice { guarded, descriptor }))
    }
}

impl EstimatorPlugin for Factory<dyn EstimatorPlugin> {
    fn manifest(&self) -> Manifest {
        self.manifest.clone()
    }

    fn make(&self, open: &Open, device: &Descriptor) -> Result<Box<dyn Estimator>> {
        Ok(Box::new(Guarded::new(catch(|| self.inner.make(open, device))?)))
    }
}

impl SurrogatePlugin for Factory<dyn SurrogatePlugin> {
    fn manifest(&self) -> Manifest {
        self.manifest.clone()
    }

    fn make(&self, open: &Open, device: &Descriptor) -> Result<Box<dyn Surrogate>> {
        Ok(Box::new(Guarded::new(catch(|| self.inner.make(open, device))?)))
    }
}

struct GuardedDevice {
    guarded: Guarded<dyn Device>,
    descriptor: Descriptor,
}

impl Device for GuardedDevice {
    fn descriptor(&self) -> Descriptor {
        self.descriptor.clone()
    }

    fn write_params(&mut self, params: &[f64], call: &Call) -> Result<Applied> {
        self.guarded.write(|d| d.write_params(params, call))
    }

    fn query(&mut self, x: ArrayView<'_>, y: ArrayViewMut<'_>, call: &Call) -> Result<()> {
        self.guarded.write(|d| d.query(x, y, call))
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
        self.guarded.write(|d| d.query_sets(bases, sets, calls, x, y, want_applied))
    }

    fn query_backward(&mut self, y: ArrayView<'_>, x: ArrayViewMut<'_>, call: &Call) -> Result<()> {
        self.guarded.write(|d| d.query_backward(y, x, call))
    }

    fn read_matrix(&mut self, call: &Call) -> Result<Matrix> {
        let matrix = self.guarded.write(|d| d.read_matrix(call))?;
        whole("the device's matrix", &matrix).map(|()| matrix)
    }

    fn read_params(&mut self) -> Result<Vec<f64>> {
        self.guarded.write(|d| d.read_params())
    }

    fn set_full_scale(&mut self, full_scale: f64) -> Result<()> {
        self.guarded.write(|d| d.set_full_scale(full_scale))
    }

    /// Also of a device that has panicked: hardware must not be left as it is because its driver is broken.
    fn safe_state(&mut self) -> Result<()> {
        let inner = self.guarded.inner.as_deref_mut();
        let inner = inner.expect("the object is taken only when the guard is dropped");
        let result = catch(|| inner.safe_state());
        self.guarded.noted(result)
    }

    fn save_state(&self) -> Result<Vec<u8>> {
        self.guarded.read(|d| d.save_state())
    }

    fn restore_state(&mut self, state: &[u8]) -> Result<()> {
        self.guarded.write(|d| d.restore_state(state))
    }

    fn safe_state_anywhere(&self) -> Option<SafeState> {
        let anywhere = self.guarded.read(|d| Ok(d.safe_state_anywhere())).ok()??;
        Some(Arc::new(move || catch(|| anywhere())))
    }

    fn settling(&self) -> Duration {
        self.guarded.read(|d| Ok(d.settling())).unwrap_or_default()
    }

    fn health(&mut self) -> Result<Health> {
        self.guarded.write(|d| d.health())
    }

    fn calibrate(&mut self) -> Result<()> {
        self.guarded.write(|d| d.calibrate())
    }

    fn exact_vjp(
        &mut self,
        x: ArrayView<'_>,
        dy: ArrayView<'_>,
        dx: ArrayViewMut<'_>,
        dparams: &mut [f64],
        call: &Call,
    ) -> Result<()> {
        self.guarded.write(|d| d.exact_vjp(x, dy, dx, dparams, call))
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
        self.guarded.write(|d| d.query_scalars(bases, sets, calls, x, cotangent, scalars, want_applied))
    }
}

impl Estimator for Guarded<dyn Estimator> {
    fn ask(&mut self, context: &Context<'_>) -> Result<Ask> {
        self.write(|e| e.ask(context)).and_then(whole_ask)
    }

    fn tell(&mut self, context: &Context<'_>, answers: &[Answer]) -> Result<()> {
        self.write(|e| e.tell(context, answers))
    }

    fn cost(&self, inputs: &CostInputs) -> Cost {
        self.read(|e| Ok(e.cost(inputs))).unwrap_or_default()
    }

    fn save(&self) -> Result<Vec<u8>> {
        self.read(|e| e.save())
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        self.write(|e| e.restore(state))
    }
}

impl Surrogate for Guarded<dyn Surrogate> {
    fn ask(&mut self, context: &Context<'_>) -> Result<Ask> {
        self.write(|s| s.ask(context)).and_then(whole_ask)
    }

    fn tell(&mut self, context: &Context<'_>, answers: &[Answer]) -> Result<()> {
        self.write(|s| s.tell(context, answers))
    }

    fn backward(&self, x: ArrayView<'_>, grad_y: ArrayView<'_>, grad_x: ArrayViewMut<'_>) -> Result<()> {
        self.read(|s| s.backward(x, grad_y, grad_x))
    }

    fn factors(&self) -> Factors {
        let checked = self.read(|s| Ok(s.factors())).and_then(|factors| {
            whole("the factor U", &factors.u)?;
            whole("the factor S", &factors.s)?;
            whole("the factor V", &factors.v)?;
            Ok(factors)
        });
        checked.inspect_err(|error| self.spoil(error)).unwrap_or_default()
    }

    fn observe(&mut self, params: &[f64], x: ArrayView<'_>, y: ArrayView<'_>) -> Result<()> {
        self.write(|s| s.observe(params, x, y))
    }

    fn cost(&self, inputs: &CostInputs) -> Cost {
        self.read(|s| Ok(s.cost(inputs))).unwrap_or_default()
    }

    fn save(&self) -> Result<Vec<u8>> {
        self.read(|s| s.save())
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        self.write(|s| s.restore(state))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dtype, Energy, Kind, Limits, Port, Probe, RVec, Timeouts, Timing};

    /// Panics in `cost` and when it is dropped; asks with a matrix that does not hold what it declares.
    struct Broken;

    impl Estimator for Broken {
        fn ask(&mut self, _: &Context<'_>) -> Result<Ask> {
            unreachable!("not asked in this test")
        }
        fn tell(&mut self, _: &Context<'_>, _: &[Answer]) -> Result<()> {
            Ok(())
        }
        fn cost(&self, inputs: &CostInputs) -> Cost {
            panic!("no cost for a batch of {}", inputs.batch)
        }
    }

    impl Drop for Broken {
        fn drop(&mut self) {
            panic!("while dropped");
        }
    }

    struct BrokenPlugin;

    impl EstimatorPlugin for BrokenPlugin {
        fn manifest(&self) -> Manifest {
            Manifest {
                name: "broken".into(),
                version: "1.0.0".into(),
                kind: Kind::Estimator,
                licence: "MIT".into(),
                summary: "".into(),
                capabilities: 0,
                needs: 0,
                requires: 0,
                settings_schema: "{}".into(),
            }
        }
        fn make(&self, _: &Open, device: &Descriptor) -> Result<Box<dyn Estimator>> {
            assert!(device.n_params() > 0, "a device without parameters");
            Ok(Box::new(Broken))
        }
    }

    /// A device without inputs, outputs and parameters.
    fn unconnected() -> Descriptor {
        let port = Port { width: 0, complex: false, min: -1.0, max: 1.0, bits: 0 };
        Descriptor {
            name: "unconnected".into(),
            firmware: "".into(),
            calibration: "".into(),
            input: port,
            output: port,
            parameters: RVec::new(),
            dtype: Dtype::F64,
            structure: 0,
            can: 0,
            max_batch: 0,
            vectors_per_row: 1,
            noise: 0.0,
            timing: Timing::default(),
            energy: Energy::default(),
            limits: Limits::default(),
            timeouts: Timeouts::default(),
        }
    }

    #[test]
    fn a_panic_is_an_error_and_the_object_is_not_called_again() {
        let mut broken: Guarded<dyn Estimator> = Guarded::new(Box::new(Broken));
        assert_eq!(broken.save().unwrap(), Vec::<u8>::new());
        let inputs = CostInputs { step: 0, start: false, batch: 7, n_params: 1, d_in: 1, d_out: 1 };
        assert_eq!(broken.cost(&inputs), Cost::default());
        let error = broken.restore(&[]).unwrap_err();
        assert_eq!((error.code, error.state_known), (Code::FATAL, false));
        assert!(error.message.contains("no cost for a batch of 7"), "{error}");
        drop(broken);
    }

    struct WrongKind;

    impl SurrogatePlugin for WrongKind {
        fn manifest(&self) -> Manifest {
            BrokenPlugin.manifest()
        }
        fn make(&self, _: &Open, _: &Descriptor) -> Result<Box<dyn Surrogate>> {
            unreachable!("not made in this test")
        }
    }

    #[test]
    fn a_manifest_of_another_kind_is_refused() {
        let error = guard(Plugin::Surrogate(Box::new(WrongKind))).err().unwrap();
        assert_eq!(error.message, "the manifest of `broken` says estimator, but it is registered as surrogate");
    }

    #[test]
    fn a_panic_in_a_constructor_is_an_error() {
        let Plugin::Estimator(plugin) = guard(Plugin::Estimator(Box::new(BrokenPlugin))).unwrap() else {
            panic!("an estimator stays an estimator")
        };
        assert_eq!(plugin.manifest().name, "broken");
        let open = Open { settings: "{}".into(), seed: 0, threads: 1, ideal: false };
        let error = plugin.make(&open, &unconnected()).err().unwrap();
        assert_eq!(error.code, Code::PANIC);
        assert!(error.message.contains("a device without parameters"), "{error}");
    }

    #[test]
    fn a_matrix_that_is_not_whole_is_refused() {
        let mut probe = Probe::now(Matrix::zeros(2, 3));
        assert!(whole_ask(Ask::probes(vec![probe.clone()])).is_ok());
        probe.own.rows = usize::MAX;
        let error = whole_ask(Ask::probes(vec![probe])).unwrap_err();
        assert_eq!(error.code, Code::SHAPE);
    }
}
