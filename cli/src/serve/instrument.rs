//! The instrument: a simulated device, what it was told, and how it answers commands (docs/scpi-protocol.md).

use super::{
    faults::{Fault, Kind},
    message::{Argument, Message, block, block_of, is, list_of, numbers, quoted, written},
};
use blackbeam_netlist::circuit::Circuit;
use blackbeam_optics::Simulator;
use blackbeam_plugin::{ArrayView, ArrayViewMut, Call, Code, Descriptor, Device, Dtype, PluginError, Purpose, can};
use std::time::{SystemTime, UNIX_EPOCH};

/// What becomes of a command.
pub enum Reply {
    /// Nothing to be said.
    Done,
    /// An answer, without the end of its line.
    Answer(Vec<u8>),
    /// An entry of the error queue.
    Failed(Failed),
    /// The connection ends.
    Cut,
    /// Nothing comes from this connection any more.
    Silence,
}

/// An entry of the error queue.
#[derive(Clone, Debug, PartialEq)]
pub struct Failed {
    /// SCPI's number, or 200 and the code of the interface.
    pub number: i32,
    /// For a person.
    pub message: String,
}

/// What a connection remembers.
#[derive(Default)]
pub struct Session {
    /// Names the connection.
    pub id: u64,
    /// Data is sent as blocks of doubles.
    pub blocks: bool,
}

/// The instrument.
pub struct Instrument {
    circuit: Circuit,
    seed: u64,
    threads: usize,
    device: Simulator,
    descriptor: Descriptor,
    applied: Vec<f64>,
    call: Call,
    /// Sources are off until parameters are written.
    safe: bool,
    /// Another number after each power cycle.
    boot_id: u64,
    owner: Option<u64>,
    clamp: Option<(f64, f64)>,
    faults: Vec<Fault>,
    /// Frame number and answer of the last query.
    last: Option<(u64, Vec<f64>)>,
}

type Outcome = Result<Reply, Failed>;

impl Instrument {
    /// Switches an instrument on.
    ///
    /// # Errors
    /// A circuit that cannot be simulated.
    pub fn new(
        (circuit, seed): (Circuit, u64),
        threads: usize,
        clamp: Option<(f64, f64)>,
        faults: Vec<Fault>,
    ) -> Result<Self, PluginError> {
        let device = Simulator::open(&circuit, seed, threads)?;
        let descriptor = device.descriptor();
        let applied = descriptor.parameters.iter().map(|p| p.initial).collect();
        let none =
            Call { stream: 0, step: 0, purpose: Purpose::Diagnostic, round: 0, set: 0, first_row: 0, time_s: 0.0 };
        // The time in nanoseconds is another number whenever an instrument is switched on.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| time.as_nanos() as u64);
        Ok(Instrument {
            circuit,
            seed,
            threads,
            device,
            descriptor,
            applied,
            call: none,
            safe: true,
            boot_id: now.max(1),
            owner: None,
            clamp,
            faults,
            last: None,
        })
    }

    /// What it is.
    pub fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// The power cycles that it has been through are told apart by this number.
    pub fn boot_id(&self) -> u64 {
        self.boot_id
    }

    /// A connection has ended.
    pub fn left(&mut self, session: &Session) {
        if self.owner == Some(session.id) {
            self.owner = None;
        }
    }

    /// Carries a command out.
    pub fn answer(&mut self, session: &mut Session, message: &Message) -> Reply {
        let outcome = self.about_system(session, message).or_else(|| self.about_device(message));
        let outcome = outcome.or_else(|| self.transaction(session, message));
        let undefined = || Err(Failed::new(-113, format!("Undefined header; {}", message.header)));
        outcome.unwrap_or_else(undefined).unwrap_or_else(Reply::Failed)
    }

    /// Commands that do nothing to the light.
    fn about_system(&mut self, session: &mut Session, message: &Message) -> Option<Outcome> {
        let Message { header, arguments } = message;
        let h = |pattern| is(header, pattern);
        Some(if h("*IDN?") {
            let d = &self.descriptor;
            let part = |text: &str| text.replace([',', ';', '\n'], " ");
            text(format!("Blackbeam,{},{},{}", part(&d.name), self.seed, part(&d.firmware)))
        } else if h("*OPT?") {
            let options = [
                (can::READ_PARAMS, "READBACK"),
                (can::READ_MATRIX, "MATRIX"),
                (can::BACKWARD, "BACKWARD"),
                (can::FULL_SCALE, "RANGE"),
            ];
            let able = options.into_iter().filter(|(bit, _)| self.descriptor.can(*bit)).map(|(_, name)| name);
            text(["IDENTITY", "STATE"].into_iter().chain(able).collect::<Vec<_>>().join(","))
        } else if h("*OPC?") {
            text("1".into())
        } else if h("SYSTem:BOOT?") {
            text(self.boot_id.to_string())
        } else if h("SYSTem:LOCK:REQuest?") {
            let granted = *self.owner.get_or_insert(session.id) == session.id;
            text(u8::from(granted).to_string())
        } else if h("SYSTem:LOCK:RELease") {
            self.left(session);
            Ok(Reply::Done)
        } else if h("SYSTem:SAFE") {
            self.safe = true;
            self.device.safe_state().map(|()| Reply::Done).map_err(Failed::from)
        } else if h("SYSTem:SAFE?") {
            text(u8::from(self.safe).to_string())
        } else if h("SYSTem:STATe?") {
            self.device.save_state().map(|state| Reply::Answer(block(&state))).map_err(Failed::from)
        } else if h("SYSTem:STATe") {
            match arguments.as_slice() {
                [Argument::Block(state)] => {
                    self.device.restore_state(state).map(|()| Reply::Done).map_err(Failed::from)
                }
                _ => Err(Failed::new(-161, "Invalid block data; a state is one block")),
            }
        } else if h("FORMat:DATA") || h("FORMat") {
            let words: Vec<&str> = arguments.iter().map(Argument::text).collect();
            match words.as_slice() {
                [word] | [word, "0"] if is(word, "ASCii") => session.blocks = false,
                [word, "64"] if is(word, "REAL") => session.blocks = true,
                _ => return Some(Err(Failed::new(-224, "Illegal parameter value; expected ASC or REAL,64"))),
            }
            Ok(Reply::Done)
        } else {
            return None;
        })
    }

    /// What the device is.
    fn about_device(&self, message: &Message) -> Option<Outcome> {
        let d = &self.descriptor;
        let h = |pattern| is(&message.header, pattern);
        let port = |p: &blackbeam_plugin::Port| {
            let numbers = list_of(&[p.min, p.max]);
            text(format!("{},{numbers},{},{}", p.width, p.bits, u8::from(p.complex)))
        };
        Some(if h("DEVice:INPut?") {
            port(&d.input)
        } else if h("DEVice:OUTPut?") {
            port(&d.output)
        } else if h("DEVice:DATA?") {
            let bits = if d.dtype == Dtype::F32 { 32 } else { 64 };
            let (rows, noise) = (d.vectors_per_row, written(d.noise));
            text(format!("{bits},{rows},{},{},{noise}", d.structure, d.max_batch))
        } else if h("DEVice:TIMing?") {
            let t = &d.timing;
            let times = [
                t.write_fixed_s,
                t.write_each_s,
                t.settle_tau_s,
                t.settle_tolerance,
                t.trigger_s,
                t.frame_s,
                t.host_step_s,
            ];
            text(format!("{},{},{}", list_of(&times), t.frame_vectors, t.averages))
        } else if h("DEVice:ENERgy?") {
            text(list_of(&[d.energy.hold_w, d.energy.write_j, d.energy.vector_j]))
        } else if h("DEVice:CALibration?") {
            text(quoted(&d.calibration))
        } else if h("PARameter:COUNt?") {
            text(d.n_params().to_string())
        } else if h("PARameter:DEFine?") {
            let index = whole(message.arguments.first());
            match index.and_then(|i| d.parameters.get(i as usize)) {
                None => Err(Failed::new(-222, format!("Data out of range; there are {} parameters", d.n_params()))),
                Some(p) => {
                    let numbers = list_of(&[p.min, p.max, p.initial, p.resolution, p.period]);
                    let (kind, rule) = (p.kind as u32, p.at_range as u32);
                    let place = format!("{kind},{rule},{},{},{}", p.group, p.row, p.column);
                    text(format!("{},{},{numbers},{place}", quoted(&p.name), quoted(&p.unit)))
                }
            }
        } else {
            return None;
        })
    }

    /// What needs the device to itself, and can go wrong.
    fn transaction(&mut self, session: &mut Session, message: &Message) -> Option<Outcome> {
        let Message { header, arguments } = message;
        let h = |pattern| is(header, pattern);
        let write = h("PARameter:VALue");
        let (forward, backward) = (h("MEASure:VECTors?"), h("MEASure:BACKward?"));
        let known = ["PARameter:VALue?", "PARameter:APPLied?", "CALL:IDENtity", "SENSe:RANGe", "DIAGnostic:MATRix?"];
        if !write && !forward && !backward && !known.iter().any(|pattern| h(pattern)) {
            return None;
        }
        if self.owner.is_some_and(|owner| owner != session.id) {
            return Some(Err(Failed::new(-203, "Command protected; another connection has locked the instrument")));
        }
        Some(if h("PARameter:VALue?") {
            let read = self.device.read_params().map_err(Failed::from);
            read.map(|params| session.data(String::new(), &params))
        } else if h("PARameter:APPLied?") {
            // Settling goes by the time in the identity of a call: nobody has to wait.
            Ok(session.data("0,".into(), &self.applied))
        } else if h("CALL:IDENtity") {
            self.identity(arguments)
        } else if h("SENSe:RANGe") {
            match numbers(arguments).as_deref() {
                Some([range]) => self.device.set_full_scale(*range).map(|()| Reply::Done).map_err(Failed::from),
                _ => Err(Failed::new(-109, "Missing parameter; one number is expected")),
            }
        } else if h("DIAGnostic:MATRix?") {
            let read = self.device.read_matrix(&self.call).map_err(Failed::from);
            read.map(|matrix| session.data(String::new(), &matrix.data))
        } else {
            self.with_faults(session, arguments, write, backward)
        })
    }

    fn identity(&mut self, arguments: &[Argument]) -> Outcome {
        let wrong = || Failed::new(-104, "Data type error; an identity is seven numbers");
        let [stream, step, purpose, round, set, first_row, time_s] = arguments else { return Err(wrong()) };
        let whole = |argument| whole(Some(argument)).ok_or_else(wrong);
        let purpose = whole(purpose)?;
        self.call = Call {
            stream: whole(stream)?,
            step: whole(step)?,
            purpose: Purpose::ALL.into_iter().find(|p| u64::from(*p as u32) == purpose).ok_or_else(wrong)?,
            round: whole(round)? as u32,
            set: whole(set)? as u32,
            first_row: whole(first_row)?,
            time_s: numbers(std::slice::from_ref(time_s)).ok_or_else(wrong)?[0],
        };
        Ok(Reply::Done)
    }

    /// A write or a query, and what is to go wrong in it.
    fn with_faults(&mut self, session: &Session, arguments: &[Argument], write: bool, backward: bool) -> Outcome {
        let due: Vec<Kind> = self.faults.iter_mut().filter_map(|fault| fault.due(write)).collect();
        if due.contains(&Kind::PowerLoss) {
            self.power_cycle()?;
            return Ok(Reply::Cut);
        }
        if due.contains(&Kind::Drop) {
            return Ok(Reply::Cut);
        }
        if due.contains(&Kind::Busy) {
            return Err(Failed::code(Code::BUSY, "the instrument is busy"));
        }
        let last = self.last.clone();
        let done = if write { self.write(arguments) } else { self.query(session, arguments, backward) };
        if due.contains(&Kind::Hang) {
            return Ok(Reply::Silence);
        }
        match (due.contains(&Kind::Slip), last) {
            (true, Some((frame, answer))) => Ok(session.data(format!("{frame},"), &answer)),
            _ => done,
        }
    }

    fn write(&mut self, arguments: &[Argument]) -> Outcome {
        let n = self.descriptor.n_params();
        let wrong = |found| Failed::code(Code::SHAPE, &format!("{found} values for {n} parameters"));
        let mut params = numbers(arguments).ok_or_else(|| Failed::new(-120, "Numeric data error"))?;
        if params.len() != n {
            return Err(wrong(params.len()));
        }
        if let Some((low, high)) = self.clamp {
            params.iter_mut().for_each(|v| *v = v.clamp(low, high));
        }
        self.applied = self.device.write_params(&params, &self.call)?.values.into();
        self.safe = false;
        Ok(Reply::Done)
    }

    fn query(&mut self, session: &Session, arguments: &[Argument], backward: bool) -> Outcome {
        let d = &self.descriptor;
        let wrong = || Failed::new(-109, "Missing parameter; expected FRAME,ROWS,DATA");
        let [frame, rows, data @ ..] = arguments else { return Err(wrong()) };
        let (frame, rows) = (whole(Some(frame)).ok_or_else(wrong)?, whole(Some(rows)).ok_or_else(wrong)? as usize);
        let x = numbers(data).ok_or_else(|| Failed::new(-120, "Numeric data error"))?;
        let widths = [d.input.width, d.output.width];
        let [from, to] = if backward { [widths[1], widths[0]] } else { widths };
        if rows == 0 || rows.checked_mul(from) != Some(x.len()) {
            let message = format!("{} numbers for {rows} vectors of {from}", x.len());
            return Err(Failed::code(Code::SHAPE, &message));
        }
        if self.safe {
            return Err(Failed::code(Code::NOT_READY, "the sources are off: write the parameters first"));
        }
        let y = ask(&mut self.device, d.dtype, (&x, from), (rows, to), &self.call, backward)?;
        self.last = Some((frame, y.clone()));
        Ok(session.data(format!("{frame},"), &y))
    }

    fn power_cycle(&mut self) -> Result<(), Failed> {
        let circuit = self.circuit.clone();
        let next = Instrument::new((circuit, self.seed), self.threads, self.clamp, std::mem::take(&mut self.faults))?;
        let boot_id = next.boot_id.max(self.boot_id + 1);
        *self = Instrument { boot_id, ..next };
        Ok(())
    }
}

/// A query in the device's element type.
fn ask(
    device: &mut Simulator,
    dtype: Dtype,
    (x, from): (&[f64], usize),
    (rows, to): (usize, usize),
    call: &Call,
    backward: bool,
) -> Result<Vec<f64>, PluginError> {
    let mut send = |x: ArrayView<'_>, y: ArrayViewMut<'_>| {
        if backward { device.query_backward(x, y, call) } else { device.query(x, y, call) }
    };
    let (x_shape, y_shape) = ([rows, from], [rows, to]);
    match dtype {
        Dtype::F64 => {
            let mut y = vec![0.0; rows * to];
            send(ArrayView::new(x, &x_shape), ArrayViewMut::new(&mut y, &y_shape))?;
            Ok(y)
        }
        Dtype::F32 => {
            let (x, mut y) = (x.iter().map(|v| *v as f32).collect::<Vec<_>>(), vec![0.0; rows * to]);
            send(ArrayView::new_f32(&x, &x_shape), ArrayViewMut::new_f32(&mut y, &y_shape))?;
            Ok(y.into_iter().map(f64::from).collect())
        }
    }
}

impl Session {
    /// An answer with numbers, in the form that this connection wants.
    fn data(&self, mut before: String, numbers: &[f64]) -> Reply {
        if !self.blocks {
            before.push_str(&list_of(numbers));
            return Reply::Answer(before.into_bytes());
        }
        let mut answer = before.into_bytes();
        answer.extend(block_of(numbers));
        Reply::Answer(answer)
    }
}

impl Argument {
    fn text(&self) -> &str {
        match self {
            Argument::Text(text) => text,
            Argument::Block(_) => "",
        }
    }
}

impl Failed {
    /// An entry with one of SCPI's numbers.
    pub fn new(number: i32, message: impl Into<String>) -> Self {
        Failed { number, message: message.into() }
    }

    fn code(code: Code, message: &str) -> Self {
        Failed::new(200 + code.0 as i32, format!("{code}; {message}"))
    }
}

impl From<PluginError> for Failed {
    fn from(error: PluginError) -> Self {
        match error.code {
            Code::RANGE => Failed::new(-222, format!("Data out of range; {}", error.message)),
            code => Failed::code(code, &error.message),
        }
    }
}

fn text(answer: String) -> Outcome {
    Ok(Reply::Answer(answer.into_bytes()))
}

fn whole(argument: Option<&Argument>) -> Option<u64> {
    argument?.text().parse().ok()
}
