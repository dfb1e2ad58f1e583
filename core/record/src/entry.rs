//! Entries of a log.

use crate::chain::{HASH, hash};
use blackbeam_plugin::{Call, PluginError, Purpose};
use blackbeam_wire::{Reader, Result, Wire, whole};

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $number:literal $name:literal),* $(,)?) => {
        /// What an entry of a log is of: mostly a call of [`blackbeam_plugin::Device`].
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        #[repr(u8)]
        pub enum Kind { $($(#[$doc])* $kind = $number),* }

        impl Kind {
            /// All kinds, in order.
            pub const ALL: &'static [Kind] = &[$(Kind::$kind),*];

            /// The name in reports and messages.
            pub fn name(self) -> &'static str {
                match self { $(Kind::$kind => $name),* }
            }
        }
    };
}

kinds! {
    /// A process began to record: what the device said of itself.
    Open = 0 "open",
    /// The run was resumed: what stands between here and the entry that it went on after was work that is lost.
    Resume = 1 "resume",
    /// The process has closed the log.
    Close = 2 "close",
    /// Parameters were programmed.
    WriteParams = 3 "write_params",
    /// Vectors were sent.
    Query = 4 "query",
    /// Vectors were sent at several configurations.
    QuerySets = 5 "query_sets",
    /// The same, one number a configuration.
    QueryScalars = 6 "query_scalars",
    /// Light was sent backwards.
    QueryBackward = 7 "query_backward",
    /// The matrix was read.
    ReadMatrix = 8 "read_matrix",
    /// Exact derivatives.
    ExactVjp = 9 "exact_vjp",
    /// The parameters were read back.
    ReadParams = 10 "read_params",
    /// The full scale was set.
    SetFullScale = 11 "set_full_scale",
    /// The hardware was put in its safe state.
    SafeState = 12 "safe_state",
    /// The device said how it is.
    Health = 13 "health",
    /// It was calibrated.
    Calibrate = 14 "calibrate",
    /// Its state was saved.
    SaveState = 15 "save_state",
    /// A state was taken back.
    RestoreState = 16 "restore_state",
}

impl Kind {
    /// Calls that change nothing of what is answered later: a replay does not need them to come in order.
    pub(crate) fn beside(self) -> bool {
        matches!(self, Kind::SafeState | Kind::Health | Kind::SaveState | Kind::RestoreState)
    }

    /// Calls that change what the device answers, and are no question.
    pub(crate) fn sets_up(self) -> bool {
        matches!(self, Kind::WriteParams | Kind::SetFullScale)
    }

    /// Marks of the log itself.
    pub(crate) fn mark(self) -> bool {
        matches!(self, Kind::Open | Kind::Resume | Kind::Close)
    }

    fn of(number: u8) -> Result<Kind> {
        Kind::ALL.iter().copied().find(|k| *k as u8 == number).ok_or_else(|| format!("an entry of kind {number}"))
    }
}

/// A request or an answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Body {
    Whole(Vec<u8>),
    Hash { length: u64, sha256: [u8; HASH] },
}

/// What stands before request and answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Head {
    pub kind: Kind,
    pub failed: bool,
    /// Nanoseconds since 1970.
    pub begun_ns: u64,
    pub took_ns: u64,
    /// Vectors of one configuration.
    pub rows: u64,
    pub configurations: u32,
    pub calls: Vec<Call>,
}

impl Head {
    /// What the call was for, if it had an identity.
    pub fn purpose(&self) -> Option<Purpose> {
        self.calls.first().map(|call| call.purpose)
    }

    /// Kind and identity, for a person.
    pub fn words(&self) -> String {
        words(self.kind, &self.calls)
    }
}

/// Kind and identity of a call, for a person.
pub(crate) fn words(kind: Kind, calls: &[Call]) -> String {
    let name = kind.name();
    match calls {
        [] => name.to_owned(),
        [call, rest @ ..] => {
            let Call { step, round, set, first_row, .. } = call;
            let purpose = call.purpose.name();
            let more = if rest.is_empty() { String::new() } else { format!(" and {} more sets", rest.len()) };
            format!("{name} ({purpose}, step {step}, round {round}, set {set}{more}, from row {first_row} on)")
        }
    }
}

/// An entry of a log.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub head: Head,
    pub request: Body,
    pub answer: Body,
}

/// Writes the head of an entry.
pub(crate) fn put_head(out: &mut Vec<u8>, head: &Head) {
    let Head { kind, failed, begun_ns, took_ns, rows, configurations, ref calls } = *head;
    (kind as u8).put(out);
    failed.put(out);
    begun_ns.put(out);
    took_ns.put(out);
    rows.put(out);
    configurations.put(out);
    (calls.len() as u32).put(out);
    Call::put_each(calls, out);
}

/// Writes a request or an answer, or its hash.
pub(crate) fn put_body(out: &mut Vec<u8>, bytes: &[u8], stands_here: bool) {
    stands_here.put(out);
    bytes.len().put(out);
    if stands_here {
        out.extend_from_slice(bytes);
    } else {
        out.extend_from_slice(&hash(bytes));
    }
}

impl Entry {
    /// Reads an entry from its bytes.
    pub fn read(bytes: &[u8]) -> Result<Entry> {
        let mut from = Reader(bytes);
        let head = head(&mut from)?;
        let entry = Entry { head, request: body(&mut from)?, answer: body(&mut from)? };
        from.end().map(|()| entry)
    }

    /// Request and answer stand here, not their hashes.
    pub fn whole(&self) -> bool {
        matches!((&self.request, &self.answer), (Body::Whole(_), Body::Whole(_)))
    }

    /// The error of a call that failed.
    pub fn error(&self) -> Result<PluginError> {
        let Body::Whole(bytes) = &self.answer else { return Err("an error that is only a hash".into()) };
        whole(bytes)
    }
}

fn head(from: &mut Reader<'_>) -> Result<Head> {
    Ok(Head {
        kind: Kind::of(Wire::get(from)?)?,
        failed: Wire::get(from)?,
        begun_ns: Wire::get(from)?,
        took_ns: Wire::get(from)?,
        rows: Wire::get(from)?,
        configurations: Wire::get(from)?,
        calls: {
            let count = u32::get(from)?;
            Call::get_each(from, count as usize)?
        },
    })
}

fn body(from: &mut Reader<'_>) -> Result<Body> {
    let (stands_here, length) = (bool::get(from)?, u64::get(from)?);
    if stands_here {
        let length = usize::try_from(length).map_err(|_| format!("a size of {length}"))?;
        return Ok(Body::Whole(from.bytes(length)?.to_vec()));
    }
    let mut sha256 = [0; HASH];
    sha256.copy_from_slice(from.bytes(HASH)?);
    Ok(Body::Hash { length, sha256 })
}
