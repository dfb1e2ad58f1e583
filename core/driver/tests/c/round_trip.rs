//! A device in Rust, through the table and back: what is asked of the one side arrives at the other.

use blackbeam_driver::{
    host::{AbiVersion, Library},
    table::{DeviceTable, Error, HEALTH_READY, Health, NAME_SIZE, OK},
};
use blackbeam_plugin::*;
use std::{ffi::c_char, ptr::null_mut};

/// Something of everything that the table can carry: y = P x + e with P [2, 3] the parameters, within [-1, 1] in steps of a
/// quarter, and e the identity of the call. The settings are a word: what goes wrong.
struct Everything {
    p: Vec<f64>,
    full_scale: f64,
    fault: String,
}

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "ü"];

fn identity(call: &Call) -> f64 {
    let Call { stream, step, purpose, round, set, first_row, time_s } = *call;
    stream as f64 + 10.0 * step as f64 + f64::from(purpose as u32 + round + set) + first_row as f64 + time_s
}

impl Everything {
    fn fail(&self, when: &str) -> Result<()> {
        match self.fault.strip_prefix(when) {
            Some(":panic") => panic!("asked to panic in {when}"),
            Some(":io") => Err(PluginError::retryable(Code::IO, "line cut: é").with_unknown_state()),
            Some(":long") => Err(PluginError::new(Code::OVERTEMP, "ü".repeat(4000))),
            _ => Ok(()),
        }
    }

    fn row(&self, x: &[f64], call: &Call) -> [f64; 2] {
        [0, 1].map(|r| (0..3).map(|c| self.p[3 * r + c] * x[c]).sum::<f64>() + identity(call))
    }
}

impl Device for Everything {
    fn descriptor(&self) -> Descriptor {
        let port = |width, complex| Port { width, complex, min: -2.0, max: f64::INFINITY, bits: 7 };
        let parameter = |(i, name): (usize, &&str)| Parameter {
            name: (*name).into(),
            unit: "rad".into(),
            min: -1.0,
            max: 1.0,
            initial: i as f64 / 10.0,
            resolution: 0.25,
            period: 6.0,
            kind: [ParameterKind::Phase, ParameterKind::Voltage, ParameterKind::Level, ParameterKind::Binary][i % 4],
            at_range: [AtRange::Clip, AtRange::Wrap, AtRange::Reflect][i % 3],
            group: 1,
            row: i as u32 / 3,
            column: i as u32 % 3,
        };
        Descriptor {
            name: "everything".into(),
            firmware: "f 1".into(),
            calibration: "c 2".into(),
            input: port(3, false),
            output: port(2, true),
            parameters: NAMES.iter().enumerate().map(parameter).collect(),
            dtype: Dtype::F64,
            structure: structure::PASSIVE | structure::LOCAL,
            can: can::QUERY_SETS | can::BACKWARD | can::READ_MATRIX | can::READ_PARAMS | can::FULL_SCALE,
            max_batch: 77,
            vectors_per_row: 2,
            noise: 0.125,
            timing: Timing {
                write_fixed_s: 1.0,
                write_each_s: 2.0,
                settle_tau_s: 3.0,
                settle_tolerance: 4.0,
                trigger_s: 5.0,
                frame_s: 6.0,
                frame_vectors: 7,
                averages: 8,
                host_step_s: 9.0,
            },
            energy: Energy { hold_w: 10.0, write_j: 11.0, vector_j: 12.0 },
            limits: Limits {
                total_power_w: 13.0,
                channel_power_w: 14.0,
                unit_power_w: 15.0,
                slew_per_s: 16.0,
                writes: 17,
            },
            timeouts: Timeouts { open_s: 18.0, write_s: 19.0, query_s: 20.0, calibrate_s: 21.0 },
        }
    }

    fn write_params(&mut self, params: &[f64], call: &Call) -> Result<Applied> {
        self.fail("write")?;
        self.p = params.iter().map(|p| (p.clamp(-1.0, 1.0) * 4.0).round() / 4.0).collect();
        assert!(identity(call).is_finite());
        Ok(Applied { values: self.p.clone().into() })
    }

    fn query(&mut self, x: ArrayView<'_>, mut y: ArrayViewMut<'_>, call: &Call) -> Result<()> {
        self.fail("query")?;
        for (y, x) in y.as_f64()?.chunks_mut(2).zip(x.as_f64()?.chunks(3)) {
            y.copy_from_slice(&self.row(x, call));
        }
        Ok(())
    }

    fn query_sets(
        &mut self,
        bases: [&[f64]; 2],
        sets: &[ParameterSet],
        calls: &[Call],
        x: ArrayView<'_>,
        mut y: ArrayViewMut<'_>,
        want_applied: bool,
    ) -> Result<Vec<Applied>> {
        let mut all = Vec::new();
        let size = 2 * x.dim(0);
        for ((set, call), y) in sets.iter().zip(calls).zip(y.as_f64()?.chunks_mut(size)) {
            let mut params = bases[usize::from(set.base == Base::Previous)].to_vec();
            set.expand(&mut params)?;
            all.push(self.write_params(&params, call)?);
            self.query(x, ArrayViewMut::new(y, &[size / 2, 2]), call)?;
        }
        Ok(if want_applied { all } else { Vec::new() })
    }

    fn query_backward(&mut self, y: ArrayView<'_>, mut x: ArrayViewMut<'_>, _: &Call) -> Result<()> {
        for (x, y) in x.as_f64()?.chunks_mut(3).zip(y.as_f64()?.chunks(2)) {
            (0..3).for_each(|c| x[c] = self.p[c] * y[0] + self.p[3 + c] * y[1]);
        }
        Ok(())
    }

    fn read_matrix(&mut self, _: &Call) -> Result<Matrix> {
        Ok(Matrix::new(2, 3, self.p.clone()))
    }

    fn read_params(&mut self) -> Result<Vec<f64>> {
        Ok(self.p.clone())
    }

    fn set_full_scale(&mut self, full_scale: f64) -> Result<()> {
        self.full_scale = full_scale;
        Ok(())
    }

    fn safe_state(&mut self) -> Result<()> {
        self.p.fill(0.0);
        Ok(())
    }

    fn save_state(&self) -> Result<Vec<u8>> {
        Ok(self.full_scale.to_le_bytes().to_vec())
    }

    fn restore_state(&mut self, state: &[u8]) -> Result<()> {
        let bytes = state.try_into().map_err(|_| PluginError::new(Code::BAD_STATE, "8 bytes are expected"))?;
        self.full_scale = f64::from_le_bytes(bytes);
        Ok(())
    }
}

struct EverythingPlugin;

impl DevicePlugin for EverythingPlugin {
    fn manifest(&self) -> Manifest {
        Manifest {
            name: "everything".into(),
            version: "1.2.3".into(),
            kind: Kind::Device,
            licence: "MIT".into(),
            summary: "Für Tests.".into(),
            capabilities: 0,
            needs: 0,
            requires: 0,
            settings_schema: r#"{"type": "object"}"#.into(),
        }
    }

    fn open(&self, open: &Open) -> Result<Box<dyn Device>> {
        if open.settings == "refuse" {
            return Err(PluginError::settings(format!("seed {} threads {} {}", open.seed, open.threads, open.ideal)));
        }
        Ok(Box::new(Everything { p: vec![0.0; 6], full_scale: 1.0, fault: open.settings.to_string() }))
    }
}

blackbeam_driver::export_device!(EverythingPlugin);

unsafe extern "C-unwind" {
    fn blackbeam_device_table() -> *const DeviceTable;
}

/// The table that the macro makes.
pub fn table() -> DeviceTable {
    // SAFETY: the macro defines the function in this file; the table lives for ever.
    unsafe { *blackbeam_device_table() }
}

pub fn library() -> Library {
    // SAFETY: as above.
    unsafe { Library::read(blackbeam_device_table()) }.unwrap()
}

pub fn settings(text: &str) -> Open {
    Open { settings: text.into(), seed: 5, threads: 3, ideal: true }
}

pub fn call(set: u32) -> Call {
    Call { stream: 1, step: 2, purpose: Purpose::Surrogate, round: 3, set, first_row: 5, time_s: 0.5 }
}

#[test]
fn a_device_through_the_table_is_the_device() {
    let library = library();
    assert_eq!(library.version(), AbiVersion::HOST);
    assert_eq!(library.manifest(), EverythingPlugin.manifest());
    let mut direct = EverythingPlugin.open(&settings("")).unwrap();
    let mut through = library.open(&settings("")).unwrap();
    assert_eq!(through.descriptor(), direct.descriptor());
    let params = [0.3, -7.0, 0.9, 0.1, 0.2, -0.4];
    let x = Matrix::new(4, 3, (0..12).map(f64::from).collect());
    let sets = [
        ParameterSet::sparse(Base::Previous, vec![1, 4], vec![0.5, -0.5]),
        ParameterSet::dense(vec![0.75; 6]),
        ParameterSet::base(Base::Current),
    ];
    let calls = [call(0), call(1), call(2)];
    let mut answers = [&mut *direct, &mut *through].map(|device| {
        let applied = device.write_params(&params, &call(9)).unwrap();
        assert_eq!(device.read_params().unwrap(), applied.values.to_vec());
        let mut y = Matrix::zeros(4, 2);
        device.query(x.view(), y.view_mut(), &call(7)).unwrap();
        let matrix = device.read_matrix(&call(1)).unwrap();
        let mut back = Matrix::zeros(4, 3);
        device.query_backward(y.view(), back.view_mut(), &call(1)).unwrap();
        let mut many = vec![0.0; 3 * 4 * 2];
        let room = ArrayViewMut::new(&mut many, &[3, 4, 2]);
        let all = device.query_sets([&params, &[0.25; 6]], &sets, &calls, x.view(), room, true).unwrap();
        let room = ArrayViewMut::new(&mut many, &[3, 4, 2]);
        assert!(device.query_sets([&params, &[0.25; 6]], &sets, &calls, x.view(), room, false).unwrap().is_empty());
        device.set_full_scale(0.75).unwrap();
        let state = device.save_state().unwrap();
        device.restore_state(&state).unwrap();
        assert_eq!(device.restore_state(&[1]).unwrap_err().code, Code::BAD_STATE);
        device.safe_state().unwrap();
        (applied, y, matrix, back, many, all, state, device.read_params().unwrap())
    });
    let [direct, through] = &mut answers;
    assert_eq!(direct, through);
    assert_eq!(direct.0.values[1], -1.0, "what is applied is not what was asked");
    assert!(direct.1.data[0] != 0.0 && direct.4.iter().all(|v| *v != 0.0));
}

#[test]
fn errors_arrive_as_they_were_made() {
    let library = library();
    let refused = library.open(&settings("refuse")).err().unwrap();
    assert_eq!(refused, PluginError::settings("seed 5 threads 3 true"));
    let ask = |fault: &str| {
        let mut device = library.open(&settings(fault)).unwrap();
        let x = Matrix::zeros(1, 3);
        let mut y = Matrix::zeros(1, 2);
        let error = device.query(x.view(), y.view_mut(), &call(0)).unwrap_err();
        (device, error)
    };
    let (_, error) = ask("query:io");
    assert_eq!(error, PluginError::retryable(Code::IO, "line cut: é").with_unknown_state());
    let (_, error) = ask("query:long");
    assert_eq!((error.code, error.retryable, error.state_known), (Code::OVERTEMP, false, true));
    assert_eq!(error.message.as_str(), "ü".repeat(511), "cut at a character");
    let (mut device, error) = ask("query:panic");
    assert_eq!((error.code, error.retryable, error.state_known), (Code::PANIC, false, false));
    assert!(error.message.contains("asked to panic in query"), "{error}");
    // The instance is not called again, not even for its health; only the hardware is still left in its safe state.
    assert_eq!(device.health().unwrap_err().code, Code::FATAL);
    device.safe_state().unwrap();
    assert_eq!(library.enumerate("{}").unwrap_err().code, Code::UNSUPPORTED);
}

#[test]
fn health_and_what_is_not_there() {
    let library = library();
    let mut device = library.open_device(&settings("")).unwrap();
    let health = device.health().unwrap();
    assert!(health.ready && health.boot_id == 0 && health.temperature_c.is_nan());
    assert_eq!(device.calibrate().unwrap_err().code, Code::UNSUPPORTED);
    assert!(!device.descriptor().can(can::CALIBRATE));
    assert_eq!(library.open(&settings("a\0b")).err().unwrap().code, Code::SETTINGS);
}

/// `safe_state` may come from another thread while a call is running.
#[test]
fn the_safe_state_is_reached_from_any_thread() {
    let table = table();
    let (mut device, mut message) = (null_mut(), [0 as c_char; 256]);
    let error = || Error {
        struct_size: size_of::<Error>() as u64,
        retryable: 0,
        state_known: 0,
        message: null_mut(),
        message_capacity: 0,
    };
    let open = blackbeam_driver::table::Open {
        struct_size: size_of::<blackbeam_driver::table::Open>() as u64,
        settings: c"".as_ptr(),
        seed: 0,
        threads: 1,
        flags: 0,
    };
    let mut with_message = Error { message: message.as_mut_ptr(), message_capacity: 256, ..error() };
    // SAFETY: as the header says.
    unsafe {
        assert_eq!(table.open.unwrap()(&raw const open, &raw mut device, &raw mut with_message), OK);
        let address = device as usize;
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(move || {
                    let device = std::ptr::with_exposed_provenance_mut(address);
                    for _ in 0..200 {
                        let mut e = error();
                        assert_eq!(table.safe_state.unwrap()(device, &raw mut e), OK);
                    }
                });
            }
            for _ in 0..200 {
                let mut health = Health {
                    struct_size: size_of::<Health>() as u64,
                    flags: 0,
                    boot_id: 0,
                    temperature_c: 0.0,
                    note: [0; NAME_SIZE as usize],
                };
                let mut e = error();
                assert_eq!(table.health.unwrap()(device, &raw mut health, &raw mut e), OK);
                assert_eq!(health.flags, HEALTH_READY);
            }
        });
        table.close.unwrap()(device);
    }
}
