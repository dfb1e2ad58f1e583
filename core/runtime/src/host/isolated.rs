//! Devices of libraries in processes of their own.

use super::{HostError, LockFile, Registry, canonical, verify};
use blackbeam_isolation::{Isolated, OpenRequest, Options, Spin};
use blackbeam_plugin::{Code, Device, Kind, Open, PluginError};
use std::{
    env, io,
    path::{Path, PathBuf},
    time::Duration,
};

/// The command of the program that runs [`host_device`], which people do not call.
pub const HOST_COMMAND: &str = "device-host";
/// How long a waiting process looks before it sleeps, microseconds, unless [`SPIN_VARIABLE`] says otherwise.
const SPIN_US: u64 = 50;
/// Environment variable that says it.
const SPIN_VARIABLE: &str = "BLACKBEAM_SPIN_US";

/// How devices are run in processes of their own.
#[derive(Clone, Debug)]
pub struct Isolation {
    /// The program, which must run [`host_device`] when it is called as `program device-host MEMORY`.
    program: PathBuf,
}

impl Isolation {
    /// By this program itself.
    ///
    /// # Errors
    /// If the system does not say which it is.
    pub fn by_this_program() -> io::Result<Self> {
        // The link stays the program that runs, even if another one is installed in its place meanwhile.
        let link = Path::new("/proc/self/exe");
        let program = if link.exists() { link.to_owned() } else { env::current_exe()? };
        Ok(Isolation { program })
    }

    /// The program.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Opens a device of a library that is in the lock, in a process of its own. The library is not loaded here.
    ///
    /// # Errors
    /// `Missing`, `NotAdded`, `Changed`; `Make` with what the driver, or its process, says.
    pub fn open(
        &self,
        library: &Path,
        lock: Option<&LockFile>,
        device: &str,
        open: &Open,
    ) -> Result<Box<dyn Device>, HostError> {
        verify(lock, library)?;
        self.open_unverified(library, device, open)
    }

    /// The same of a library that a person has named, whether or not it is in the lock.
    ///
    /// # Errors
    /// `Missing`; `Make` with what the driver, or its process, says.
    pub fn open_unverified(&self, library: &Path, device: &str, open: &Open) -> Result<Box<dyn Device>, HostError> {
        let path = canonical(library)?;
        let place = format!("in {}", path.display());
        let sha256 = crate::run::hash_bytes(&std::fs::read(&path).map_err(super::at(&path))?);
        let options = self.options(path.display().to_string(), sha256, device, open);
        let opened = Isolated::open(options);
        opened.map(|device| Box::new(device) as Box<dyn Device>).map_err(|error| HostError::Make {
            kind: Kind::Device,
            name: device.to_owned(),
            place,
            error,
        })
    }

    /// Opens a device that is built into the program, for measurements of the way there and back.
    ///
    /// # Errors
    /// What its process says.
    pub fn open_built_in(&self, device: &str, open: &Open) -> Result<Box<dyn Device>, PluginError> {
        Ok(Box::new(Isolated::open(self.options(String::new(), String::new(), device, open))?))
    }

    fn options(&self, library: String, sha256: String, device: &str, open: &Open) -> Options {
        Options {
            program: self.program.clone(),
            arguments: vec![HOST_COMMAND.to_owned()],
            open: OpenRequest {
                library,
                sha256,
                device: device.to_owned(),
                settings: open.settings.to_string(),
                seed: open.seed,
                threads: open.threads,
                ideal: open.ideal,
            },
            spin: spin(),
        }
    }
}

fn spin() -> Spin {
    let said = env::var(SPIN_VARIABLE).ok().and_then(|text| text.parse().ok());
    Spin::new(Duration::from_micros(said.unwrap_or(SPIN_US)))
}

/// What the child process does: opens the device that its parent asks for, and answers. `built_in` is asked first for devices
/// that come from no library.
///
/// # Errors
/// If this process was not started by [`Isolation`].
pub fn host_device(memory: &Path, built_in: impl Fn(&str, &Open) -> Option<Box<dyn Device>>) -> io::Result<()> {
    blackbeam_isolation::serve(memory, spin(), |request| {
        let open = Open {
            settings: request.settings.as_str().into(),
            seed: request.seed,
            threads: request.threads,
            ideal: request.ideal,
        };
        if request.library.is_empty()
            && let Some(device) = built_in(&request.device, &open)
        {
            return Ok(device);
        }
        open_here(request, &open).map_err(as_plugin_error)
    })
}

fn open_here(request: &OpenRequest, open: &Open) -> Result<Box<dyn Device>, HostError> {
    let mut registry = Registry::new()?;
    let library = Some(PathBuf::from(&request.library)).filter(|path| !path.as_os_str().is_empty());
    if let Some(path) = &library {
        let bytes = std::fs::read(path).map_err(super::at(path))?;
        if crate::run::hash_bytes(&bytes) != request.sha256 {
            return Err(HostError::Changed { path: path.clone() });
        }
        registry.load(path)?;
    }
    registry.find(Kind::Device, &request.device, library.as_deref())?.open_device(open)
}

fn as_plugin_error(error: HostError) -> PluginError {
    match error {
        HostError::Make { error, .. } => error,
        HostError::WrongVersion { .. } | HostError::WrongTable { .. } | HostError::Layout { .. } => {
            PluginError::new(Code::ABI_MISMATCH, error.to_string())
        }
        _ => PluginError::new(Code::SETTINGS, error.to_string()),
    }
}
