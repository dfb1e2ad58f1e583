//! `plugins.lock`: what is known of plugin libraries without loading them.

use super::{HostError, LoadedLibrary, Registered, Registry, at, canonical};
use crate::{experiment::Lookup, run::hash_bytes};
use blackbeam_plugin::{Kind, Manifest};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Name of the file.
pub const LOCK_NAME: &str = "plugins.lock";

/// Version of the file's format.
const FORMAT: u32 = 1;

/// A `plugins.lock`: JSON, written by `blackbeam plugin add` and meant to be kept with the experiments.
#[derive(Clone, Debug, PartialEq)]
pub struct LockFile {
    path: PathBuf,
    libraries: Vec<LockedLibrary>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: u32,
    libraries: Vec<LockedLibrary>,
}

/// One library in the lock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedLibrary {
    /// Path: relative to the folder of the lock if it lies in there, else absolute.
    pub path: PathBuf,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
    /// Size of the file, bytes.
    pub size: u64,
    /// Interface it was built for: `0.5`, or `C 1.1`.
    pub interface: String,
    /// Its plugins.
    pub plugins: Vec<LockedPlugin>,
}

/// One plugin in the lock: its manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedPlugin {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Kind.
    #[serde(with = "kind")]
    pub kind: Kind,
    /// Licence.
    pub licence: String,
    /// One sentence on what it does.
    pub summary: String,
    /// Bits of [`blackbeam_plugin::capability`].
    pub capabilities: u64,
    /// Bits of [`blackbeam_plugin::needs`].
    pub needs: u64,
    /// Bits of [`blackbeam_plugin::structure`].
    pub requires: u64,
    /// JSON schema of its settings.
    pub settings_schema: Value,
}

mod kind {
    use super::Kind;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(kind: &Kind, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(kind.name())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Kind, D::Error> {
        let name = String::deserialize(deserializer)?;
        let kinds = [Kind::Device, Kind::Estimator, Kind::Surrogate];
        kinds.into_iter().find(|kind| kind.name() == name).ok_or_else(|| D::Error::custom(format!("kind `{name}`")))
    }
}

impl LockedPlugin {
    fn of(plugin: &Registered) -> Self {
        let manifest = plugin.manifest();
        LockedPlugin {
            name: manifest.name.to_string(),
            version: manifest.version.to_string(),
            kind: manifest.kind,
            licence: manifest.licence.to_string(),
            summary: manifest.summary.to_string(),
            capabilities: manifest.capabilities,
            needs: manifest.needs,
            requires: manifest.requires,
            settings_schema: plugin.settings_schema().clone(),
        }
    }

    /// The manifest that was stored.
    pub fn manifest(&self) -> Manifest {
        Manifest {
            name: self.name.as_str().into(),
            version: self.version.as_str().into(),
            kind: self.kind,
            licence: self.licence.as_str().into(),
            summary: self.summary.as_str().into(),
            capabilities: self.capabilities,
            needs: self.needs,
            requires: self.requires,
            settings_schema: self.settings_schema.to_string().into(),
        }
    }
}

/// What a lock says of a library file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verification<'a> {
    /// It is the file that was added.
    Verified(&'a LockedLibrary),
    /// It was never added.
    NotAdded,
    /// Another file was added under this path.
    Changed,
}

impl LockFile {
    /// The lock in `folder`; an empty one if there is none yet.
    ///
    /// # Errors
    /// `Io`; `NotALock` if the file is damaged or of a newer format.
    pub fn read(folder: &Path) -> Result<Self, HostError> {
        let path = folder.join(LOCK_NAME);
        if !path.exists() {
            return Ok(LockFile { path, libraries: Vec::new() });
        }
        let text = fs::read(&path).map_err(at(&path))?;
        let damaged = |reason: String| HostError::NotALock { path: path.clone(), reason };
        let stored: Stored = serde_json::from_slice(&text).map_err(|e| damaged(e.to_string()))?;
        if stored.format != FORMAT {
            return Err(damaged(format!("format {}, expected {FORMAT}", stored.format)));
        }
        Ok(LockFile { path, libraries: stored.libraries })
    }

    /// The lock in the first of `folders` that has one: the experiment's, then the working directory.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn find(folders: &[&Path]) -> Result<Option<Self>, HostError> {
        let folder = folders.iter().find(|folder| folder.join(LOCK_NAME).exists());
        folder.map(|folder| Self::read(folder)).transpose()
    }

    /// Where it is, or will be once written.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The libraries in it, by path.
    pub fn libraries(&self) -> &[LockedLibrary] {
        &self.libraries
    }

    /// Adds a library, in place of what was added under its path before.
    ///
    /// # Errors
    /// `Io` if the lock's folder is not there.
    pub fn add(&mut self, library: &LoadedLibrary) -> Result<(), HostError> {
        let folder = self.folder()?;
        let path = library.path.strip_prefix(&folder).unwrap_or(&library.path).to_owned();
        self.libraries.retain(|locked| locked.path != path);
        self.libraries.push(LockedLibrary {
            path,
            sha256: library.sha256.clone(),
            size: library.size,
            interface: library.interface.to_string(),
            plugins: library.plugins.iter().map(LockedPlugin::of).collect(),
        });
        self.libraries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(())
    }

    /// Writes the file: whole, or not at all.
    ///
    /// # Errors
    /// `Io`.
    pub fn write(&self) -> Result<(), HostError> {
        let stored = Stored { format: FORMAT, libraries: self.libraries.clone() };
        let mut text = serde_json::to_vec_pretty(&stored)
            .map_err(|e| HostError::Io { path: self.path.clone(), error: e.into() })?;
        text.push(b'\n');
        let part = self.path.with_extension("lock.part");
        fs::write(&part, text).map_err(at(&part))?;
        fs::rename(&part, &self.path).map_err(at(&self.path))
    }

    /// Whether the library at `path` is the one that was added. It is read, not loaded.
    ///
    /// # Errors
    /// `Missing`; `Io` if it cannot be read.
    pub fn verify(&self, path: &Path) -> Result<Verification<'_>, HostError> {
        let path = canonical(path)?;
        let folder = self.folder()?;
        let Some(locked) = self.libraries.iter().find(|locked| folder.join(&locked.path) == path) else {
            return Ok(Verification::NotAdded);
        };
        let bytes = fs::read(&path).map_err(at(&path))?;
        let same = bytes.len() as u64 == locked.size && hash_bytes(&bytes) == locked.sha256;
        Ok(if same { Verification::Verified(locked) } else { Verification::Changed })
    }

    fn folder(&self) -> Result<PathBuf, HostError> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        folder.canonicalize().map_err(at(folder))
    }
}

/// The plugins of a library that is the one that was added to the lock. It is read, not loaded.
///
/// # Errors
/// `Missing`, `NotAdded`, `Changed`; `Io` if it cannot be read.
pub fn verify<'a>(lock: Option<&'a LockFile>, path: &Path) -> Result<&'a [LockedPlugin], HostError> {
    canonical(path)?;
    match lock.map_or(Ok(Verification::NotAdded), |lock| lock.verify(path))? {
        Verification::Verified(library) => Ok(&library.plugins),
        Verification::NotAdded => Err(HostError::NotAdded { path: path.to_owned() }),
        Verification::Changed => Err(HostError::Changed { path: path.to_owned() }),
    }
}

/// What an experiment may know of a plugin before anything runs: a built-in one from the registry, one of a library from
/// the lock. Loads nothing.
pub fn look_up(registry: &Registry, lock: Option<&LockFile>, kind: Kind, name: &str, library: Option<&Path>) -> Lookup {
    let Some(library) = library else {
        return match registry.find(kind, name, None) {
            Ok(plugin) => Lookup::Known(Box::new(plugin.manifest().clone())),
            Err(HostError::Unknown { known, .. }) => Lookup::Unknown(known),
            Err(error) => Lookup::NotVerified(error.to_string()),
        };
    };
    let plugins = match verify(lock, library) {
        Ok(plugins) => plugins,
        Err(error) => return Lookup::NotVerified(error.to_string()),
    };
    let of_kind = || plugins.iter().filter(|plugin| plugin.kind == kind);
    match of_kind().find(|plugin| plugin.name == name) {
        Some(plugin) => Lookup::Known(Box::new(plugin.manifest())),
        None => Lookup::Unknown(of_kind().map(|plugin| plugin.name.clone()).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Interface, InterfaceVersion};

    fn library(path: &Path) -> LoadedLibrary {
        let bytes = fs::read(path).unwrap();
        LoadedLibrary {
            path: path.canonicalize().unwrap(),
            sha256: hash_bytes(&bytes),
            size: bytes.len() as u64,
            interface: Interface::Rust(InterfaceVersion::HOST),
            plugins: Vec::new(),
        }
    }

    #[test]
    fn a_lock_reads_back_and_tells_what_changed() {
        let folder = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let (inside, outside) = (folder.path().join("a.so"), elsewhere.path().join("b.so"));
        fs::write(&inside, "one").unwrap();
        fs::write(&outside, "two").unwrap();
        let mut lock = LockFile::read(folder.path()).unwrap();
        assert_eq!(lock.verify(&inside).unwrap(), Verification::NotAdded);
        lock.add(&library(&inside)).unwrap();
        lock.add(&library(&outside)).unwrap();
        lock.add(&library(&inside)).unwrap();
        lock.write().unwrap();

        let read = LockFile::find(&[elsewhere.path(), folder.path()]).unwrap().unwrap();
        assert_eq!(read, lock);
        assert!(read.libraries().iter().any(|l| l.path == Path::new("a.so")), "relative inside the folder");
        assert!(read.libraries().iter().any(|l| l.path.is_absolute()), "absolute outside");
        assert!(matches!(read.verify(&inside).unwrap(), Verification::Verified(l) if l.size == 3));
        assert!(matches!(read.verify(&outside).unwrap(), Verification::Verified(_)));
        fs::write(&inside, "eno").unwrap();
        assert_eq!(read.verify(&inside).unwrap(), Verification::Changed);
        let missing = read.verify(&folder.path().join("c.so")).unwrap_err();
        assert!(matches!(missing, HostError::Missing { .. }), "{missing}");
    }

    #[test]
    fn a_damaged_lock_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        for text in ["{", "{\"format\": 2, \"libraries\": []}", "[]"] {
            fs::write(folder.path().join(LOCK_NAME), text).unwrap();
            let error = LockFile::read(folder.path()).unwrap_err().to_string();
            assert!(error.contains("plugin add") && !error.contains('\n'), "{error}");
        }
        assert_eq!(LockFile::find(&[&folder.path().join("nowhere")]).unwrap(), None);
    }
}
