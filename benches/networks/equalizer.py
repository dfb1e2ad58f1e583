"""The equalizer of devices/equalizer_mzi.ddl.yml and its training by ZO-I and ZO-NP, in PyTorch and for many parameter sets at once.

560 parameters in the device's order: for each of V^H and U a screen of 16 phases, theta and phi of a 16-mode mesh (16 layers of 8 and 7
cells in turn, 120 each), 16 phases at its outputs; 16 gains stand between the two. A cell is
    B P(theta) B P(phi) = i e^{i theta/2} [[e^{i phi} s, c], [e^{i phi} c, -s]],  s, c = sin, cos of theta/2.
Every form of the forward pass takes parameters [S, 560] and vectors x [B, 16] (complex64) and gives |U D V^H x| as [S, 16, B].
"""
import math

import numpy as np
import torch

MODES, CELLS, HALF, COUNT = 16, 120, 272, 560
QUERIES, MU, RATE, BATCH = 20, 1e-3, 5e-3, 100
BLOCKS, BLOCK = 2, 280
MEASURE_EVERY = 100


# ------------------------------------------------------------------ slow and obvious

def reference(parameters, x):
    """One set [560], vectors [B, 16], complex128, one cell after the other: [16, B]."""
    p = np.asarray(parameters, np.float64)
    fields = np.array(np.asarray(x, np.complex128).T)
    coupler = np.array([[1, 1j], [1j, 1]]) / np.sqrt(2)

    def shifter(angle):
        return np.diag([np.exp(1j * angle), 1])

    for start in (0, HALF + MODES):
        screen, theta, phi, ends = np.split(p[start:start + HALF], [MODES, MODES + CELLS, MODES + 2 * CELLS])
        fields = np.exp(1j * screen)[:, None] * fields
        number = 0
        for layer in range(MODES):
            for upper in range(layer % 2, MODES - 1, 2):
                cell = coupler @ shifter(theta[number]) @ coupler @ shifter(phi[number])
                fields[upper:upper + 2] = cell @ fields[upper:upper + 2]
                number += 1
        fields = np.exp(1j * ends)[:, None] * fields
        if start == 0:
            fields = p[HALF:HALF + MODES, None] * fields
    return np.abs(fields)


# ------------------------------------------------------------------ parameters to cells

def halves(parameters):
    """Screens, theta, phi, output phases as [S, 2, ..] (V^H, U), and gains [S, 16]."""
    both = torch.stack([parameters[:, :HALF], parameters[:, HALF + MODES:]], 1)
    screen, theta, phi, ends = both.split([MODES, CELLS, CELLS, MODES], -1)
    return screen, theta, phi, ends, parameters[:, HALF:HALF + MODES]


def layered(cells):
    """[S, 2, 120] to the eight pairs of layers: [S, 2, 8, 8] of the even ones and [S, 2, 8, 7] of the odd ones."""
    return cells.unflatten(-1, (8, 15)).split([8, 7], -1)


def circle(angle):
    """e^{i angle}."""
    return torch.polar(torch.ones_like(angle), angle)


def entries(theta, phi):
    """The four entries of every cell, complex, row by row."""
    half = theta / 2
    g, f = circle(half + math.pi / 2), circle(phi)
    lower, upper = g * torch.cos(half), g * torch.sin(half)
    return upper * f, lower, lower * f, -upper


# ------------------------------------------------------------------ forms of the forward pass

def cells_one_by_one(parameters, x):
    """The fields [S, 16, B] through the mesh, a layer at a time: [S, cells, 2, 2] on pairs of modes."""
    screen, theta, phi, ends, gains = halves(parameters)
    cells = torch.stack(entries(theta, phi), -1).unflatten(-1, (2, 2))
    fields = x.T.expand(len(parameters), -1, -1)
    for half in range(2):
        if half:
            fields = gains[..., None] * fields
        fields = circle(screen[:, half])[..., None] * fields
        number = 0
        for layer in range(MODES):
            odd = layer % 2
            count = MODES // 2 - odd
            here = cells[:, half, number:number + count]
            number += count
            pairs = (fields[:, 1:-1] if odd else fields).unflatten(1, (count, 2))
            out = torch.matmul(here, pairs).flatten(1, 2)
            fields = torch.cat([fields[:, :1], out, fields[:, -1:]], 1) if odd else out
        fields = circle(ends[:, half])[..., None] * fields
    return fields.abs()


def through(matrices, x):
    """|A x| for matrices [S, 16, 16]: one product for all sets."""
    return torch.matmul(matrices.flatten(0, 1), x.T).abs().unflatten(0, (-1, MODES))


def through_real(matrices, x):
    """The same with real numbers: real and imaginary parts are two products."""
    rows = matrices.flatten(0, 1)
    rows = torch.cat([rows.real, rows.imag], -1)
    re, im = x.real.T, x.imag.T
    both = torch.matmul(rows, torch.cat([torch.cat([re, im], 1), torch.cat([-im, re], 1)], 0))
    return torch.hypot(both[:, :len(x)], both[:, len(x):]).unflatten(0, (-1, MODES))


def ended(meshes, screen, ends, gains):
    """U D V^H from the meshes' matrices [S, 2, 16, 16] and the phases before and behind them."""
    left, right = circle(ends), circle(screen)
    v = meshes[:, 0] * right[:, 0, None, :] * (left[:, 0] * gains)[..., None]
    u = meshes[:, 1] * right[:, 1, None, :] * left[:, 1, :, None]
    return torch.bmm(u, v)


def straight_and_crossed(theta, phi):
    """What each mode keeps and what it takes from its neighbour, layer by layer: two of [S, 2, 8, 2, 16]."""
    t00, t01, t10, t11 = (layered(e) for e in entries(theta, phi))
    keep = torch.ones(*theta.shape[:2], 8, 2, MODES, dtype=torch.complex64)
    take = torch.zeros_like(keep)
    keep[..., 0, 0::2], keep[..., 0, 1::2], take[..., 0, 0::2], take[..., 0, 1::2] = t00[0], t11[0], t01[0], t10[0]
    keep[..., 1, 1:-1:2], keep[..., 1, 2:-1:2], take[..., 1, 1:-1:2], take[..., 1, 2:-1:2] = t00[1], t11[1], t01[1], t10[1]
    return keep, take


NEIGHBOUR = torch.tensor([[i ^ 1 for i in range(MODES)], [0] + [(i - 1 ^ 1) + 1 for i in range(1, MODES - 1)] + [MODES - 1]])


def matrices_by_cells(parts, real=False):
    """Builds the matrices of both meshes of all sets together, a layer at a time. The layers are cut into `parts`, whose products grow
    at the same time and are multiplied at the end: fewer, larger calls."""
    pairs = 8 // parts

    def form(parameters, x):
        screen, theta, phi, ends, gains = halves(parameters)
        keep, take = straight_and_crossed(theta, phi)
        keep = keep.unflatten(2, (parts, pairs))[..., None]
        take = take.unflatten(2, (parts, pairs))[..., None]
        # the first layer of each part, written down
        product = torch.diag_embed(keep[:, :, :, 0, 0, :, 0])
        product[..., torch.arange(MODES), NEIGHBOUR[0]] = take[:, :, :, 0, 0, :, 0]
        for layer in range(1, 2 * pairs):
            pair, odd = divmod(layer, 2)
            crossed = product.index_select(-2, NEIGHBOUR[odd])
            product = torch.addcmul(keep[:, :, :, pair, odd] * product, take[:, :, :, pair, odd], crossed)
        while product.shape[2] > 1:
            product = torch.matmul(product[:, :, 1::2], product[:, :, 0::2])
        matrices = ended(product[:, :, 0], screen, ends, gains)
        return (through_real if real else through)(matrices, x)
    return form


def matrices_by_layers(parameters, x):
    """Every layer a 16 x 16 matrix; products of neighbours in four rounds of batched products."""
    screen, theta, phi, ends, gains = halves(parameters)
    keep, take = straight_and_crossed(theta, phi)
    layers = torch.diag_embed(keep)
    every = torch.arange(MODES)
    for odd in range(2):
        inner = every[1:-1] if odd else every
        layers[..., odd, inner, NEIGHBOUR[odd][inner]] = take[..., odd, inner]
    product = layers.flatten(2, 3)
    while product.shape[2] > 1:
        product = torch.matmul(product[:, :, 1::2], product[:, :, 0::2])
    return through(ended(product[:, :, 0], screen, ends, gains), x)


def matrices_in_reals(parts):
    """As `matrices_by_cells`, with real and imaginary parts apart: torch.compile fuses real numbers only."""
    pairs = 8 // parts

    def cells(odd, t, re, im):
        """One layer of every part; t: real and imaginary parts of the four entries, each [S, 2, parts, cells, 1]."""
        (ar, ai), (br, bi), (cr, ci), (dr, di) = t
        pr, pi, qr, qi = (v[..., start::2, :] for v, start in ((re, 0), (im, 0), (re, 1), (im, 1)))
        if odd:
            pr, pi, qr, qi = (v[..., start:MODES - 1:2, :] for v, start in ((re, 1), (im, 1), (re, 2), (im, 2)))
        upper = ar * pr - ai * pi + br * qr - bi * qi, ar * pi + ai * pr + br * qi + bi * qr
        lower = cr * pr - ci * pi + dr * qr - di * qi, cr * pi + ci * pr + dr * qi + di * qr
        out = [torch.stack(v, -2).flatten(-3, -2) for v in zip(upper, lower)]
        return [torch.cat([v[..., :1, :], o, v[..., -1:, :]], -2) for v, o in zip((re, im), out)] if odd else out

    def product(left, right):
        """Complex product of matrices as one of real ones: [re im] [[re im], [-im re]]."""
        (ar, ai), (br, bi) = left, right
        both = torch.cat([torch.cat([br, bi], -1), torch.cat([-bi, br], -1)], -2)
        return torch.matmul(torch.cat([ar, ai], -1), both)

    def form(parameters, x):
        screen, theta, phi, ends, gains = halves(parameters)
        half, f = theta / 2, (torch.cos(phi), torch.sin(phi))
        s, c = torch.sin(half), torch.cos(half)
        gs, gc = (-s * s, c * s), (-s * c, c * c)           # i e^{i theta/2} times s and c
        t = [(gs[0] * f[0] - gs[1] * f[1], gs[0] * f[1] + gs[1] * f[0]), gc,
             (gc[0] * f[0] - gc[1] * f[1], gc[0] * f[1] + gc[1] * f[0]), (-gs[0], -gs[1])]
        t = [[[v.unflatten(2, (parts, pairs)) for v in layered(part)] for part in entry] for entry in t]
        re = torch.eye(MODES).expand(len(parameters), 2, parts, MODES, MODES)
        im = torch.zeros_like(re)
        for layer in range(2 * pairs):
            pair, odd = divmod(layer, 2)
            re, im = cells(odd, [[part[odd][:, :, :, pair, :, None] for part in entry] for entry in t], re, im)
        while re.shape[2] > 1:
            re, im = product((re[:, :, 1::2], im[:, :, 1::2]), (re[:, :, 0::2], im[:, :, 0::2])).split(MODES, -1)
        re, im = re[:, :, 0], im[:, :, 0]
        gain = torch.stack([gains, torch.ones_like(gains)], 1)
        lr, li = (gain * torch.cos(ends))[..., None], (gain * torch.sin(ends))[..., None]
        re, im = lr * re - li * im, lr * im + li * re
        rr, ri = torch.cos(screen)[:, :, None], torch.sin(screen)[:, :, None]
        re, im = rr * re - ri * im, rr * im + ri * re
        whole = product((re[:, 1], im[:, 1]), (re[:, 0], im[:, 0])).flatten(0, 1)
        xr, xi = torch.view_as_real(x).unbind(-1)
        y = torch.matmul(whole, torch.cat([torch.cat([xr, xi], 0), torch.cat([-xi, xr], 0)], 1).T)
        return torch.sqrt(y[:, :len(x)].square() + y[:, len(x):].square()).unflatten(0, (-1, MODES))
    return form


FORMS = {
    "fields, a layer of cells at a time": cells_one_by_one,
    "matrices, a layer of cells at a time": matrices_by_cells(1),
    "matrices, 2 parts": matrices_by_cells(2),
    "matrices, 4 parts": matrices_by_cells(4),
    "matrices, 2 parts, real product": matrices_by_cells(2, real=True),
    "matrices, 4 parts, real product": matrices_by_cells(4, real=True),
    "matrices, products of layers": matrices_by_layers,
    "matrices, real numbers": matrices_in_reals(1),
    "matrices, real numbers, 2 parts": matrices_in_reals(2),
}
