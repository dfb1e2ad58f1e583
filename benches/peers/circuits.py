"""Cases ring and crow: the S-parameters of an add-drop ring, and of 16 rings in a row, between all four ports.

    python circuits.py OUT.jsonl ring|crow
"""
import sys

import numpy as np

from race import Race

LENGTH, NEFF, NG, WL0, LOSS_DB_CM = 31.41592653589793, 2.34, 4.2, 1.55, 3.0      # of half a ring; um
PORTS = ["in", "thru", "add", "drop"]


def waveguide(wl, xp):
    """Amplitude after half a ring."""
    neff = NEFF - (wl - WL0) * (NG - NEFF) / WL0
    return 10 ** (-LOSS_DB_CM * 1e-4 * LENGTH / 20) * xp.exp(2j * np.pi * neff * LENGTH / wl)


def couplings(rings):
    return [0.1] + [0.02] * (rings - 1) + [0.1]


def netlist(rings):
    instances, connections = {}, {}
    for k, coupling in enumerate(couplings(rings)):
        instances[f"c{k}"] = {"component": "coupler", "settings": {"coupling": coupling}}
    for k in range(rings):
        instances[f"t{k}"] = instances[f"b{k}"] = "half"
        connections |= {f"c{k},out1": f"t{k},in0", f"t{k},out0": f"c{k + 1},in0",
                        f"c{k + 1},out0": f"b{k},in0", f"b{k},out0": f"c{k},in1"}
    ports = {"in": "c0,in0", "thru": "c0,out0", "add": f"c{rings},in1", "drop": f"c{rings},out1"}
    return {"instances": instances, "connections": connections, "ports": ports}


def dense(rings, wl):
    """S [wavelengths, out, in] by a dense solve of the whole network, both directions, at every wavelength."""
    net, first, count = netlist(rings), {}, 0
    for name in net["instances"]:
        first[name], count = count, count + (4 if name[0] == "c" else 2)

    def port(text):
        name, pin = text.split(",")
        return first[name] + {"in0": 0, "in1": 1, "out0": 2 if name[0] == "c" else 1, "out1": 3}[pin]
    s = np.zeros((len(wl), count, count), complex)
    for name, at in first.items():
        if name[0] == "c":
            coupling = couplings(rings)[int(name[1:])]
            block = np.array([[np.sqrt(1 - coupling), 1j * np.sqrt(coupling)], [1j * np.sqrt(coupling), np.sqrt(1 - coupling)]])
            s[:, at:at + 2, at + 2:at + 4], s[:, at + 2:at + 4, at:at + 2] = block, block
        else:
            s[:, at, at + 1] = s[:, at + 1, at] = waveguide(wl, np)
    join = np.zeros((count, count))
    for a, b in net["connections"].items():
        join[port(a), port(b)] = join[port(b), port(a)] = 1
    outer = [port(p) for p in net["ports"].values()]
    inside = np.linalg.solve(np.eye(count) - join @ s, np.broadcast_to(np.eye(count, dtype=complex)[:, outer], (len(wl), count, 4)))
    return (s @ inside)[:, outer]


def sax_circuit(rings):
    import jax
    jax.config.update("jax_enable_x64", True)
    import jax.numpy as jnp
    import sax

    def coupler(wl=1.55, coupling=0.5):
        one = jnp.ones_like(jnp.asarray(wl), dtype=complex)
        through, across = jnp.sqrt(1 - coupling) * one, 1j * jnp.sqrt(coupling) * one
        return sax.reciprocal({("in0", "out0"): through, ("in0", "out1"): across, ("in1", "out0"): across, ("in1", "out1"): through})

    def half(wl=1.55):
        return sax.reciprocal({("in0", "out0"): waveguide(jnp.asarray(wl), jnp)})

    circuit, _ = sax.circuit(netlist(rings), models={"coupler": coupler, "half": half}, backend="klu", return_type="SDense")

    def solve(wl):
        s, index = circuit(wl=wl)
        order = np.array([index[port] for port in PORTS])
        return s[..., order, :][..., :, order]
    return jax.jit(solve), jnp


def closed_form(wl):
    """The ring by its formula, by symmetry from two entries."""
    t, kk = np.sqrt(0.9), 0.1
    h = waveguide(wl, np)
    d = 1 / (1 - t * t * h * h)
    s = np.zeros((len(wl), 4, 4), complex)
    s[:, 0, 1] = s[:, 1, 0] = s[:, 2, 3] = s[:, 3, 2] = t * (1 - h * h) * d
    s[:, 0, 3] = s[:, 3, 0] = s[:, 1, 2] = s[:, 2, 1] = -kk * h * d
    return s


def recursion(rings, wl):
    """thru and drop for light at `in` alone: one sweep of ratios from the far end. What a person derives by hand."""
    h, g, t = waveguide(wl, np), np.zeros(len(wl), complex), np.ones(len(wl), complex)
    for k, coupling in reversed(list(enumerate(couplings(rings)))):
        through, d = np.sqrt(1 - coupling), 1 / (1 - np.sqrt(1 - coupling) * g)
        across = 1j * np.sqrt(coupling) * d
        out = through - coupling * g * d
        t = t * across
        if k:
            g, t = h * out * h, t * h
    return np.stack([out, t])


def main():
    out, what = sys.argv[1:3]
    rings, points = {"ring": (1, 10_000), "crow": (16, 1000)}[what]
    wl = np.linspace(1.5, 1.6, points)
    reference = np.concatenate([dense(rings, part) for part in np.array_split(wl, 10)])
    race = Race(what, modes=rings, batch=points, reference=reference)
    solve, jnp = sax_circuit(rings)
    on_jax = jnp.asarray(wl)
    race.peer("SAX, klu", lambda: solve(on_jax).block_until_ready(), note="jit")
    if rings == 1:
        race.peer("numpy, formula", lambda: closed_form(wl), note="derived by hand, for this circuit only")
    def spread(both):
        s = reference.copy()
        s[:, 1, 0], s[:, 3, 0] = both
        return s
    race.peer("numpy, recursion", lambda: recursion(rings, wl), get=spread, note="derived by hand; one input, two outputs")
    race.blackbeam(modes="fixed" if rings == 1 else None)
    race.run(out)


if __name__ == "__main__":
    main()
