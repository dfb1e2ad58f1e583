"""Time of a training step of Blackbeam and of PyTorch, in turn.

Blackbeam is timed as a whole program, by two runs that differ in the number of steps alone: their difference has neither start nor
evaluation in it. In every round each contestant is called once; the median and the least of all rounds are kept.
"""
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

BLACKBEAM = os.environ.get("BLACKBEAM", "target/release/blackbeam")
ROUNDS = int(os.environ.get("ROUNDS", "7"))


def say(text):
    print(text, file=sys.stderr, flush=True)


def compiled(function):
    """By torch.compile, for one shape; fails rather than falls back."""
    import torch
    return torch.compile(function, dynamic=False, fullgraph=True)


def best_of(call, rounds=10, seconds=0.02):
    """Least mean time of a call over some rounds, seconds; the first call is not counted."""
    call()
    least = float("inf")
    for _ in range(rounds):
        calls, start = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - start) < seconds:
            call()
            calls += 1
        least = min(least, elapsed / calls)
    return least


class Blackbeam:
    """An experiment that is run for `short` and for `long` steps."""

    def __init__(self, experiment, threads, short, long):
        self.experiment, self.threads, self.steps = experiment, threads, (short, long)

    def train(self, steps, seed=0, **settings):
        """One run; its wall time in seconds and its summary."""
        settings = {"epochs": "null", "steps": steps, "evaluate_every": 0, "checkpoint_every": 10_000_000, **settings}
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder) / "run"
            options = [o for key, value in settings.items() for o in ("--set", f"train.{key}={value}")]
            command = [BLACKBEAM, "train", self.experiment, "--threads", str(self.threads), "--seed", str(seed), "--quiet",
                       "--out", str(out), *options]
            start = time.perf_counter()
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            seconds = time.perf_counter() - start
            if done.returncode:
                sys.exit(f"{' '.join(command)}\n{done.stderr}")
            return seconds, json.loads((out / "summary.json").read_text(encoding="utf-8"))

    def step_s(self):
        """Seconds of a step."""
        (short_s, _), (long_s, _) = (self.train(steps) for steps in self.steps)
        return (long_s - short_s) / (self.steps[1] - self.steps[0])

    @staticmethod
    def r2(experiment, steps, seed):
        return Blackbeam(experiment, 1, steps, steps).train(steps, seed)[1]["test_r2"]


def race(out, case, threads, blackbeam, calls, per_call):
    """Appends one JSON line a contestant to `out`: seconds per step; a call of PyTorch makes `per_call` steps."""
    times = {"blackbeam": [], **{who: [] for who in calls}}
    for _ in range(ROUNDS):
        times["blackbeam"].append(blackbeam.step_s())
        for who, call in calls.items():
            start = time.perf_counter()
            call()
            times[who].append((time.perf_counter() - start) / per_call)
    with open(out, "a", encoding="utf-8") as file:
        for who, all_times in times.items():
            row = dict(case=case, threads=threads, who=who, median_s=statistics.median(all_times), min_s=min(all_times), rounds=ROUNDS)
            file.write(json.dumps(row) + "\n")
            say(f"{case}, {threads} threads, {who}: median {1e3 * row['median_s']:.3f} ms, least {1e3 * row['min_s']:.3f} ms")
