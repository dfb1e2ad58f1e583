//! Settings of generators.

use super::expand;
use crate::circuit::{
    Arrangement, Cell, Convention, FreeSpace, Kind, Mesh, MrrBank, Propagation, RingWeight, SharedBus, SlmKind,
    SlmMatvec,
};
use crate::file::{
    ArrangementEntry, BusEntry, CameraSettings, ConventionEntry, DiffuserSettings, FreeSpaceSettings, LensSettings,
    MeshSettings, MonarchSettings, MrrBankSettings, NamedScale, PlaneSettings, PropagationEntry, RingPreset,
    RingWeightEntry, ScaleEntry, SlmKindEntry, SlmMatvecSettings, SlmSettings, SplitterTreeSettings,
};
use blackbeam_schematic::Expansion;
use blackbeam_source::{Diagnostic, Diagnostics, Node};
use serde::de::DeserializeOwned;
use std::sync::LazyLock;

/// Most pixels of a plane.
const MAX_PIXELS: u64 = 1 << 24;
/// Most numbers of a generator that can be set: phases of a mesh or a modulator, entries of a matrix. A circuit holds no more.
const MAX_NUMBERS: u64 = 1 << 22;
/// Most inputs, and outputs, of a matrix.
const MAX_PORTS: u64 = 1 << 16;
/// Group index if the file gives none, as in the catalogue.
const DEFAULT_NG: f64 = 3.4;

/// The generators.
pub(crate) const GENERATORS: [&str; 11] = [
    "mesh",
    "mrr_bank",
    "slm_matvec",
    "splitter_tree",
    "monarch",
    "plane",
    "free_space",
    "slm",
    "lens_2f",
    "diffuser",
    "camera",
];

/// The definitions of their settings, in the same order.
const DEFINITIONS: [&str; 11] = [
    "MeshSettings",
    "MrrBankSettings",
    "SlmMatvecSettings",
    "SplitterTreeSettings",
    "MonarchSettings",
    "PlaneSettings",
    "FreeSpaceSettings",
    "SlmSettings",
    "LensSettings",
    "DiffuserSettings",
    "CameraSettings",
];

/// What a generator becomes.
pub(crate) enum Generated {
    /// A leaf.
    Leaf(Kind),
    /// A circuit of other components.
    Circuit(Expansion),
}

/// A generator with its settings; None if there are errors.
pub(super) fn generate(component: usize, settings: &Node, length: f64, found: &mut Diagnostics) -> Option<Generated> {
    let before = found.iter().count();
    let schema = schema_of(component);
    blackbeam_source::schema::validate(settings, schema, found);
    let invalid = found.iter().count() > before;
    let mut context = Context { settings, length, invalid, found };
    let generated = context.generate(component);
    // settings that cannot be are found all the same
    if invalid { None } else { generated }
}

impl Context<'_> {
    fn generate(&mut self, component: usize) -> Option<Generated> {
        let length = self.length;
        let leaf = |kind| Some(Generated::Leaf(kind));
        let free = |part| Some(Generated::Leaf(Kind::FreeSpace(part)));
        match GENERATORS[component] {
            "mesh" => self.typed().and_then(|entry| self.mesh(&entry)),
            "mrr_bank" => self.typed().and_then(|entry| self.mrr_bank(&entry)).map(Kind::MrrBank).and_then(leaf),
            "slm_matvec" => self.typed().and_then(|entry| self.slm_matvec(&entry)).map(Kind::SlmMatvec).and_then(leaf),
            "splitter_tree" => {
                let entry: SplitterTreeSettings = self.typed()?;
                if !entry.outputs.is_power_of_two() {
                    let message = format!("a splitter tree has a power of two of outputs, not {}", entry.outputs);
                    self.error("size", message, "outputs");
                    return None;
                }
                let loss_db = entry.loss_db.unwrap_or(0.0);
                self.circuit(|| expand::splitter_tree(entry.outputs as usize, loss_db, self.settings.span))
            }
            "monarch" => {
                let entry: MonarchSettings = self.typed()?;
                let n = entry.n as usize;
                let block = entry.block.map_or(n.isqrt(), |block| block as usize);
                if block < 2 || block * 2 > n || !n.is_multiple_of(block) {
                    let message = format!("blocks of {block} modes do not divide {n} modes into two or more");
                    self.error("size", message, if entry.block.is_some() { "block" } else { "n" });
                    return None;
                }
                self.circuit(|| expand::monarch(n, block, self.settings))
            }
            "plane" => {
                let entry: PlaneSettings = self.typed()?;
                free(FreeSpace::Plane { shape: self.shape(entry.shape, "shape")?, pitch_um: entry.pitch * length })
            }
            "free_space" => {
                let entry: FreeSpaceSettings = self.typed()?;
                let method = match entry.method {
                    None | Some(PropagationEntry::AngularSpectrum) => Propagation::AngularSpectrum,
                    Some(PropagationEntry::Fresnel) => Propagation::Fresnel,
                    Some(PropagationEntry::Fraunhofer) => Propagation::Fraunhofer,
                    Some(PropagationEntry::Matrix) => Propagation::Matrix,
                };
                let pad = entry.pad.unwrap_or(2) as usize;
                free(FreeSpace::Propagate { distance_um: entry.distance * length, method, pad })
            }
            "slm" => {
                let entry: SlmSettings = self.typed()?;
                let kind = match entry.kind {
                    None | Some(SlmKindEntry::Phase) => SlmKind::Phase,
                    Some(SlmKindEntry::Amplitude) => SlmKind::Amplitude,
                    Some(SlmKindEntry::Complex) => SlmKind::Complex,
                };
                free(FreeSpace::Slm {
                    shape: self.numbers(entry.shape, if kind == SlmKind::Complex { 2 } else { 1 }, "shape")?,
                    pitch_um: entry.pitch * length,
                    fill_factor: entry.fill_factor.unwrap_or(1.0),
                    kind,
                })
            }
            "lens_2f" => {
                let entry: LensSettings = self.typed()?;
                free(FreeSpace::Lens2f { focal_um: entry.focal * length })
            }
            "diffuser" => {
                let entry: DiffuserSettings = self.typed()?;
                let correlation_um = entry.correlation.unwrap_or(0.0) * length;
                free(FreeSpace::Diffuser { sigma_rad: entry.sigma, correlation_um })
            }
            _ => {
                let entry: CameraSettings = self.typed()?;
                let bin = match entry.bin {
                    Some(bin) => self.shape(bin, "bin")?,
                    None => [1, 1],
                };
                free(FreeSpace::Camera { shape: self.shape(entry.shape, "shape")?, bin })
            }
        }
    }
}

/// The schema of a generator's settings.
fn schema_of(component: usize) -> &'static serde_json::Value {
    static SCHEMAS: LazyLock<Vec<serde_json::Value>> = LazyLock::new(|| {
        let definitions = &crate::schema()["definitions"];
        let one = |name| serde_json::json!({"$ref": format!("#/definitions/{name}"), "definitions": definitions});
        DEFINITIONS.iter().map(one).collect()
    });
    &SCHEMAS[component]
}

/// Settings being read.
struct Context<'a> {
    settings: &'a Node,
    /// Micrometres of the file's unit of length.
    length: f64,
    /// They do not fit the schema, which has been said.
    invalid: bool,
    found: &'a mut Diagnostics,
}

impl Context<'_> {
    fn typed<T: DeserializeOwned>(&mut self) -> Option<T> {
        match self.settings.to() {
            Ok(value) => Some(value),
            Err(_) if self.invalid => None,
            Err(mismatch) => {
                let error = Diagnostic::error("wrong-type", format!("cannot be read: {mismatch}"));
                self.found.push(error.at(self.settings.span));
                None
            }
        }
    }

    /// An error at a setting.
    fn error(&mut self, code: &'static str, message: impl Into<String>, setting: &str) {
        if self.invalid && code == "size" {
            return; // the schema has said so
        }
        self.found.push(Diagnostic::error(code, message).at(self.settings.span_at(&[setting])));
    }

    /// A circuit, unless the settings have errors: it may then be of any size.
    fn circuit(&self, write_out: impl FnOnce() -> Expansion) -> Option<Generated> {
        if self.invalid { None } else { Some(Generated::Circuit(write_out())) }
    }

    fn mesh(&mut self, entry: &MeshSettings) -> Option<Generated> {
        let convention = match entry.convention {
            None | Some(ConventionEntry::Bpbp) => Convention::Bpbp,
            Some(ConventionEntry::BpbpT) => Convention::BpbpT,
            Some(ConventionEntry::Bloch) => Convention::Bloch,
            Some(ConventionEntry::RxHRy) => Convention::RxHRy,
            Some(ConventionEntry::Clements2016) => Convention::Clements2016,
        };
        let arrangement = match entry.arrangement {
            None | Some(ArrangementEntry::Clements) => Arrangement::Clements,
            Some(ArrangementEntry::Reck) => Arrangement::Reck,
            Some(ArrangementEntry::Triangular) => Arrangement::Triangular,
            Some(ArrangementEntry::Butterfly) => Arrangement::Butterfly,
            Some(ArrangementEntry::Redundant) => Arrangement::Redundant,
            Some(ArrangementEntry::File) => return self.mesh_file(entry),
        };
        if entry.file.is_some() {
            self.error("unused-setting", "`file` belongs to `arrangement: file`", "file");
        }
        let (n, layers) = (entry.n as usize, entry.layers.map(|layers| layers as usize));
        match blackbeam_meshes::size(arrangement, n, layers) {
            Ok(size) if size.cells as u64 * 2 + entry.n > MAX_NUMBERS => {
                let message = format!("a mesh of {} cells has more than {MAX_NUMBERS} phases (2^22)", size.cells);
                self.error("too-large", message, "n");
                return None;
            }
            Ok(_) => {}
            Err(error) => {
                self.error("size", error.to_string(), if layers.is_some() { "layers" } else { "n" });
                return None;
            }
        }
        let output_phases = entry.output_phases.unwrap_or(true);
        let cell = match entry.cell.as_deref() {
            None | Some("mzi") => Cell::Mzi,
            Some("mzi3") => Cell::Mzi3,
            Some("mzi_classical") => Cell::MziClassical,
            Some("tdc") => Cell::Tdc,
            Some(circuit) => {
                if entry.convention.is_some() {
                    let message = "a cell that is a circuit has no convention: it is what it is";
                    self.error("unused-setting", message, "convention");
                    return None;
                }
                let span = self.settings.span_at(&["cell"]);
                let sites = blackbeam_meshes::layout(arrangement, n, layers).ok()?;
                return self.circuit(|| expand::mesh_of(n, &sites, circuit, output_phases, span));
            }
        };
        if let Err(error) = blackbeam_meshes::Scheme::new(cell, convention) {
            self.error("convention", error.to_string(), "convention");
            return None;
        }
        Some(Generated::Leaf(Kind::Mesh(Mesh { n, arrangement, layers, convention, cell, output_phases })))
    }

    /// `arrangement: file`: the netlist of the file in the place of the mesh.
    fn mesh_file(&mut self, entry: &MeshSettings) -> Option<Generated> {
        let Some(file) = &entry.file else {
            let error = Diagnostic::error("missing-key", "missing key `file`").at(self.settings.span);
            self.found.push(error.help("`arrangement: file` needs a netlist: `file: mesh.pic.yml`"));
            return None;
        };
        let unused = [
            ("cell", entry.cell.is_some()),
            ("convention", entry.convention.is_some()),
            ("layers", entry.layers.is_some()),
            ("output_phases", entry.output_phases.is_some()),
        ];
        for (name, _) in unused.into_iter().filter(|(_, given)| *given) {
            self.error("unused-setting", format!("the file says all of the mesh; `{name}` has no effect"), name);
        }
        let component = expand::file_component(file);
        let span = self.settings.span_at(&["file"]);
        self.circuit(|| expand::wrapped(entry.n as usize, component, span))
    }

    fn mrr_bank(&mut self, entry: &MrrBankSettings) -> Option<MrrBank> {
        let [rows, columns] = self.matrix([entry.rows, entry.columns], "rows")?;
        let named = entry.preset.map(ring_of);
        let (a, r) = (entry.a.or(named.map(|n| n.0)), entry.r.or(named.map(|n| n.1)));
        let (Some(a), Some(r)) = (a, r) else {
            let missing = if a.is_none() { "a" } else { "r" };
            let error = Diagnostic::error("missing-key", format!("missing key `{missing}`")).at(self.settings.span);
            self.found
                .push(error.help("give a ring by `preset: HQ`, `MQ`, `LQ`, `MORR` or `astralora`, or its `a` and `r`"));
            return None;
        };
        let shared = entry.bus == Some(BusEntry::Shared);
        let weight = match (entry.weight, entry.preset) {
            (None, _) if shared => RingWeight::AddDrop,
            (None, Some(RingPreset::Astralora)) | (Some(RingWeightEntry::AllPassAmplitude), _) => {
                RingWeight::AllPassAmplitude
            }
            (None, _) | (Some(RingWeightEntry::AllPassPower), _) => RingWeight::AllPassPower,
            (Some(RingWeightEntry::AddDrop), _) => RingWeight::AddDrop,
        };
        if entry.r2.is_some() && weight != RingWeight::AddDrop {
            self.error("unused-setting", "`r2` belongs to rings with `weight: add_drop`", "r2");
        }
        let shared = if shared { Some(self.shared_bus(entry, weight)?) } else { None };
        if shared.is_none() {
            for (name, _) in
                [("length", entry.length), ("ng", entry.ng)].into_iter().filter(|(_, given)| given.is_some())
            {
                let error = Diagnostic::error("unused-setting", format!("`{name}` belongs to `bus: shared`"));
                let help = "rings on buses of their own are counted from resonance, and see one channel each";
                self.found.push(error.at(self.settings.span_at(&[name])).help(help));
            }
        }
        let (r2, scale) = (entry.r2.unwrap_or(r), entry.scale.unwrap_or(1.0));
        Some(MrrBank { rows, columns, a, r, r2, weight, scale, shared })
    }

    /// `bus: shared`.
    fn shared_bus(&mut self, entry: &MrrBankSettings, weight: RingWeight) -> Option<SharedBus> {
        if weight != RingWeight::AddDrop {
            let message = "rings that share a bus are read as `weight: add_drop`";
            let error = Diagnostic::error("bus", message).at(self.settings.span_at(&["weight"]));
            self.found.push(error.help("leave `weight` out, or give each ring a bus of its own: `bus: separate`"));
            return None;
        }
        let Some(length) = entry.length else {
            let error = Diagnostic::error("missing-key", "missing key `length`").at(self.settings.span);
            let help =
                "`bus: shared` needs the circumference of the rings, which spaces their resonances: `length: 31.4`";
            self.found.push(error.help(help));
            return None;
        };
        Some(SharedBus { length_um: length * self.length, ng: entry.ng.unwrap_or(DEFAULT_NG) })
    }

    fn slm_matvec(&mut self, entry: &SlmMatvecSettings) -> Option<SlmMatvec> {
        let [n_out, n_in] = self.matrix([entry.n_out, entry.n_in], "n_out")?;
        let scale = match entry.scale {
            None | Some(ScaleEntry::Named(NamedScale::RsqrtIn)) => 1.0 / (n_in as f64).sqrt(),
            Some(ScaleEntry::Number(scale)) => scale,
        };
        Some(SlmMatvec { n_in, n_out, scale, fill_factor: entry.fill_factor.unwrap_or(1.0) })
    }

    /// Rows and columns of a plane that can be simulated.
    fn shape(&mut self, shape: [u64; 2], setting: &str) -> Option<[usize; 2]> {
        self.within(shape, MAX_PIXELS, setting)
    }

    /// Rows and columns of places with `each` numbers that can be set.
    fn numbers(&mut self, shape: [u64; 2], each: u64, setting: &str) -> Option<[usize; 2]> {
        self.within(shape, MAX_NUMBERS / each, setting)
    }

    /// Outputs and inputs of a matrix.
    fn matrix(&mut self, shape: [u64; 2], setting: &str) -> Option<[usize; 2]> {
        if let Some(n) = shape.into_iter().find(|n| *n > MAX_PORTS) {
            let message = format!("{n} inputs or outputs are too many: at most {MAX_PORTS} (2^16) of each");
            self.error("too-large", message, setting);
            return None;
        }
        self.numbers(shape, 1, setting)
    }

    fn within(&mut self, [rows, columns]: [u64; 2], most: u64, setting: &str) -> Option<[usize; 2]> {
        let entries = rows.saturating_mul(columns);
        if entries == 0 {
            self.error("size", format!("{rows} x {columns} is nothing: both are at least 1"), setting);
            return None;
        }
        if entries > most {
            let message = format!("{rows} x {columns} is too large: at most {most} entries (2^{})", most.ilog2());
            self.error("too-large", message, setting);
            return None;
        }
        Some([rows as usize, columns as usize])
    }
}

/// (a, r) of a ring by name [torchonn's presets; the last one is astralora's].
fn ring_of(preset: RingPreset) -> (f64, f64) {
    match preset {
        RingPreset::Hq => (0.987, 0.99),
        RingPreset::Mq => (0.925, 0.93),
        RingPreset::Lq => (0.845, 0.85),
        RingPreset::Morr => (0.8578, 0.8985),
        RingPreset::Astralora => (0.8, 0.9),
    }
}
