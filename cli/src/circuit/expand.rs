//! `blackbeam expand`.

use super::{read_light, refused, write};
use crate::{
    Failure,
    args::{ExpandArgs, Reading},
    say,
};

/// Runs the command. What is written is the nominal circuit at the initial values of its parameters.
pub fn run(args: &ExpandArgs) -> Result<(), Failure> {
    let file = &args.device.file;
    let nominal = Reading { ideal: true, ..args.device.reading.clone() };
    let (circuit, seed) = read_light(file, &nominal)?;
    let values = blackbeam_optics::slot_values(&circuit, seed).map_err(refused(file))?;
    let expanded = blackbeam_netlist::expand(&circuit, &values)
        .map_err(|message| Failure::Input(format!("{}: {message}", file.display())))?;
    if args.json {
        expanded.notes.iter().for_each(|note| say(&format!("note: {note}")));
        return write(args.out.as_ref(), &expanded.to_json());
    }
    write(args.out.as_ref(), &expanded.to_yaml())
}
