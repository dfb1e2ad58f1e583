//! TensorBoard event files: TFRecord framing around hand-encoded `Event` messages with simple scalar values.

use super::{RunError, at};
use serde_json::{Map, Value};
use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

pub(super) struct Events {
    file: File,
    path: PathBuf,
}

impl Events {
    /// Starts an event file in `folder`; each process of a run writes its own.
    pub fn create(folder: &Path) -> Result<Self, RunError> {
        let path = folder.join(format!("events.out.tfevents.{:010}.{}", seconds() as u64, std::process::id()));
        let file = File::create(&path).map_err(at(&path))?;
        let mut events = Events { file, path };
        let mut event = Vec::new();
        double(&mut event, 1, seconds());
        bytes(&mut event, 3, b"brain.Event:2");
        events.record(&event)?;
        Ok(events)
    }

    /// One event with every number of `fields` as `run/phase/name`.
    pub fn scalars(&mut self, run: &str, phase: &str, step: u64, fields: &Map<String, Value>) -> Result<(), RunError> {
        let mut summary = Vec::new();
        for (name, value) in fields {
            if let Some(number) = value.as_f64() {
                let mut entry = Vec::new();
                bytes(&mut entry, 1, format!("{run}/{phase}/{name}").as_bytes());
                varint(&mut entry, 2 << 3 | 5);
                entry.extend((number as f32).to_le_bytes());
                bytes(&mut summary, 1, &entry);
            }
        }
        let mut event = Vec::new();
        double(&mut event, 1, seconds());
        varint(&mut event, 2 << 3);
        varint(&mut event, step);
        bytes(&mut event, 5, &summary);
        self.record(&event)
    }

    /// TFRecord: length, its masked CRC, data, its masked CRC.
    fn record(&mut self, data: &[u8]) -> Result<(), RunError> {
        let length = (data.len() as u64).to_le_bytes();
        let mut record = length.to_vec();
        record.extend(masked_crc(&length).to_le_bytes());
        record.extend(data);
        record.extend(masked_crc(data).to_le_bytes());
        self.file.write_all(&record).map_err(at(&self.path))
    }
}

fn seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64())
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn double(out: &mut Vec<u8>, field: u64, value: f64) {
    varint(out, field << 3 | 1);
    out.extend(value.to_le_bytes());
}

fn bytes(out: &mut Vec<u8>, field: u64, value: &[u8]) {
    varint(out, field << 3 | 2);
    varint(out, value.len() as u64);
    out.extend(value);
}

/// CRC-32C (Castagnoli), bit by bit: records are small.
fn crc32c(data: &[u8]) -> u32 {
    !data.iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |c, _| if c & 1 == 1 { c >> 1 ^ 0x82F6_3B78 } else { c >> 1 })
    })
}

fn masked_crc(data: &[u8]) -> u32 {
    crc32c(data).rotate_right(15).wrapping_add(0xA282_EAD8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc_of_the_standard_check_string() {
        assert_eq!(crc32c(b"123456789"), 0xE306_9283);
    }

    #[test]
    fn records_are_framed() {
        let folder = tempfile::tempdir().unwrap();
        let mut events = Events::create(folder.path()).unwrap();
        let fields = Map::from_iter([("loss".to_owned(), Value::from(0.5))]);
        events.scalars("main", "train", 300, &fields).unwrap();
        let data = std::fs::read(&events.path).unwrap();
        let mut at = 0;
        let mut records = Vec::new();
        while at < data.len() {
            let length = u64::from_le_bytes(data[at..at + 8].try_into().unwrap()) as usize;
            let crc = u32::from_le_bytes(data[at + 8..at + 12].try_into().unwrap());
            assert_eq!(crc, masked_crc(&data[at..at + 8]));
            records.push(&data[at + 12..at + 12 + length]);
            at += length + 16;
        }
        assert_eq!(records.len(), 2);
        assert!(records[1].windows(15).any(|w| w == b"main/train/loss"));
        assert!(records[1].windows(4).any(|w| w == 0.5f32.to_le_bytes()));
    }
}
