"""Forward passes of devices/cnn_2586.ddl.yml, 20 parameter sets x 100 images, in PyTorch, beside a whole step of `blackbeam train` by
ZO-I (21 sets x 100 images, and all that is done with the losses).

    python cnn.py OUT.jsonl THREADS
Every form of the forward pass is checked against a slow loop first.
"""
import math
import sys

import numpy as np
import torch
from torch.func import functional_call, vmap
from torch.nn import functional as F

from rounds import Blackbeam, best_of, compiled, quiet, race, say

SETS, BATCH, CALLS, STEPS = 20, 100, 5, 200
SHAPES = [(7, 1, 4, 4), (7,), (9, 7, 4, 4), (9,), (10, 144), (10,)]
NAMES = ["0.weight", "0.bias", "3.weight", "3.bias", "7.weight", "7.bias"]
# of the largest output; single precision
TOLERANCE = 1e-5


def cut(parameters):
    """[S, 2586] to weights and biases in the device's order, each with the leading axis."""
    parts = parameters.split([math.prod(shape) for shape in SHAPES], -1)
    return [part.unflatten(-1, shape) for part, shape in zip(parts, SHAPES)]


def reference(parameters, images):
    """One set [2586], images [B, 1, 28, 28], double precision, position by position: [B, 10]."""
    w1, b1, w2, b2, w3, b3 = (v.numpy().astype(np.float64) for v in cut(parameters))

    def layer(x, w, b):
        size = (x.shape[-1] - 3) // 2
        out = np.empty((len(x), len(w), size, size))
        for row in range(size):
            for column in range(size):
                four = []
                for i in (2 * row, 2 * row + 1):
                    for j in (2 * column, 2 * column + 1):
                        four.append(np.einsum("ncij,ocij->no", x[:, :, i:i + 4, j:j + 4], w) + b)
                out[:, :, row, column] = np.max(np.maximum(four, 0), axis=0)
        return out

    x = layer(layer(images.numpy().astype(np.float64), w1, b1), w2, b2)
    return x.reshape(len(x), -1) @ w3.T + b3


# ------------------------------------------------------------------ forms: parameters [S, 2586], images [B, 1, 28, 28] to [S, B, 10]

MODULE = torch.nn.Sequential(
    torch.nn.Conv2d(1, 7, 4), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
    torch.nn.Conv2d(7, 9, 4), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
    torch.nn.Flatten(), torch.nn.Linear(144, 10))


def by_module(parameters, images):
    return vmap(lambda weights: functional_call(MODULE, weights, (images,)))(dict(zip(NAMES, cut(parameters))))


def one(w1, b1, w2, b2, w3, b3, x):
    """One set: what no pool looks at is not computed, and the ReLU comes after the pool, which is the same and less."""
    x = F.relu(F.max_pool2d(F.conv2d(x[..., :27, :27], w1, b1), 2))
    x = F.relu(F.max_pool2d(F.conv2d(x[..., :11, :11], w2, b2), 2))
    return F.linear(x.flatten(1), w3, b3)


def by_functions(parameters, images):
    return vmap(one, (0, 0, 0, 0, 0, 0, None))(*cut(parameters), images)


def set_by_set(last=False):
    def form(parameters, images):
        if last:
            images = images.contiguous(memory_format=torch.channels_last)
        return torch.stack([one(*weights, images) for weights in zip(*cut(parameters))])
    return form


def pooled(x):
    """ReLU behind a 2 x 2 pool, as the largest of four views."""
    return torch.maximum(torch.maximum(x[..., 0::2, 0::2], x[..., 0::2, 1::2]),
                         torch.maximum(x[..., 1::2, 0::2], x[..., 1::2, 1::2])).relu_()


def relu_of_pool(x):
    return F.max_pool2d(x, 2).relu_()


def grouped(last=False, pool=relu_of_pool, chunk=BATCH):
    """Sets are channels of the first convolution and groups of the second; `chunk` images at a time."""
    def some(x, w1, b1, w2, b2, w3, b3):
        sets = len(w1)
        x = pool(F.conv2d(x, w1.flatten(0, 1), b1.flatten()))
        x = pool(F.conv2d(x[..., :11, :11], w2.flatten(0, 1), b2.flatten(), groups=sets))
        x = x.unflatten(1, (sets, 9)).flatten(2).transpose(0, 1)
        return torch.baddbmm(b3[:, None], x, w3.transpose(1, 2))

    def form(parameters, images):
        weights, x = cut(parameters), images[..., :27, :27]
        if last:
            x = x.contiguous(memory_format=torch.channels_last)
        parts = [some(part, *weights) for part in x.split(chunk)]
        return parts[0] if len(parts) == 1 else torch.cat(parts, 1)
    return form


def windows(x, size):
    """[.., C, h, w] to [.., C, 4, 4, size, size]: a view."""
    return x[..., :size + 3, :size + 3].unfold(-2, size, 1).unfold(-2, size, 1)


def unfolded(chunk):
    """Windows copied out and batched products; images lie last, `chunk` of them at a time."""
    def some(images, w1, b1, w2, b2, w3, b3):
        sets, batch = len(w1), len(images)
        x = windows(images[:, 0], 24).permute(1, 2, 3, 4, 0).reshape(16, -1)        # [16, 576 B]
        x = torch.addmm(b1.reshape(-1, 1), w1.reshape(-1, 16), x).view(sets, 7, 12, 2, 12, 2, batch)
        x = torch.maximum(x[:, :, :, 0], x[:, :, :, 1])
        x = torch.maximum(x[:, :, :, :, 0], x[:, :, :, :, 1]).relu_()               # [S, 7, 12, 12, B]
        x = windows(x.movedim(-1, 1), 8).permute(0, 2, 3, 4, 5, 6, 1).reshape(sets, 112, -1)
        x = torch.baddbmm(b2[..., None], w2.reshape(sets, 9, 112), x).view(sets, 9, 4, 2, 4, 2, batch)
        x = torch.maximum(x[:, :, :, 0], x[:, :, :, 1])
        x = torch.maximum(x[:, :, :, :, 0], x[:, :, :, :, 1]).relu_().reshape(sets, 144, batch)
        return torch.baddbmm(b3[..., None], w3, x).transpose(1, 2)

    def form(parameters, images):
        weights = cut(parameters)
        return torch.cat([some(part, *weights) for part in images.split(chunk)], 1)
    return form


FORMS = {
    "vmap of functional_call": by_module,
    "vmap of conv2d": by_functions,
    "set by set": set_by_set(),
    "set by set, channels last": set_by_set(last=True),
    "sets as groups": grouped(),
    "sets as groups, channels last": grouped(last=True),
    "sets as groups, channels last, 25 images at a time": grouped(last=True, chunk=25),
    "sets as groups, channels last, 10 images at a time": grouped(last=True, chunk=10),
    "sets as groups, channels last, 5 images at a time": grouped(last=True, chunk=5),
    "sets as groups, channels last, pool by maximum, 5 images at a time": grouped(last=True, pool=pooled, chunk=5),
    "sets as groups, pool by maximum": grouped(pool=pooled),
    "sets as groups, pool by maximum, 10 images at a time": grouped(pool=pooled, chunk=10),
    "sets as groups, channels last, pool by maximum": grouped(last=True, pool=pooled),
    "sets as groups, channels last, pool by maximum, 10 images at a time": grouped(last=True, pool=pooled, chunk=10),
    "unfold and bmm": unfolded(BATCH),
    "unfold and bmm, 20 images at a time": unfolded(20),
    "unfold and bmm, 10 images at a time": unfolded(10),
}
# what torch.compile makes faster, or makes as fast as the fastest
COMPILED = ["vmap of conv2d", "sets as groups, pool by maximum"]


def checked():
    """Parameters and images, after every form was checked with them; exits at a wrong one."""
    random = torch.Generator().manual_seed(7)
    parameters = 0.2 * torch.randn(SETS, 2586, generator=random)
    images = torch.rand(BATCH, 1, 28, 28, generator=random)
    expected = np.stack([reference(p, images) for p in parameters[:2]])
    with torch.inference_mode():
        for name, form in FORMS.items():
            error = np.abs(form(parameters, images)[:2].numpy() - expected).max() / np.abs(expected).max()
            if not error < TOLERANCE:
                sys.exit(f"the forward pass `{name}` is wrong by {error:.1e} of the largest output")
    return parameters, images


def main():
    out, threads = sys.argv[1], int(sys.argv[2])
    torch.set_num_threads(threads)
    if not quiet(out, "CNN, forward passes", threads):
        return
    parameters, images = checked()
    calls = {}
    with torch.inference_mode():
        times = {name: best_of(lambda form=form: form(parameters, images), threads) for name, form in FORMS.items()}
        for name, seconds in times.items():
            say(f"forward pass, {threads} threads, eager: {name}: {1e3 * seconds:.2f} ms")
        fastest = sorted(FORMS, key=times.get)[:3]
        forms = [(name, False) for name in fastest] + [("vmap of functional_call", False), ("vmap of conv2d", False)]
        for name, compile_it in forms + [(name, True) for name in COMPILED]:
            who = f"PyTorch, {'compiled' if compile_it else 'eager'}: {name}"
            form = compiled(FORMS[name]) if compile_it else FORMS[name]
            try:
                form(parameters, images)
            except Exception as error:      # those of the compiler have no common type
                if not compile_it:
                    raise
                say(f"{who}: could not be compiled: {str(error).splitlines()[0]}")
                continue

            def several(form=form):
                for _ in range(CALLS):
                    form(parameters, images)
            calls[who] = several
        experiment = Blackbeam("experiments/papers/mnist_cnn_zo_i.yaml", threads, short=STEPS // 10, long=STEPS // 10 + STEPS)
        race(out, "CNN, forward passes", threads, experiment, calls, per_call=CALLS)


if __name__ == "__main__":
    main()
