"""Time of a training step of Blackbeam and of PyTorch, in turn.

Blackbeam is timed as a whole program, by two runs that differ in the number of steps alone: their difference has neither start nor
evaluation in it. In every round each contestant is called once; the median and the least of all rounds are kept. With one thread the
time is that of the processor, user and system, which other work on the machine hardly changes. With more it is the clock's, which
means nothing on a busy machine: PyTorch's threads wait for each other in every call, and one that has no core holds up all. So nothing
is measured then, and that is said.
"""
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

BLACKBEAM = os.environ.get("BLACKBEAM", "target/release/blackbeam")
ROUNDS = int(os.environ.get("ROUNDS", "7"))
# Share of all cores that other work may take where the clock counts
BUSY = 0.1


def say(text):
    print(text, file=sys.stderr, flush=True)


def keep(out, row):
    """Appends one JSON line to `out`."""
    with open(out, "a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def clock(threads):
    """The clock for what runs in this process."""
    return time.process_time if threads == 1 else time.perf_counter


def processor_of_children():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Others:
    """What other work takes of all cores, from when this is made."""

    def __init__(self):
        self.start = self.now()

    @staticmethod
    def now():
        """Seconds: the clock, all cores busy, this program and those it started."""
        ticks = [int(t) for t in pathlib.Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]]
        busy = sum(ticks) - ticks[3] - ticks[4]
        return time.perf_counter(), busy / os.sysconf("SC_CLK_TCK"), time.process_time() + processor_of_children()

    def share(self):
        wall, busy, own = (b - a for a, b in zip(self.start, self.now()))
        return max(busy - own, 0) / (wall * os.cpu_count())


def quiet(out, case, threads):
    """Whether the clock can be trusted; if not, it is said in `out`."""
    if threads == 1:
        return True
    others = Others()
    time.sleep(3)
    share = others.share()
    if share > BUSY:
        keep(out, dict(case=case, threads=threads, others=share))
        say(f"{case}, {threads} threads: not measured, other work takes {100 * share:.0f} % of the machine")
    return share <= BUSY


def compiled(function):
    """By torch.compile, for one shape; fails rather than falls back."""
    import torch
    return torch.compile(function, dynamic=False, fullgraph=True)


def best_of(call, threads, rounds=8, seconds=0.02):
    """Least mean time of a call over some rounds, seconds; the first call is not counted."""
    now, least = clock(threads), float("inf")
    call()
    for _ in range(rounds):
        calls, start = 0, now()
        while (elapsed := now() - start) < seconds:
            call()
            calls += 1
        least = min(least, elapsed / calls)
    return least


class Blackbeam:
    """An experiment that is run for `short` and for `long` steps."""

    def __init__(self, experiment, threads, short, long):
        self.experiment, self.threads, self.steps = experiment, threads, (short, long)

    def train(self, steps, seed=0):
        """One run; its summary with the time it took as `seconds`."""
        settings = {"epochs": "null", "steps": steps, "evaluate_every": 0, "checkpoint_every": 10_000_000}
        now = processor_of_children if self.threads == 1 else time.perf_counter
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder) / "run"
            options = [o for key, value in settings.items() for o in ("--set", f"train.{key}={value}")]
            command = [BLACKBEAM, "train", self.experiment, "--threads", str(self.threads), "--seed", str(seed), "--quiet",
                       "--out", str(out), *options]
            start = now()
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            seconds = now() - start
            if done.returncode:
                sys.exit(f"{' '.join(command)}\n{done.stderr}")
            return dict(json.loads((out / "summary.json").read_text(encoding="utf-8")), seconds=seconds)

    def step_s(self):
        """Seconds of a step."""
        short_s, long_s = (self.train(steps)["seconds"] for steps in self.steps)
        return (long_s - short_s) / (self.steps[1] - self.steps[0])


def race(out, case, threads, blackbeam, calls, per_call):
    """One line a contestant in `out`, seconds of a step; a call of PyTorch makes `per_call` of them."""
    times, now, others = {"blackbeam": [], **{who: [] for who in calls}}, clock(threads), Others()
    for _ in range(ROUNDS):
        times["blackbeam"].append(blackbeam.step_s())
        for who, call in calls.items():
            start = now()
            call()
            times[who].append((now() - start) / per_call)
    share = others.share()
    if threads > 1 and share > BUSY:
        keep(out, dict(case=case, threads=threads, others=share))
        say(f"{case}, {threads} threads: does not count, other work took {100 * share:.0f} % of the machine")
        return
    for who, found in times.items():
        row = dict(case=case, threads=threads, who=who, median_s=statistics.median(found), min_s=min(found), rounds=ROUNDS)
        keep(out, row)
        say(f"{case}, {threads} threads, {who}: median {1e3 * row['median_s']:.3f} ms, least {1e3 * row['min_s']:.3f} ms")
