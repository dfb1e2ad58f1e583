//! One process at a time drives a device of a library: a file in a folder of the user's, locked for as long as the device is open.
//! The system lets go of the lock when its holder ends, however that happens; what the file says then tells of a holder that
//! did not give the device back.

use super::canonical;
use crate::run::hash_bytes;
use std::{
    env,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

/// Why a device cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process drives it.
    #[error("device `{device}` is in use: {holder} drives it. Wait for it to end, or stop it")]
    InUse {
        /// Name of the device.
        device: String,
        /// Who.
        holder: String,
    },
    /// The file of the lock.
    #[error("the lock of device `{device}` cannot be taken: {}: {error}", path.display())]
    Io {
        /// Name of the device.
        device: String,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
}

/// A device that nobody else drives, until this is dropped.
#[derive(Debug)]
pub struct DeviceLock {
    file: File,
    /// The holder before, which ended without giving the device back.
    stale: Option<String>,
}

impl DeviceLock {
    /// Takes the lock of the device that `library` and its `settings` (JSON) name. `what` is for others to read: what drives it.
    /// Processes of other users are not seen.
    ///
    /// # Errors
    /// `InUse` names the holder; `Io` if the file cannot be had.
    pub fn acquire(device: &str, library: &Path, settings: &str, what: &str) -> Result<Self, LockError> {
        let folder = folder().map_err(|(path, error)| LockError::Io { device: device.into(), path, error })?;
        Self::acquire_in(&folder, device, library, settings, what)
    }

    fn acquire_in(folder: &Path, device: &str, library: &Path, settings: &str, what: &str) -> Result<Self, LockError> {
        // A library that is not there is an error where it is loaded.
        let library = canonical(library).unwrap_or_else(|_| library.to_owned());
        let key = hash_bytes(format!("{}\0{}", library.display(), sorted(settings)).as_bytes());
        let path = folder.join(format!("{}.lock", &key[..32]));
        let failed = |error| LockError::Io { device: device.into(), path: path.clone(), error };
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = opened.map_err(failed)?;
        let locked = file.try_lock();
        let mut said = String::new();
        // Who is not readable is a holder all the same.
        let _ = file.read_to_string(&mut said);
        let said = said.trim().to_owned();
        match locked {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = if said.is_empty() { "another process".into() } else { said };
                return Err(LockError::InUse { device: device.into(), holder });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let holder = format!("process {} on {} ({what})", std::process::id(), host_name());
        let mut lock = DeviceLock { file, stale: Some(said).filter(|said| !said.is_empty()) };
        lock.say(&holder).map_err(failed)?;
        Ok(lock)
    }

    /// The holder before, if it ended without giving the device back: it was killed, and may have left the hardware as it was.
    pub fn stale(&self) -> Option<&str> {
        self.stale.as_deref()
    }

    fn say(&mut self, text: &str) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(text.as_bytes())?;
        self.file.flush()
    }
}

impl Drop for DeviceLock {
    fn drop(&mut self) {
        // An empty file says that the device was given back. What cannot be written is taken for a stale lock later.
        let _ = self.say("");
    }
}

/// Settings that say the same are the same.
fn sorted(settings: &str) -> String {
    serde_json::from_str(settings).map_or_else(
        |_| settings.to_owned(),
        |mut value: serde_json::Value| {
            value.sort_all_objects();
            value.to_string()
        },
    )
}

/// The folder of the locks, made if it is not there: the user's runtime folder, else one of the user's own for temporary files.
fn folder() -> Result<PathBuf, (PathBuf, io::Error)> {
    let runtime = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_dir());
    let path = match runtime {
        Some(runtime) => runtime.join("blackbeam"),
        None => env::temp_dir().join(format!("blackbeam-{}", user())),
    };
    match own(&path) {
        Ok(()) => Ok(path),
        Err(error) => Err((path, error)),
    }
}

/// Makes a folder that is nobody else's.
#[cfg(unix)]
fn own(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt};
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let found = fs::symlink_metadata(path)?;
    let mine = fs::metadata("/proc/self").map_or(true, |me| me.uid() == found.uid());
    if found.is_dir() && mine {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is not a folder of this user"))
}

/// Makes a folder.
#[cfg(not(unix))]
fn own(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

/// A text that is another one for each user.
fn user() -> String {
    #[cfg(unix)]
    if let Ok(me) = fs::metadata("/proc/self") {
        return std::os::unix::fs::MetadataExt::uid(&me).to_string();
    }
    let name = ["USER", "LOGNAME", "USERNAME"].into_iter().find_map(|name| env::var(name).ok());
    name.unwrap_or_default().replace(['/', '\\'], "_")
}

fn host_name() -> String {
    let read = fs::read_to_string("/proc/sys/kernel/hostname").map(|name| name.trim().to_owned());
    read.ok().or_else(|| env::var("HOSTNAME").ok()).unwrap_or_else(|| "this machine".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_and_who_died_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("libmesh.so");
        fs::write(&library, b"").unwrap();
        let take = |settings: &str| DeviceLock::acquire_in(folder.path(), "mesh", &library, settings, "run runs/a");
        let held = take("{}").unwrap();
        assert_eq!(held.stale(), None);
        let error = take("{}").unwrap_err().to_string();
        let me = format!("process {} on ", std::process::id());
        assert!(error.contains("`mesh` is in use") && error.contains(&me) && error.contains("runs/a)"), "{error}");
        // Other settings are other hardware; what was given back can be had.
        let other = take("{\"port\":2, \"host\":\"a\"}").unwrap();
        assert!(take("{\"host\":\"a\",\"port\":2}").is_err(), "the same in another order");
        drop(held);
        assert_eq!(take("{}").unwrap().stale(), None);
        // A holder that was killed leaves its name behind.
        other.file.unlock().unwrap();
        let taken = take("{\"port\":2,\"host\":\"a\"}").unwrap();
        assert!(taken.stale().unwrap().starts_with(&me));
        std::mem::forget(other);
    }
}
