//! What both halves of the interface need to turn its plain data into that of `blackbeam_plugin`, and back.

use crate::table;
use blackbeam_plugin::{AtRange, Call, Code, Dtype, ParameterKind, PluginError, Purpose, Result};
use std::ffi::c_char;

pub(crate) fn call_to_c(call: &Call) -> table::Call {
    table::Call {
        stream: call.stream,
        step: call.step,
        purpose: call.purpose as u32,
        round: call.round,
        set: call.set,
        reserved: 0,
        first_row: call.first_row,
        time_s: call.time_s,
    }
}

pub(crate) fn call_from_c(call: &table::Call) -> Result<Call> {
    let purpose = Purpose::ALL.into_iter().find(|p| *p as u32 == call.purpose);
    Ok(Call {
        stream: call.stream,
        step: call.step,
        purpose: purpose.ok_or_else(|| unsupported(format!("a call for purpose {}", call.purpose)))?,
        round: call.round,
        set: call.set,
        first_row: call.first_row,
        time_s: call.time_s,
    })
}

pub(crate) fn dtype(number: u32) -> Result<Dtype> {
    match number {
        table::F32 => Ok(Dtype::F32),
        table::F64 => Ok(Dtype::F64),
        _ => Err(unsupported(format!("dtype {number} (expected BB_F32 or BB_F64)"))),
    }
}

pub(crate) fn kind(number: u32) -> Result<ParameterKind> {
    let kinds = [ParameterKind::Phase, ParameterKind::Voltage, ParameterKind::Level, ParameterKind::Binary];
    kinds.into_iter().find(|k| *k as u32 == number).ok_or_else(|| unsupported(format!("kind {number}")))
}

pub(crate) fn at_range(number: u32) -> Result<AtRange> {
    let rules = [AtRange::Clip, AtRange::Wrap, AtRange::Reflect];
    rules.into_iter().find(|r| *r as u32 == number).ok_or_else(|| unsupported(format!("at_range {number}")))
}

/// Writes a text with the zero byte behind it.
pub(crate) fn put_text<const N: usize>(to: &mut [c_char; N], what: &str, text: &str) -> Result<()> {
    if text.len() >= N || text.contains('\0') {
        let message = format!("the {what} `{text}` does not fit: at most {} bytes, none of them zero", N - 1);
        return Err(PluginError::new(Code::SHAPE, message));
    }
    for (to, from) in to.iter_mut().zip(text.bytes().chain([0])) {
        *to = from as c_char;
    }
    Ok(())
}

/// Reads such a text.
pub(crate) fn get_text(from: &[c_char], what: &str) -> Result<String> {
    let wrong = |problem: &str| PluginError::new(Code::ABI_MISMATCH, format!("the {what} is {problem}"));
    let end = from.iter().position(|c| *c == 0).ok_or_else(|| wrong("not ended by a zero byte"))?;
    let bytes = from[..end].iter().map(|c| *c as u8).collect();
    String::from_utf8(bytes).map_err(|_| wrong("not UTF-8"))
}

fn unsupported(what: String) -> PluginError {
    PluginError::new(Code::UNSUPPORTED, format!("the C interface has no {what}"))
}
