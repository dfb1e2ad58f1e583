"""Equalization by ZO-I and ZO-NP (Sawada, ICML 2025, algorithm 2) in PyTorch, beside `blackbeam train` on the same: time of a step.

    python equalization.py OUT.jsonl THREADS
First every form of the forward pass is checked against a slow loop and timed; the fastest ones, eager and compiled, then train in turn
with Blackbeam. THREADS=1 also compares R2 after a short training, three seeds each.
"""
import sys
import time

import numpy as np
import torch

from equalizer import BATCH, BLOCK, BLOCKS, COUNT, FORMS, HALF, MEASURE_EVERY, MODES, MU, QUERIES, RATE, reference
from rounds import Blackbeam, best_of, compiled, keep, quiet, race, say

SAMPLES, TESTS = 60_000, 10_000
STEPS, CHECK_STEPS, SEEDS = 200, 4000, 4
# of the largest output; single precision
TOLERANCE, R2_TOLERANCE = 1e-4, 0.02


def unitary(random, n):
    q, r = torch.linalg.qr(torch.randn(n, n, dtype=torch.complex128, generator=random))
    return q * (r.diagonal() / r.diagonal().abs())


def task(seed):
    """Training and test samples (x [.., 16] of CN(0, 1), |W x|), the singular values of W uniform in [2, 6]."""
    random = torch.Generator().manual_seed(seed)
    values = 2 + 4 * torch.rand(MODES, dtype=torch.float64, generator=random)
    w = (unitary(random, MODES) * values) @ unitary(random, MODES)
    x = torch.randn(SAMPLES + TESTS, MODES, dtype=torch.complex64, generator=random)
    y = (x @ w.T.to(torch.complex64)).abs()
    return (x[:SAMPLES], y[:SAMPLES]), (x[SAMPLES:], y[SAMPLES:])


class Training:
    """The state of one training. `step` is a function of tensors alone, so that all of it can be compiled; directions and batches are
    made for MEASURE_EVERY steps at once, as nothing they depend on changes in between."""

    def __init__(self, form, *, natural, lambda_f=10.0, seed=0, compile_it=False):
        torch.manual_seed(seed)
        self.natural, self.lambda_f, self.form = natural, lambda_f, form
        (self.x, self.y), self.tests = task(seed)
        self.parameters = 2 * torch.pi * torch.rand(COUNT)
        self.parameters[HALF:HALF + MODES] = 1
        self.first, self.second = torch.zeros(COUNT), torch.zeros(COUNT)
        self.powers = torch.ones(2)                     # of Adam's two betas
        # L^-1 of every block: a row z becomes z L^-1 = (L^-T z)^T
        self.factors = torch.eye(BLOCK).repeat(BLOCKS, 1, 1)
        self.count, self.order = 0, None
        self.one = compiled(self.step) if compile_it else self.step
        self.many = compiled(form) if compile_it else form

    def step(self, parameters, first, second, powers, u, x, y):
        """One update along the directions u [Q, 560]. Returns the loss before it."""
        sets = torch.cat([parameters[None], parameters + MU * u])
        losses = (self.form(sets, x) - y.T).square().mean((1, 2))
        gradient = (losses[1:] - losses[0]) @ u / (MU * QUERIES)
        first.lerp_(gradient, 0.1)
        second.mul_(0.999).addcmul_(gradient, gradient, value=0.001)
        powers[0] *= 0.9
        powers[1] *= 0.999
        parameters.sub_(RATE / (1 - powers[0]) * first / ((second / (1 - powers[1])).sqrt() + 1e-8))
        return losses[0]

    def directions(self):
        """u for MEASURE_EVERY steps: [steps, Q, 560], each in one block drawn at random."""
        z = torch.randn(MEASURE_EVERY * QUERIES, BLOCK)
        blocks = torch.randint(BLOCKS, (len(z),))
        u = torch.zeros(len(z), BLOCKS, BLOCK)
        for block in range(BLOCKS):
            mine = (blocks == block).nonzero()[:, 0]
            u[mine, block] = z[mine] @ self.factors[block] if self.natural else z[mine]
        return u.view(MEASURE_EVERY, QUERIES, COUNT)

    def measure(self, x):
        """The Fisher information of one block, by N_b queries, and its factor."""
        block = int(torch.randint(BLOCKS, ()))
        inside = slice(block * BLOCK, (block + 1) * BLOCK)
        sets = self.parameters.repeat(BLOCK + 1, 1)
        sets[1:, inside].diagonal().add_(MU)
        y = self.many(sets, x)
        jacobian = (y[1:] - y[:1]).flatten(1) / MU      # [280, 16 B]
        information = jacobian @ jacobian.T * (self.lambda_f / len(x)) + torch.eye(BLOCK)
        low = torch.linalg.cholesky(information)
        self.factors[block] = torch.linalg.solve_triangular(low, torch.eye(BLOCK), upper=False)

    def run(self, steps):
        """That many steps, whole groups of MEASURE_EVERY."""
        with torch.inference_mode():
            for _ in range(steps // MEASURE_EVERY):
                at = self.count % (SAMPLES // BATCH) * BATCH
                if at == 0:
                    self.order = torch.randperm(SAMPLES)
                here = self.order[at:at + MEASURE_EVERY * BATCH]
                x, y = self.x[here].split(BATCH), self.y[here].split(BATCH)
                if self.natural:
                    self.measure(x[0])
                for step, u in enumerate(self.directions()):
                    self.one(self.parameters, self.first, self.second, self.powers, u, x[step], y[step])
                self.count += MEASURE_EVERY

    def r2(self):
        """On the test samples; all outputs together."""
        x, y = self.tests
        with torch.inference_mode():
            out = self.form(self.parameters[None], x)[0].T
        return float(1 - (y - out).square().sum() / (y - y.mean()).square().sum())


def check_forms():
    """Every form against the loop, at random parameters; exits at a wrong one."""
    random = torch.Generator().manual_seed(7)
    sets = 2 * torch.pi * torch.rand(QUERIES + 1, COUNT, generator=random)
    sets[:, HALF:HALF + MODES] -= 3
    x = torch.randn(BATCH, MODES, dtype=torch.complex64, generator=random)
    expected = np.stack([reference(p, x) for p in sets[:3]])
    for name, form in FORMS.items():
        error = np.abs(form(sets, x)[:3].numpy() - expected).max() / expected.max()
        if not error < TOLERANCE:
            sys.exit(f"the forward pass `{name}` is wrong by {error:.1e} of the largest output")
    return sets, x


def entrants(threads):
    """The fastest eager forms, and those that torch.compile makes one or two loops of."""
    sets, x = check_forms()
    with torch.inference_mode():
        times = {name: best_of(lambda form=form: form(sets, x), threads) for name, form in FORMS.items()}
    for name, seconds in times.items():
        say(f"forward pass, {threads} threads, eager: {name}: {1e3 * seconds:.3f} ms")
    eager = sorted((name for name in FORMS if "real numbers" not in name), key=times.get)[:2]
    fused = [name for name in FORMS if "real numbers" in name and (threads == 1 or "parts" in name)]
    return [(name, False) for name in eager] + [(name, True) for name in fused]


def main():
    out, threads = sys.argv[1], int(sys.argv[2])
    torch.set_num_threads(threads)
    if not quiet(out, "equalization", threads):
        return
    forms = entrants(threads)
    for method in ("zo_i", "zo_np"):
        calls, r2 = {}, []
        for name, compile_it in forms:
            who = f"PyTorch, {'compiled' if compile_it else 'eager'}: {name}"
            training = Training(FORMS[name], natural=method == "zo_np", compile_it=compile_it)
            start = time.perf_counter()
            try:
                training.run(STEPS)
            except Exception as error:      # those of the compiler have no common type
                if not compile_it:
                    raise
                say(f"{who}: could not be compiled: {str(error).splitlines()[0]}")
                continue
            say(f"{who}, {method}: the first {STEPS} steps took {time.perf_counter() - start:.1f} s")
            # the same draws, so the same training but for rounding
            r2.append(training.r2())
            if abs(r2[-1] - r2[0]) > R2_TOLERANCE:
                sys.exit(f"{who}, {method}: R2 {r2[-1]:.4f} after {STEPS} steps, where the first form has {r2[0]:.4f}")
            calls[who] = lambda training=training: training.run(STEPS)
        experiment = Blackbeam(f"experiments/papers/equalization_{method}.yaml", threads, short=STEPS, long=STEPS + 2000)
        race(out, f"equalization, {method}", threads, experiment, calls, per_call=STEPS)
        if threads == 1:
            compare(out, method)


def compare(out, method):
    """R2 after a short training: PyTorch's data and directions are its own, so that only means can be compared."""
    experiment = Blackbeam(f"experiments/papers/equalization_{method}.yaml", 1, CHECK_STEPS, CHECK_STEPS)
    theirs, ours = [], []
    for seed in range(SEEDS):
        training = Training(FORMS["matrices, 2 parts, real product"], natural=method == "zo_np", seed=seed)
        training.run(CHECK_STEPS)
        theirs.append(training.r2())
        ours.append(experiment.train(CHECK_STEPS, seed)["test_r2"])
    keep(out, dict(case=f"equalization, {method}", steps=CHECK_STEPS, r2_pytorch=theirs, r2_blackbeam=ours))


if __name__ == "__main__":
    main()
