//! `blackbeam draw`.

use super::{read_light, refused, write};
use crate::{Failure, args::DrawArgs};

/// Runs the command.
pub fn run(args: &DrawArgs) -> Result<(), Failure> {
    let (circuit, seed) = read_light(&args.device.file, &args.device.reading)?;
    let values = blackbeam_optics::slot_values(&circuit, seed).map_err(refused(&args.device.file))?;
    write(args.out.as_ref(), &blackbeam_drawing::circuit(&circuit, &values))
}
