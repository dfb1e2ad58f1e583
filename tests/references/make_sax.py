#!/usr/bin/env python3
"""Writes the reference S-parameters of `sax/` for the netlists of `circuits/`.

    python3 -m venv /tmp/sax && /tmp/sax/bin/pip install sax==0.18.2 jax==0.9.2 pyyaml
    /tmp/sax/bin/python tests/references/make_sax.py [NAME ..]

Without names all circuits are done (a minute; nearly all of it is SAX compiling the meshes). Each `circuits/NAME.*` gives `sax/NAME.csv` with the
columns `wl_um,port_in,port_out,re,im` for every ordered pair of ports: the amplitude out of `port_out` for a unit amplitude into `port_in`, in
17 significant digits. The numbers are committed; tests only read them. Nothing is written outside of this folder.

What SAX does that a reader of these files should know:

- Of a netlist it keeps `instances connections ports nets placements settings` and the links of `routes`; `name`, `pdk`, `info`,
  `warnings` and everything else fall away without a word, and so do `routes.*.settings` and `placements` (here).
- An instance's `info` overrides its `settings` (`straight_top` and `bend_top` of the gdsfactory netlist have the length of their `info`).
- Settings that a model does not have (`width_mmi`, `gap`, `cross_section`, ..) are dropped without a word.
- Settings of an instance of a sub-circuit are `{inner instance: {setting: value}}`, and for an array one entry without its index.
- The size of an array is taken from the indices that its links use, whatever `array` says.
- Models are `jax.jit` functions that read the global naming of ports while they are traced: a change of
  `set_port_naming_strategy` only shows after `jax.clear_caches()`.
- `mmi1x2` and `mmi2x2` divide by their largest value over the wavelengths of the call. The wavelengths below contain the centre of each, so
  that the factor is 1.
- In the dictionaries that models return, keys are (in, out).
- jax computes in 32 bits unless told otherwise, before anything else.
"""

import csv
import json
import sys
from pathlib import Path

import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
import sax  # noqa: E402
import yaml  # noqa: E402

HERE = Path(__file__).resolve().parent
SAX_VERSION = "0.18.2"
STOCK = """attenuator bend circulator coupler coupler_ideal crossing_ideal grating_coupler isolator mirror mmi1x2 mmi1x2_ideal
    mmi2x2 mmi2x2_ideal phase_shifter reflector splitter_ideal straight terminator""".split()
# Wavelengths in micrometres: start, stop, points.
BAND = (1.53, 1.57, 9)
BANDS = {
    "mesh8": (1.54, 1.56, 3),
    "hierarchy": (1.5301, 1.5699, 13),
    "crow": (1.5481, 1.5519, 15),
    "vernier": (1.5412, 1.5588, 15),
    "fabry_perot": (1.5489, 1.5511, 15),
}


def phase(wl=1.55, phi=0.0, loss_dB=0.0):
    """An ideal phase shifter, which SAX lacks: in0 -> out0 = 10^(-loss_dB / 20) exp(i phi)."""
    t = 10 ** (-loss_dB / 20) * jnp.exp(1j * jnp.asarray(phi)) * jnp.ones_like(jnp.asarray(wl))
    return sax.reciprocal({("in0", "out0"): t})


def load(path):
    text = path.read_text()
    return json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)


def simulate(path, wl):
    """The ports and S-parameters {(in, out): values over wl} of a netlist."""
    sax.set_port_naming_strategy("optical" if path.name.endswith(".pic.yml") else "inout")
    jax.clear_caches()
    models = {name: getattr(sax.models, name) for name in STOCK} | {"phase": phase}
    circuit, _ = sax.circuit(load(path), models=models, backend="klu")
    s = {pair: np.broadcast_to(np.asarray(value), wl.shape) for pair, value in sax.sdict(circuit(wl=wl)).items()}
    assert all(value.dtype == np.complex128 for value in s.values()), "jax computed in 32 bits"
    assert all(np.isfinite(value).all() for value in s.values())
    ports = list(dict.fromkeys(port for pair in s for port in pair))
    return ports, s


def write(path, ports, s, wl):
    with path.open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["wl_um", "port_in", "port_out", "re", "im"])
        for k, at in enumerate(wl):
            for port_in in ports:
                for port_out in ports:
                    value = s.get((port_in, port_out), np.zeros(wl.shape, complex))[k]
                    rows.writerow([f"{at:.17g}", port_in, port_out, f"{value.real:.17g}", f"{value.imag:.17g}"])


def main(names):
    if sax.__version__ != SAX_VERSION:
        print(f"warning: SAX {sax.__version__}; the committed numbers are of {SAX_VERSION}", file=sys.stderr)
    paths = {path.name.split(".")[0]: path for path in sorted((HERE / "circuits").iterdir())}
    for name in names or paths:
        wl = np.linspace(*BANDS.get(name, BAND))
        ports, s = simulate(paths[name], wl)
        write(HERE / "sax" / f"{name}.csv", ports, s, wl)
        print(f"{name}: {len(ports)} ports, {len(wl)} wavelengths", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
