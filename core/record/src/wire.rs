//! Plain data as it lies in a log. One description of a type serves for writing and for reading it.

use blackbeam_plugin::{
    AtRange, Call, Code, Descriptor, Dtype, Energy, Health, Limits, Parameter, ParameterKind, PluginError, Port,
    Purpose, RString, Timeouts, Timing,
};

/// The bytes are not what they should be.
pub(crate) type Result<T = ()> = std::result::Result<T, String>;

/// Writes or reads numbers.
pub(crate) trait Wire {
    fn bytes<const N: usize>(&mut self, value: &mut [u8; N]) -> Result;
    fn text(&mut self, value: &mut RString) -> Result;
    fn list<T>(
        &mut self,
        items: &mut Vec<T>,
        blank: impl Fn() -> T,
        each: impl Fn(&mut Self, &mut T) -> Result,
    ) -> Result;

    fn u8(&mut self, value: &mut u8) -> Result {
        let mut bytes = [*value];
        self.bytes(&mut bytes)?;
        *value = bytes[0];
        Ok(())
    }

    fn u32(&mut self, value: &mut u32) -> Result {
        let mut bytes = value.to_le_bytes();
        self.bytes(&mut bytes)?;
        *value = u32::from_le_bytes(bytes);
        Ok(())
    }

    fn u64(&mut self, value: &mut u64) -> Result {
        let mut bytes = value.to_le_bytes();
        self.bytes(&mut bytes)?;
        *value = u64::from_le_bytes(bytes);
        Ok(())
    }

    fn f64(&mut self, value: &mut f64) -> Result {
        let mut bytes = value.to_le_bytes();
        self.bytes(&mut bytes)?;
        *value = f64::from_le_bytes(bytes);
        Ok(())
    }

    fn flag(&mut self, value: &mut bool) -> Result {
        let mut byte = u8::from(*value);
        self.u8(&mut byte)?;
        *value = byte != 0;
        Ok(())
    }

    fn size(&mut self, value: &mut usize) -> Result {
        let mut wide = *value as u64;
        self.u64(&mut wide)?;
        *value = usize::try_from(wide).map_err(|_| format!("a size of {wide}"))?;
        Ok(())
    }

    /// One of a few values, by its number.
    fn one_of<T: Copy>(&mut self, value: &mut T, number: impl Fn(T) -> u8, all: &[T]) -> Result {
        let mut byte = number(*value);
        self.u8(&mut byte)?;
        *value = all.iter().copied().find(|v| number(*v) == byte).ok_or_else(|| format!("a kind of number {byte}"))?;
        Ok(())
    }
}

/// Writes.
pub(crate) struct Out<'a>(pub &'a mut Vec<u8>);

impl Wire for Out<'_> {
    fn bytes<const N: usize>(&mut self, value: &mut [u8; N]) -> Result {
        self.0.extend_from_slice(value);
        Ok(())
    }

    fn text(&mut self, value: &mut RString) -> Result {
        self.u64(&mut (value.len() as u64))?;
        self.0.extend_from_slice(value.as_bytes());
        Ok(())
    }

    fn list<T>(&mut self, items: &mut Vec<T>, _: impl Fn() -> T, each: impl Fn(&mut Self, &mut T) -> Result) -> Result {
        self.u64(&mut (items.len() as u64))?;
        items.iter_mut().try_for_each(|item| each(self, item))
    }
}

/// Reads.
pub(crate) struct In<'a>(pub &'a [u8]);

impl<'a> In<'a> {
    /// The next `length` bytes.
    pub fn take(&mut self, length: u64) -> Result<&'a [u8]> {
        let length = usize::try_from(length).ok().filter(|&n| n <= self.0.len());
        let (now, rest) = self.0.split_at(length.ok_or("it ends too early")?);
        self.0 = rest;
        Ok(now)
    }

    /// Nothing may be left.
    pub fn end(&self) -> Result {
        if self.0.is_empty() { Ok(()) } else { Err(format!("{} bytes too many", self.0.len())) }
    }
}

impl Wire for In<'_> {
    fn bytes<const N: usize>(&mut self, value: &mut [u8; N]) -> Result {
        value.copy_from_slice(self.take(N as u64)?);
        Ok(())
    }

    fn text(&mut self, value: &mut RString) -> Result {
        let mut length = 0;
        self.u64(&mut length)?;
        let text = std::str::from_utf8(self.take(length)?).map_err(|_| "a text that is not UTF-8")?;
        *value = text.into();
        Ok(())
    }

    fn list<T>(
        &mut self,
        items: &mut Vec<T>,
        blank: impl Fn() -> T,
        each: impl Fn(&mut Self, &mut T) -> Result,
    ) -> Result {
        let mut length = 0;
        self.u64(&mut length)?;
        items.clear();
        for _ in 0..length {
            let mut item = blank();
            each(self, &mut item)?;
            items.push(item);
        }
        Ok(())
    }
}

/// A call's identity without content.
pub(crate) const NO_CALL: Call =
    Call { stream: 0, step: 0, purpose: Purpose::Forward, round: 0, set: 0, first_row: 0, time_s: 0.0 };

pub(crate) fn call(wire: &mut impl Wire, c: &mut Call) -> Result {
    wire.u64(&mut c.stream)?;
    wire.u64(&mut c.step)?;
    let mut purpose = c.purpose as u32;
    wire.u32(&mut purpose)?;
    let known = Purpose::ALL.into_iter().find(|p| *p as u32 == purpose);
    c.purpose = known.ok_or_else(|| format!("a purpose of number {purpose}"))?;
    wire.u32(&mut c.round)?;
    wire.u32(&mut c.set)?;
    wire.u64(&mut c.first_row)?;
    wire.f64(&mut c.time_s)
}

pub(crate) fn error(wire: &mut impl Wire, e: &mut PluginError) -> Result {
    let Code(code) = &mut e.code;
    wire.u32(code)?;
    wire.text(&mut e.message)?;
    wire.flag(&mut e.retryable)?;
    wire.flag(&mut e.state_known)
}

pub(crate) fn health(wire: &mut impl Wire, h: &mut Health) -> Result {
    wire.flag(&mut h.ready)?;
    wire.flag(&mut h.calibration_stale)?;
    wire.u64(&mut h.boot_id)?;
    wire.f64(&mut h.temperature_c)?;
    wire.text(&mut h.note)
}

const NO_PORT: Port = Port { width: 0, complex: false, min: 0.0, max: 0.0, bits: 0 };

/// A descriptor without content.
pub(crate) fn no_descriptor() -> Descriptor {
    Descriptor {
        name: RString::new(),
        firmware: RString::new(),
        calibration: RString::new(),
        input: NO_PORT,
        output: NO_PORT,
        parameters: Vec::new().into(),
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

fn no_parameter() -> Parameter {
    Parameter {
        name: RString::new(),
        unit: RString::new(),
        min: 0.0,
        max: 0.0,
        initial: 0.0,
        resolution: 0.0,
        period: 0.0,
        kind: ParameterKind::Level,
        at_range: AtRange::Clip,
        group: 0,
        row: 0,
        column: 0,
    }
}

pub(crate) fn descriptor(wire: &mut impl Wire, d: &mut Descriptor) -> Result {
    wire.text(&mut d.name)?;
    wire.text(&mut d.firmware)?;
    wire.text(&mut d.calibration)?;
    port(wire, &mut d.input)?;
    port(wire, &mut d.output)?;
    let mut parameters: Vec<Parameter> = std::mem::take(&mut d.parameters).into();
    wire.list(&mut parameters, no_parameter, |wire, p| parameter(wire, p))?;
    d.parameters = parameters.into();
    wire.one_of(&mut d.dtype, |t| t as u8, &[Dtype::F32, Dtype::F64])?;
    wire.u64(&mut d.structure)?;
    wire.u64(&mut d.can)?;
    wire.size(&mut d.max_batch)?;
    wire.u32(&mut d.vectors_per_row)?;
    wire.f64(&mut d.noise)?;
    timing(wire, &mut d.timing)?;
    let Energy { hold_w, write_j, vector_j } = &mut d.energy;
    [hold_w, write_j, vector_j].into_iter().try_for_each(|v| wire.f64(v))?;
    let Limits { total_power_w, channel_power_w, unit_power_w, slew_per_s, writes } = &mut d.limits;
    [total_power_w, channel_power_w, unit_power_w, slew_per_s].into_iter().try_for_each(|v| wire.f64(v))?;
    wire.u64(writes)?;
    let Timeouts { open_s, write_s, query_s, calibrate_s } = &mut d.timeouts;
    [open_s, write_s, query_s, calibrate_s].into_iter().try_for_each(|v| wire.f64(v))
}

fn port(wire: &mut impl Wire, p: &mut Port) -> Result {
    wire.size(&mut p.width)?;
    wire.flag(&mut p.complex)?;
    wire.f64(&mut p.min)?;
    wire.f64(&mut p.max)?;
    wire.u32(&mut p.bits)
}

fn parameter(wire: &mut impl Wire, p: &mut Parameter) -> Result {
    use ParameterKind::{Binary, Level, Phase, Voltage};
    wire.text(&mut p.name)?;
    wire.text(&mut p.unit)?;
    let Parameter { min, max, initial, resolution, period, .. } = p;
    [min, max, initial, resolution, period].into_iter().try_for_each(|v| wire.f64(v))?;
    wire.one_of(&mut p.kind, |k| k as u8, &[Phase, Voltage, Level, Binary])?;
    wire.one_of(&mut p.at_range, |r| r as u8, &[AtRange::Clip, AtRange::Wrap, AtRange::Reflect])?;
    wire.u32(&mut p.group)?;
    wire.u32(&mut p.row)?;
    wire.u32(&mut p.column)
}

fn timing(wire: &mut impl Wire, t: &mut Timing) -> Result {
    let Timing { write_fixed_s, write_each_s, settle_tau_s, settle_tolerance, trigger_s, frame_s, host_step_s, .. } = t;
    let seconds = [write_fixed_s, write_each_s, settle_tau_s, settle_tolerance, trigger_s, frame_s, host_step_s];
    seconds.into_iter().try_for_each(|v| wire.f64(v))?;
    wire.u32(&mut t.frame_vectors)?;
    wire.u32(&mut t.averages)
}
