//! Faults of a served instrument, made when they are asked for.

use std::str::FromStr;

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// The instrument says that it is busy.
    Busy,
    /// The command is carried out and never answered.
    Hang,
    /// The connection is cut before the command.
    Drop,
    /// A query is answered with the answer, and the frame number, of the one before.
    Slip,
    /// The power goes off and on: the parameters are lost, the boot id is another one.
    PowerLoss,
}

/// Which commands a fault looks at.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Scope {
    All,
    Writes,
    Queries,
}

/// A fault and when it happens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fault {
    kind: Kind,
    scope: Scope,
    number: u64,
    /// At each multiple of the number instead of there only.
    every: bool,
    seen: u64,
}

impl Fault {
    /// Counts a command; the fault, if it happens now.
    pub fn due(&mut self, write: bool) -> Option<Kind> {
        let counted = match self.scope {
            Scope::All => true,
            Scope::Writes => write,
            Scope::Queries => !write,
        };
        if !counted {
            return None;
        }
        self.seen += 1;
        let due = if self.every { self.seen.is_multiple_of(self.number) } else { self.seen == self.number };
        due.then_some(self.kind)
    }
}

impl FromStr for Fault {
    type Err = String;

    /// `KIND[:write|:query]@N` (at the Nth such command) or `.../N` (at every Nth).
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}`: expected {GRAMMAR}");
        let every = text.contains('/');
        let (what, number) = text.split_once(['@', '/']).ok_or_else(wrong)?;
        let number = number.parse().ok().filter(|n| *n > 0).ok_or_else(wrong)?;
        let (kind, scope) = what.split_once(':').unwrap_or((what, ""));
        let kind = match kind {
            "busy" => Kind::Busy,
            "hang" => Kind::Hang,
            "drop" => Kind::Drop,
            "slip" => Kind::Slip,
            "power-loss" => Kind::PowerLoss,
            _ => return Err(wrong()),
        };
        let scope = match scope {
            // Only a query has an answer that can slip.
            "" | "query" if kind == Kind::Slip => Scope::Queries,
            "" => Scope::All,
            "write" if kind != Kind::Slip => Scope::Writes,
            "query" => Scope::Queries,
            _ => return Err(wrong()),
        };
        Ok(Fault { kind, scope, number, every, seen: 0 })
    }
}

/// How a fault is written.
const GRAMMAR: &str = "KIND@N (at the Nth write or query) or KIND/N (at every Nth), where KIND is busy, hang, drop, slip or \
                           power-loss, and may be narrowed to KIND:write or KIND:query";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_happen_when_they_are_due() {
        let due = |text: &str| {
            let mut fault: Fault = text.parse().unwrap();
            let commands = [true, false, false, true, false, false];
            commands.iter().map(|write| u8::from(fault.due(*write).is_some())).collect::<Vec<_>>()
        };
        assert_eq!(due("busy@3"), [0, 0, 1, 0, 0, 0]);
        assert_eq!(due("hang/2"), [0, 1, 0, 1, 0, 1]);
        assert_eq!(due("drop:write@2"), [0, 0, 0, 1, 0, 0]);
        assert_eq!(due("power-loss:query@2"), [0, 0, 1, 0, 0, 0]);
        assert_eq!(due("slip@2"), [0, 0, 1, 0, 0, 0]);
        for wrong in ["busy", "busy@0", "busy@x", "melt@1", "busy:all@1", "slip:write@1"] {
            assert!(wrong.parse::<Fault>().unwrap_err().contains("power-loss"), "{wrong}");
        }
    }
}
