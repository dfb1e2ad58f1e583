"""Cases mesh-coordinates and mesh-coordinates-contracted: each of the N^2 phases of a mesh moved by h, one at a time, on
the same vectors. What is written is the change of all outputs, [N^2, N, B], or its product with a cotangent, [N^2].

A moved phase changes one cell by a matrix of rank one. So the structured peers keep the fields before every layer and the
product of all layers after it, and write outer products; contracted, they send the cotangent backwards. The finite change is
exact in both.
    python coordinates.py OUT.jsonl N
"""
import sys

import numba as nb
import numpy as np

from mesh import BATCH, Numba, draw, entries, numpy_mesh, vectors
from race import Race

H = 0.01 * np.pi


class Structured:
    """The phases in the order theta, phi, gamma; theta and phi layer by layer."""

    def __init__(self, theta, phi, gamma, x):
        self.theta, self.phi, self.gamma, self.x = theta, phi, gamma, x
        n, batch = x.shape
        self.n, self.half = n, n * (n - 1) // 2
        self.out = np.zeros((n * n, n, batch), complex)

    def forward(self):
        """Entries of the cells, fields before every layer, fields after the last."""
        t = entries(self.theta, self.phi, np)
        fields = np.empty((self.n + 1, *self.x.shape), complex)
        fields[0] = self.x
        for layer in range(self.n):
            odd, now, after = layer % 2, fields[layer], fields[layer + 1]
            stop, cells = self.n - odd, np.s_[layer, :self.n // 2 - odd, None]
            if odd:
                after[0], after[-1] = now[0], now[-1]
            a, b = now[odd:stop:2], now[odd + 1:stop:2]
            after[odd:stop:2] = t[0][cells] * a + t[1][cells] * b
            after[odd + 1:stop:2] = t[2][cells] * a + t[3][cells] * b
        return t, fields

    def rank_one(self, t, layer, a, b):
        """For theta and phi of a layer: the column of the change of each cell, and what it multiplies, [cells, B]."""
        count = a.shape[0]
        cells = np.s_[layer, :count, None]
        # T = B P(theta) B P(phi): theta moves the upper arm, which has the field (e^{i phi} a + i b) / sqrt 2
        arm = (np.exp(1j * self.phi[cells]) * a + 1j * b) / np.sqrt(2)
        moved = np.exp(1j * self.theta[cells]) * (np.exp(1j * H) - 1)
        yield 0, np.full(count, np.sqrt(0.5)), np.full(count, 1j * np.sqrt(0.5)), moved * arm
        yield self.half, t[0][layer, :count], t[2][layer, :count], (np.exp(1j * H) - 1) * a

    def backward(self, t, layer, s):
        """`s` [.., N], products with the outputs, taken back through a layer."""
        odd = layer % 2
        stop, count = self.n - odd, self.n // 2 - odd
        upper, lower = s[:, odd:stop:2].copy(), s[:, odd + 1:stop:2].copy()
        s[:, odd:stop:2] = upper * t[0][layer, :count] + lower * t[2][layer, :count]
        s[:, odd + 1:stop:2] = upper * t[1][layer, :count] + lower * t[3][layer, :count]

    def written(self, multiply):
        """All changes; `multiply(u, v, out)` writes the outer products u [cells, N] x v [cells, B]."""
        t, fields = self.forward()
        ends = np.exp(1j * self.gamma)
        rows = np.arange(self.n)
        self.out[2 * self.half + rows, rows] = (ends * (np.exp(1j * H) - 1))[:, None] * fields[-1]
        s, at = np.diag(ends), self.half
        for layer in reversed(range(self.n)):
            odd = layer % 2
            stop, count = self.n - odd, self.n // 2 - odd
            at -= count
            a, b = fields[layer][odd:stop:2], fields[layer][odd + 1:stop:2]
            for first, upper, lower, v in self.rank_one(t, layer, a, b):
                u = s[:, odd:stop:2] * upper + s[:, odd + 1:stop:2] * lower
                multiply(np.ascontiguousarray(u.T), v, self.out[first + at:first + at + count])
            self.backward(t, layer, s)
        return self.out

    def contracted(self, cotangent):
        """Products with a cotangent [N, B], taken as Re conj(cotangent) change."""
        t, fields = self.forward()
        ends = np.exp(1j * self.gamma)
        out = np.empty(self.n * self.n)
        s = (np.conj(cotangent) * ends[:, None]).T.copy()                         # [B, N]
        out[2 * self.half:] = np.real((np.exp(1j * H) - 1) * np.einsum("bi,ib->i", s, fields[-1]))
        at = self.half
        for layer in reversed(range(self.n)):
            odd = layer % 2
            stop, count = self.n - odd, self.n // 2 - odd
            at -= count
            a, b = fields[layer][odd:stop:2], fields[layer][odd + 1:stop:2]
            for first, upper, lower, v in self.rank_one(t, layer, a, b):
                u = s[:, odd:stop:2] * upper + s[:, odd + 1:stop:2] * lower       # [B, cells]
                out[first + at:first + at + count] = np.real(np.einsum("bk,kb->k", u, v))
            self.backward(t, layer, s)
        return out


def by_numpy(u, v, out):
    np.multiply(u[:, :, None], v[:, None, :], out=out)


@nb.njit(fastmath=True, cache=True)
def by_numba(u, v, out):
    for k in range(out.shape[0]):
        for i in range(out.shape[1]):
            ur, ui = u[k, i].real, u[k, i].imag
            for j in range(out.shape[2]):
                vr, vi = v[k, j].real, v[k, j].imag
                out[k, i, j] = complex(ur * vr - ui * vi, ur * vi + ui * vr)


def plain(theta, phi, gamma, x, index):
    """The change by one phase, the long way."""
    n = len(gamma)
    cells = [(layer, k) for layer in range(n) for k in range(n // 2 - layer % 2)]
    moved = [theta.copy(), phi.copy(), gamma.copy()]
    which, at = min(index // len(cells), 2), index % len(cells)
    if which < 2:
        moved[which][cells[at]] += H
    else:
        moved[2][index - 2 * len(cells)] += H
    return numpy_mesh(*moved, x) - numpy_mesh(theta, phi, gamma, x)


def main():
    out, n = sys.argv[1], int(sys.argv[2])
    phases, x = [p[0] for p in draw(n, 1)], vectors(n)
    structured = Structured(*phases, x)
    reference = structured.written(by_numpy).copy()
    for index in (0, 5, n * n // 3, n * n // 2 + 7, n * n - 3):
        error = np.max(np.abs(reference[index] - plain(*phases, x, index)))
        assert error < 1e-12, (index, error)
    random = np.random.default_rng(2)
    cotangent = random.standard_normal(x.shape) + 1j * random.standard_normal(x.shape)
    products = np.real(np.einsum("ib,pib->p", np.conj(cotangent), reference))

    race = Race("mesh-coordinates", modes=n, sets=n * n, batch=BATCH, reference=reference)
    race.peer("numpy, structured", lambda: structured.written(by_numpy))
    race.peer("numba, structured", lambda: structured.written(by_numba))
    sets = [np.repeat(p[None], n * n, 0) for p in phases]
    cells = [(layer, k) for layer in range(n) for k in range(n // 2 - layer % 2)]
    for index, (layer, k) in enumerate(cells):
        sets[0][index, layer, k] += H
        sets[1][index + len(cells), layer, k] += H
    for k in range(n):
        sets[2][2 * len(cells) + k, k] += H
    kernel, before = Numba(sets, x, np.float64), numpy_mesh(*phases, x)
    race.peer("numba, set by set", kernel, get=lambda y: y - before, note="the whole mesh for every set")
    race.blackbeam()
    race.run(out)
    del kernel, sets

    race = Race("mesh-coordinates-contracted", modes=n, sets=n * n, batch=BATCH, reference=products)
    race.peer("numpy, outputs written", lambda: np.real(np.tensordot(structured.written(by_numpy), np.conj(cotangent), 2)))
    race.peer("numpy, adjoint", lambda: structured.contracted(cotangent))
    race.blackbeam()
    race.run(out)


if __name__ == "__main__":
    main()
