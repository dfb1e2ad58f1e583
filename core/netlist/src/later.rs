//! What the language has and this version does not read yet: said explicitly, and taken out of the tree, so that it is
//! said once and nothing else stumbles over it.

use blackbeam_source::{Diagnostic, Diagnostics, Node, Value};

/// A key (or some values of a key) of the language that is not supported yet.
struct Later {
    /// `*` is any key or index.
    path: &'static [&'static str],
    /// Only these values; any if empty.
    values: &'static [&'static str],
    /// How many levels above the key are taken out with it.
    above: usize,
    /// What to do instead; may be empty.
    instead: &'static str,
}

const fn key(path: &'static [&'static str], instead: &'static str) -> Later {
    Later { path, values: &[], above: 0, instead }
}

const fn value(
    path: &'static [&'static str],
    values: &'static [&'static str],
    above: usize,
    instead: &'static str,
) -> Later {
    Later { path, values, above, instead }
}

const fn whole(path: &'static [&'static str], instead: &'static str) -> Later {
    Later { path, values: &[], above: 1, instead }
}

const ONE_GENERATOR: &str = "for now a device is one instance of `mesh`, `mrr_bank` or `slm_matvec`";
const READ_NOISE: &str = "for now noise is `noise_std` with `relative_to: full_scale`";

const LATER: &[Later] = &[
    key(&["circuits"], ONE_GENERATOR),
    key(&["imports"], ONE_GENERATOR),
    key(&["nets"], ONE_GENERATOR),
    key(&["routes"], ONE_GENERATOR),
    key(&["probes"], ONE_GENERATOR),
    key(&["solver"], ONE_GENERATOR),
    key(&["network"], ONE_GENERATOR),
    key(&["top_level"], ONE_GENERATOR),
    key(&["settings"], "write settings under the instance"),
    key(&["info", "ddl"], "write the sections at the top level"),
    key(&["environment", "channels"], "for now all inputs of a bank are independent; leave it out"),
    whole(&["environment", "wl", "start"], "give one wavelength: `wl: 1.55`"),
    key(&["instances", "*", "array"], ONE_GENERATOR),
    value(
        &["instances", "*", "component"],
        &[
            "straight",
            "phase",
            "coupler_ideal",
            "lossy_coupler",
            "coupler",
            "mmi1x2_ideal",
            "grating_coupler",
            "reflector",
            "facet",
            "circulator",
            "gain",
            "bend",
            "attenuator",
            "mmi",
            "mmi2x2_ideal",
            "crossing",
            "y_branch",
            "splitter",
            "isolator",
            "ring_allpass",
            "ring_adddrop",
            "mzi",
            "pcm_cell",
            "modulator",
            "slm",
            "monarch",
            "splitter_tree",
            "plane",
            "free_space",
            "lens_2f",
            "camera",
            "diffuser",
        ],
        1,
        ONE_GENERATOR,
    ),
    value(
        &["instances", "*", "settings", "arrangement"],
        &["reck", "triangular", "butterfly", "redundant", "file"],
        0,
        "use `clements`",
    ),
    value(&["instances", "*", "settings", "cell"], &["tdc"], 0, "use `mzi`, `mzi3` or `mzi_classical`"),
    value(
        &["instances", "*", "settings", "convention"],
        &["bpbp_t", "bloch", "rx_h_ry", "clements2016"],
        0,
        "use `bpbp`",
    ),
    key(&["parameters", "*", "tied"], ""),
    key(&["parameters", "*", "order"], "the order is row-major"),
    whole(&["parameters", "*", "init", "resonance"], "give a number or a distribution"),
    key(&["actuators", "*", "flicker"], "`phase_noise_std` is an error drawn at every write"),
    value(&["actuators", "*", "curve", "form"], &["table"], 1, "use `linear`, `square` or `polynomial`"),
    value(&["actuators", "*", "curve", "quantity"], &["gray"], 0, "leave `curve` out and give the DAC in radians"),
    value(&["actuators", "*", "crosstalk", "kernel"], &["matrix"], 1, "use `nearest`, `exponential` or `gaussian`"),
    whole(&["actuators", "*", "crosstalk", "matrix"], "use `nearest`, `exponential` or `gaussian`"),
    key(&["nonideal", "*", "coupling"], "for the couplers of a mesh use `split_angle`, for rings `r`"),
    key(&["nonideal", "*", "backscatter"], ""),
    key(&["nonideal", "*", "reflection_dB"], ""),
    key(&["nonideal", "*", "wavefront"], ""),
    key(&["nonideal", "*", "misalign_um"], ""),
    key(&["nonideal", "*", "loss_dB_cm"], "use `loss_dB` of cells or ports"),
    key(&["nonideal", "*", "extinction_ratio_db"], "use `split_angle`"),
    value(&["drift", "*", "model"], &["power", "sinusoid"], 1, "use `ou`, `wiener`, `linear` or `log`"),
    value(&["drift", "*", "quantity"], &["temperature_K"], 1, "give `sigma` as a phase"),
    key(&["encoding", "per"], ""),
    key(&["encoding", "scale"], "the input scale belongs to the experiment: `devices.<name>.input`"),
    value(&["encoding", "mode"], &["phase", "differential", "iq"], 0, "use `amplitude`, `intensity` or `complex`"),
    key(&["encoding", "source", "rin_dB_Hz"], "for now noise of the inputs is `encoding.noise_std`"),
    key(&["encoding", "source", "linewidth_Hz"], "for now noise of the inputs is `encoding.noise_std`"),
    key(&["readout", "pairs"], "`mode: differential` pairs the outputs of a bank by itself"),
    key(&["readout", "detector"], READ_NOISE),
    key(&["readout", "tia"], READ_NOISE),
    key(&["readout", "local_oscillator"], READ_NOISE),
    value(&["readout", "adc", "range"], &["full_well"], 0, "use `auto` or a number"),
    value(&["timing", "host_time"], &["measured", "fixed"], 0, "give a number of seconds per training step"),
];

/// Says what is not supported yet and takes it out of `root`.
pub(crate) fn report(root: &mut Node, found: &mut Diagnostics) {
    for later in LATER {
        take(root, later.path, later, &mut Vec::new(), found);
    }
    // gdsfactory keeps notes under `info`; without `ddl` they say nothing about the device
    if let Value::Map(entries) = &mut root.value {
        entries.retain(|(key, _)| key.name != "info");
    }
}

/// Follows `path` from `node`; true if `node` itself is to be taken out.
fn take(node: &mut Node, path: &[&str], later: &Later, names: &mut Vec<String>, found: &mut Diagnostics) -> bool {
    let Some((step, rest)) = path.split_first() else { return false };
    let mut out = false;
    let mut visit = |name: &str, span, child: &mut Node, found: &mut Diagnostics| {
        if *step != "*" && *step != name {
            return false;
        }
        names.push(name.into());
        let remove = if rest.is_empty() {
            hit(span, child, later, names, found)
        } else {
            take(child, rest, later, names, found)
        };
        names.pop();
        // what is taken out stands `above` levels above the key: here, or further up
        out |= remove && rest.len() < later.above;
        remove && rest.len() == later.above
    };
    match &mut node.value {
        Value::Map(entries) => entries.retain_mut(|(key, child)| !visit(&key.name, key.span, child, found)),
        Value::Seq(items) => {
            let mut i = 0;
            items.retain_mut(|child| {
                i += 1;
                !visit(&(i - 1).to_string(), child.span, child, found)
            });
        }
        _ => {}
    }
    out
}

/// Says it, if the value is one of those meant.
fn hit(span: blackbeam_source::Span, node: &Node, later: &Later, names: &[String], found: &mut Diagnostics) -> bool {
    let (what, place) = match node.as_str() {
        _ if later.values.is_empty() => (format!("`{}`", names.join(".")), span),
        Some(text) if later.values.contains(&text) => {
            (format!("`{}: {text}`", names.last().map_or("", String::as_str)), node.span)
        }
        _ => return false,
    };
    let mut error =
        Diagnostic::error("not-supported-yet", format!("{what} is not supported yet by this version")).at(place);
    if !later.instead.is_empty() {
        error = error.help(later.instead);
    }
    found.push(error);
    true
}
