//! Where parameters start.

use super::Check;
use super::parameters::{Block, has_haar, mesh_of};
use crate::circuit::{Environment, Init, Kind, Mesh, Number, ParameterBlock, ParameterKind};
use crate::data;
use crate::file::{InitEntry, InitFrom, NamedInit};
use crate::library::file_error;
use crate::scene::Scene;
use blackbeam_meshes::Phases;
use blackbeam_source::{Diagnostic, Node, Span};
use std::f64::consts::TAU;
use std::sync::Arc;

impl Check {
    /// Reads `init` of a block.
    pub(super) fn init(
        &mut self,
        scene: &Scene,
        block: &mut ParameterBlock,
        entry: &InitEntry,
        span: Span,
        environment: &Environment,
    ) {
        let init = match entry {
            InitEntry::Named(NamedInit::Settings) => Some(Init::Settings),
            InitEntry::Named(NamedInit::Haar) => self.haar(scene, block, span),
            InitEntry::Fixed(x) => self.number_init(block, Number::Fixed(*x), span),
            InitEntry::From(from) => self.init_from(scene, block, from, span, environment),
        };
        if let Some(init) = init {
            block.init = init;
        }
    }

    fn haar(&mut self, scene: &Scene, block: &ParameterBlock, span: Span) -> Option<Init> {
        let mesh = mesh_of(scene, &block.slots).filter(|_| block.kind == ParameterKind::Theta);
        if mesh.is_some_and(|(_, mesh)| has_haar(mesh)) && block.ends.len() == block.slots.len() {
            return Some(Init::Haar);
        }
        let message = "`haar` is known for theta of a mesh of `mzi` cells only, one value a cell";
        let error = Diagnostic::error("haar", message).at(span);
        self.found.push(error.help("give a number or a distribution, such as `{uniform: [0, 6.283]}`"));
        None
    }

    fn number_init(&mut self, block: &ParameterBlock, number: Number, span: Span) -> Option<Init> {
        let (low, high) = match number {
            Number::Fixed(x) => (x, x),
            Number::Uniform(low, high) => (low, high),
            _ => block.range,
        };
        let slack = 1e-9 * (block.range.1 - block.range.0);
        if low < block.range.0 - slack || high > block.range.1 + slack {
            let message = format!("the parameter starts outside its range, {} to {}", block.range.0, block.range.1);
            self.error("out-of-range", message, span);
            return None;
        }
        Some(Init::Number(number))
    }

    fn init_from(
        &mut self,
        scene: &Scene,
        block: &ParameterBlock,
        from: &InitFrom,
        span: Span,
        environment: &Environment,
    ) -> Option<Init> {
        let InitFrom { normal, uniform, lognormal, unitary, file, resonance } = from;
        let distributions = [normal.is_some(), uniform.is_some(), lognormal.is_some()];
        let sources = [unitary.is_some(), file.is_some(), resonance.is_some()];
        let given = distributions.iter().chain(&sources).filter(|given| **given).count();
        if given != 1 {
            let error = Diagnostic::error("distribution", "expected exactly one way to start").at(span);
            let help = "write `{normal: [mean, std]}`, `{uniform: [low, high]}`, `{lognormal: [median, sigma]}`, \
                        `{file: values.npy}`, `{unitary: matrix.npy}` or `{resonance: channel}`";
            self.found.push(error.help(help));
            return None;
        }
        if let Some(file) = file {
            return self.file_init(block, file, span);
        }
        if let Some(file) = unitary {
            return self.unitary_init(scene, block, file, span);
        }
        if resonance.is_some() {
            return self.resonance(scene, block, span, environment);
        }
        let number = self.spread(*normal, *uniform, *lognormal, span)?;
        self.number_init(block, number, span)
    }

    /// One value a parameter.
    fn file_init(&mut self, block: &ParameterBlock, file: &str, span: Span) -> Option<Init> {
        let values = match data::numbers(&self.files, file) {
            Ok(values) => values,
            Err(what) => {
                self.found.push(file_error(file, &what, span));
                return None;
            }
        };
        if values.len() != block.ends.len() {
            let message = format!("`{file}` holds {} numbers for {} parameters", values.len(), block.ends.len());
            self.error("wrong-length", message, span);
            return None;
        }
        let slack = 1e-9 * (block.range.1 - block.range.0);
        let outside = |x: &f64| *x < block.range.0 - slack || *x > block.range.1 + slack;
        if let Some(at) = values.iter().position(outside) {
            let (low, high) = block.range;
            let message =
                format!("number {at} (from 0) of `{file}`, {}, is outside the range, {low} to {high}", values[at]);
            self.error("out-of-range", message, span);
            return None;
        }
        Some(Init::Values(values.into()))
    }

    /// The phases of a mesh that is a given unitary.
    fn unitary_init(&mut self, scene: &Scene, block: &ParameterBlock, file: &str, span: Span) -> Option<Init> {
        let Some((owner, mesh)) = mesh_of(scene, &block.slots).filter(|_| block.ends.len() == block.slots.len()) else {
            let error = Diagnostic::error("unitary", "`unitary` is for the phases of one `mesh`").at(span);
            self.found.push(error.help("give numbers, one a parameter, by `{file: values.npy}`"));
            return None;
        };
        let phases = self.decompose(mesh, file, span)?;
        let own = scene.flat.owners[owner].slots.clone();
        let cells = phases.theta.len();
        let (low, high) = block.range;
        let value = |slot: &usize| {
            let k = slot - own.start;
            let phase = match k {
                _ if k < cells => phases.theta[k],
                _ if k < 2 * cells => phases.phi[k - cells],
                _ => phases.gamma[k - 2 * cells],
            };
            // the same phase within the range, if it has one there
            let turns = ((low - 1e-9 - phase) / TAU).ceil();
            (phase + turns * TAU).max(low)
        };
        let values: Vec<f64> = block.slots.iter().map(value).collect();
        if let Some(k) = values.iter().position(|x| *x > high + 1e-9) {
            let path = &block.names[k];
            let message = format!("`{path}` of `{file}` is {:.6}, outside the range, {low} to {high}", values[k]);
            self.error("out-of-range", message, span);
            return None;
        }
        Some(Init::Values(values.into_iter().map(|x| x.min(high)).collect()))
    }

    fn decompose(&mut self, mesh: &Mesh, file: &str, span: Span) -> Option<Arc<Phases>> {
        let matrix = match data::square_matrix(&self.files, file, mesh.n) {
            Ok(matrix) => matrix,
            Err(what) => {
                self.found.push(file_error(file, &what, span));
                return None;
            }
        };
        let (cell, convention) = (mesh.cell, mesh.convention);
        match blackbeam_meshes::decompose(&matrix, mesh.arrangement, mesh.layers, cell, convention) {
            Ok(phases) => Some(Arc::new(phases)),
            Err(error) => {
                self.error("unitary", format!("`{file}`: {error}"), span);
                None
            }
        }
    }

    /// Rings on the channels of their columns.
    fn resonance(
        &mut self,
        scene: &Scene,
        block: &ParameterBlock,
        span: Span,
        environment: &Environment,
    ) -> Option<Init> {
        let mut fail = |message: String, help: &str| {
            self.found.push(Diagnostic::error("resonance", message).at(span).help(help));
            None
        };
        if !matches!(block.kind, ParameterKind::RingPhase | ParameterKind::SettingPhase)
            || block.ends.len() != block.slots.len()
        {
            return fail("only phases of rings have a resonance".into(), "name a phase inside each ring");
        }
        if !environment.channels {
            let help = "give them: `environment: {channels: {start: 1.55, spacing_GHz: 200, count: 4}}`";
            return fail("`resonance: channel` needs channels".into(), help);
        }
        let owner = &scene.flat.owners[scene.flat.owner_of(*block.slots.first()?)];
        if let Some(Kind::MrrBank(_)) = owner.leaf.map(|leaf| &scene.kinds[leaf]) {
            let help = "leave `init` out, or write the rings as a circuit";
            return fail("the phases of an `mrr_bank` are counted from the resonance already".into(), help);
        }
        let columns = block.grid.iter().map(|place| place[1] + 1).max().unwrap_or(0) as usize;
        let channels = environment.wavelengths_um.len();
        if columns > channels {
            let help = "the ring of column c goes to channel c";
            return fail(format!("there are {columns} columns of rings for {channels} channels"), help);
        }
        Some(Init::Resonance)
    }

    /// A mesh is the unitary only if all its phases start from the same file.
    pub(super) fn check_unitary(&mut self, scene: &Scene, root: &Node, blocks: &[Block]) {
        let parameters = root.get("parameters").and_then(Node::as_map).unwrap_or_default();
        let file_of = |span: Option<Span>| {
            let (_, node) = parameters.iter().find(|(key, _)| Some(key.span) == span)?;
            Some((node.at(&["init", "unitary"])?.as_str()?, node.span_at(&["init", "unitary"])))
        };
        for block in blocks {
            if !matches!(block.block.init, Init::Values(_)) {
                continue; // an error, said already
            }
            let (Some((file, span)), Some((owner, mesh))) = (file_of(block.span), mesh_of(scene, &block.block.slots))
            else {
                continue;
            };
            let same: usize = blocks
                .iter()
                .filter(|other| mesh_of(scene, &other.block.slots).is_some_and(|(o, _)| o == owner))
                .filter(|other| file_of(other.span).is_some_and(|(other, _)| other == file))
                .map(|other| other.block.slots.len())
                .sum();
            let all = scene.flat.owners[owner].slots.len();
            if same < all || !mesh.output_phases {
                let path = &scene.flat.owners[owner];
                let message = format!("`{path}` is not the matrix of `{file}`: some of its phases start elsewhere");
                let help = if mesh.output_phases {
                    format!("give theta, phi and gamma of `{path}` the same `init`")
                } else {
                    String::from("the mesh has no output phases: it is the matrix up to phases of its outputs")
                };
                self.found.push(Diagnostic::warning("unitary", message).at(span).help(help));
                return;
            }
        }
    }
}
