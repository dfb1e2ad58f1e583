"""Case weight-bank: 32 rows of 32 add-drop rings on 32 WDM channels, 20 sets of phases, 100 vectors of channel powers.

The rings of a row share a bus, of which the plus detector sees the end, and a drop bus, of which the minus detector sees the
beginning: what ring j drops passes the rings before it, which may take a part of it back. y = x w^T / rows, as a tree splits the light.
"shared drop bus" is this circuit. "drops apart" lets each ring drop into a detector of its own: half of the arithmetic, another
device (its weights differ where channels lie close).
    python bank.py OUT.jsonl
"""
import sys

import numba as nb
import numpy as np

from race import Race

SIDE, SETS, BATCH = 32, 20, 100
COUPLING, LENGTH, NEFF, NG, WL0, LOSS_DB_CM = 0.03, 31.41592653589793, 2.34, 4.2, 1.55, 27.787
R = np.sqrt(1 - COUPLING)
A = 10 ** (-LOSS_DB_CM * 1e-4 * LENGTH / 20)


def rounds():
    """Phase of a round trip on every channel, without what is tuned."""
    frequency = 299792458e6 / 1.55 - 50e9 * np.arange(SIDE)
    wl = 299792458e6 / frequency
    return 2 * np.pi * (NEFF - (wl - WL0) * (NG - NEFF) / WL0) * LENGTH / wl


def weights(phases, apart):
    """[sets, rows, channels], ring by ring, in numpy."""
    h = np.sqrt(A) * np.exp(0.5j * (phases[..., None] + rounds()))              # [sets, row, ring, channel]
    n, d = 1 - R * R * h * h, -COUPLING * h
    if apart:
        through = np.abs((R - R * h * h) / n) ** 2
        passed = np.cumprod(through, 2)
        before = np.concatenate([np.ones_like(passed[:, :, :1]), passed[:, :, :-1]], 2)
        return passed[:, :, -1] - np.sum(np.abs(d / n) ** 2 * before, 2)
    g, t = np.zeros(h[:, :, 0].shape, complex), np.ones(h[:, :, 0].shape, complex)
    for j in reversed(range(SIDE)):
        # ring: thru = (R - R z) in + d add, drop = d in + (R - R z) add, each over n; add = g thru
        q = 1 / (n[:, :, j] - d[:, :, j] * g)
        t = t * (R - R * h[:, :, j] ** 2) * q
        g = (d[:, :, j] + (R * R - h[:, :, j] ** 2) * g) * q
    return np.abs(t) ** 2 - np.abs(g) ** 2


def dense(phases):
    """One row, by a dense solve of its waves on every channel."""
    h = np.sqrt(A) * np.exp(0.5j * (phases[:, None] + rounds()))
    n = 1 - R * R * h * h
    straight, across = R * (1 - h * h) / n, -COUPLING * h / n
    out = np.empty(SIDE)
    for k in range(SIDE):
        # unknowns: thru of ring 0.., drop of ring 0..
        m, b = np.eye(2 * SIDE, dtype=complex), np.zeros(2 * SIDE, complex)
        for j in range(SIDE):
            if j:
                m[j, j - 1] -= straight[j, k]
                m[SIDE + j, j - 1] -= across[j, k]
            else:
                b[0], b[SIDE] = straight[0, k], across[0, k]
            if j + 1 < SIDE:
                m[j, SIDE + j + 1] -= across[j, k]
                m[SIDE + j, SIDE + j + 1] -= straight[j, k]
        waves = np.linalg.solve(m, b)
        out[k] = abs(waves[SIDE - 1]) ** 2 - abs(waves[SIDE]) ** 2
    return out


# The loop over channels has a length that is known, and few arrays: so it is vectorised, and its checks that arrays do not
# overlap are made once a row; division must not raise. The cosine and the sine of a + b are made of those of a and b. No plain numbers: one of them
# would make all of it double.

@nb.njit(fastmath=True, error_model="numpy", cache=True, inline="never")
def shared_row(unit, r, kk, c, s, trip, state):
    """Power through, real and imaginary part of the ratio of dropped to arriving light: three parts of `state`."""
    one = r * r
    for j in range(SIDE - 1, -1, -1):
        cj, sj = c[j], s[j]
        for k in range(SIDE):
            hr, hi = cj * trip[k] - sj * trip[SIDE + k], sj * trip[k] + cj * trip[SIDE + k]
            zr, zi = hr * hr - hi * hi, hr * hi + hr * hi
            dr, di = -kk * hr, -kk * hi
            xr, xi = state[SIDE + k], state[2 * SIDE + k]
            nr = unit - one * zr - (dr * xr - di * xi)
            ni = -one * zi - (dr * xi + di * xr)
            scale = unit / (nr * nr + ni * ni)
            er, ei = one - zr, -zi
            fr = dr + er * xr - ei * xi
            fi = di + er * xi + ei * xr
            state[SIDE + k] = (fr * nr + fi * ni) * scale
            state[2 * SIDE + k] = (fi * nr - fr * ni) * scale
            state[k] *= one * ((unit - zr) * (unit - zr) + zi * zi) * scale


@nb.njit(fastmath=True, error_model="numpy", cache=True, inline="never")
def lone_row(unit, r, a, two, c, s, trip, state):
    """Power through and power dropped so far: two parts of `state`."""
    x, one = r * r * a, r * r * (unit + a * a)
    for j in range(SIDE):
        cj, sj = c[j], s[j]
        for k in range(SIDE):
            twice = (x + x) * (cj * trip[k] - sj * trip[SIDE + k])
            scale = state[k] / (unit + x * x - twice)
            state[SIDE + k] += two * scale
            state[k] = (one - twice) * scale


@nb.njit(fastmath=True, error_model="numpy", cache=True)
def shared(c, s, trip, r, kk, state, w):
    """Weights from cosines and sines of half phases."""
    unit = w.dtype.type(1)
    for q in range(w.shape[0]):
        for i in range(SIDE):
            state[:SIDE], state[SIDE:] = 1, 0
            shared_row(unit, r, kk, c[q, i], s[q, i], trip, state)
            for k in range(SIDE):
                w[q, i, k] = state[k] - state[SIDE + k] ** 2 - state[2 * SIDE + k] ** 2


@nb.njit(fastmath=True, error_model="numpy", cache=True)
def alone(c, s, trip, r, kk, a, state, w):
    """The same for drops apart, in real numbers only."""
    unit, two = w.dtype.type(1), kk * kk * a
    for q in range(w.shape[0]):
        for i in range(SIDE):
            state[:SIDE], state[SIDE:] = 1, 0
            lone_row(unit, r, a, two, c[q, i], s[q, i], trip, state)
            for k in range(SIDE):
                w[q, i, k] = state[k] - state[SIDE + k]


class Numba:
    def __init__(self, phases, x, dtype, apart):
        self.phases, self.x, self.apart, self.dtype = phases.astype(dtype), x.astype(dtype), apart, dtype
        self.rounds = np.remainder(rounds(), 4 * np.pi)
        self.w = np.empty(phases.shape, dtype)
        self.state = np.empty(3 * SIDE, dtype)
        self.angles = [np.empty_like(self.phases) for _ in range(3)]

    def __call__(self):
        angle, cosine, sine = self.angles
        half = self.dtype(1 if self.apart else 0.5)
        np.multiply(self.phases, half, out=angle)
        np.cos(angle, out=cosine)
        np.sin(angle, out=sine)
        scale = 1 if self.apart else np.sqrt(A)
        trip = half * self.rounds
        trip = (scale * np.concatenate([np.cos(trip), np.sin(trip)])).astype(self.dtype)
        r, kk, a = (self.dtype(v) for v in (R, COUPLING, A))
        if self.apart:
            alone(cosine, sine, trip, r, kk, a, self.state, self.w)
        else:
            shared(cosine, sine, trip, r, kk, self.state, self.w)
        return np.matmul(self.x, np.swapaxes(self.w, -1, -2))


def main():
    out = sys.argv[1]
    random = np.random.default_rng(0)
    base = random.uniform(-0.3, 0.3, (SIDE, SIDE)) - rounds()                 # ring j near channel j
    phases = np.remainder(base + 0.01 * random.standard_normal((SETS, SIDE, SIDE)), 2 * np.pi)
    x = random.uniform(0, 1, (BATCH, SIDE))
    w = weights(phases, False)
    assert np.max(np.abs(w[3, 5] - dense(phases[3, 5]))) < 1e-12

    race = Race("weight-bank", modes=SIDE, sets=SETS, batch=BATCH, reference=None)
    answers = {apart: x @ np.swapaxes(weights(phases, apart), -1, -2) for apart in (False, True)}
    for apart, name in ((False, "shared drop bus"), (True, "drops apart")):
        for precision, dtype in (("f64", np.float64), ("f32", np.float32)):
            race.reference = answers[apart]
            race.peer(f"numba, {name}", Numba(phases, x, dtype, apart), precision=precision)
        race.peer(f"numpy, {name}", lambda apart=apart: x @ np.swapaxes(weights(phases, apart), -1, -2))
    frameworks(race, phases, x, answers[False])
    for precision in ("f64", "f32"):
        race.blackbeam(precision=precision)
    race.blackbeam(chain="typical")
    race.run(out)


def frameworks(race, phases, x, answers):
    """The shared drop bus in jax and torch."""
    import jax
    jax.config.update("jax_enable_x64", True)
    import jax.numpy as jnp
    import torch
    torch.set_num_threads(1)
    race.reference = answers

    def ring(g, t, h):
        q = 1 / (1 - R * R * h * h + COUPLING * h * g)
        return (-COUPLING * h + (R * R - h * h) * g) * q, t * R * (1 - h * h) * q

    @jax.jit
    def on_jax(phases, x):
        h = jnp.moveaxis(np.sqrt(A) * jnp.exp(0.5j * (phases[..., None] + rounds())), 2, 0)
        start = jnp.zeros(h.shape[1:], complex), jnp.ones(h.shape[1:], complex)
        (g, t), _ = jax.lax.scan(lambda state, h: (ring(*state, h), None), start, h, reverse=True)
        return x @ jnp.swapaxes(jnp.abs(t) ** 2 - jnp.abs(g) ** 2, -1, -2)
    given = jnp.asarray(phases), jnp.asarray(x)
    race.peer("jax, shared drop bus", lambda: on_jax(*given).block_until_ready(), note="scan over rings, jit")

    trip, tensors = torch.from_numpy(rounds()), (torch.from_numpy(phases), torch.from_numpy(x))

    def on_torch():
        with torch.no_grad():
            angle = 0.5 * (tensors[0][..., None] + trip)
            h = torch.polar(torch.full_like(angle, np.sqrt(A)), angle)
            g = torch.zeros_like(h[:, :, 0])
            t = torch.ones_like(g)
            for j in reversed(range(SIDE)):
                g, t = ring(g, t, h[:, :, j])
            return tensors[1] @ (t.abs() ** 2 - g.abs() ** 2).mT
    race.peer("torch, shared drop bus", on_torch, note="eager")


if __name__ == "__main__":
    main()
