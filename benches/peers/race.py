"""Interleaved timing of peers and of `blackbeam bench`, one thread each.

A round calls every peer of a race in turn, each until 20 ms have passed, and then starts `blackbeam bench`, which does
a few such rounds of its own. The first call of a peer (compiling, tracing, planning) is not timed; it is checked against
a reference. What counts is the least mean of a round: on a machine that others use too, it is the steadiest number.
"""
import json
import os
import subprocess
import sys
import time

import numpy as np

BLACKBEAM = os.environ.get("BLACKBEAM", "target/release/blackbeam")
ROUNDS = int(os.environ.get("ROUNDS", "12"))
BUDGET_S = float(os.environ.get("BUDGET_S", "60"))      # for one race
ROUND_S = 0.02
# what is compared with a double-precision reference
TOLERANCE = {"f64": 1e-9, "f32": 2e-3}


def mean_time(call):
    """Mean time of a call, seconds, over at least ROUND_S."""
    calls, start = 0, time.perf_counter()
    while True:
        call()
        calls += 1
        elapsed = time.perf_counter() - start
        if elapsed >= ROUND_S:
            return elapsed / calls


class Race:
    """The peers of one case at one size."""

    def __init__(self, case, *, modes, sets=1, batch=1, reference=None):
        self.case = dict(case=case, modes=modes, sets=sets, batch=batch)
        self.reference = reference
        self.peers, self.blackbeams = [], []

    def peer(self, name, call, *, precision="f64", get=np.asarray, note=""):
        """`call` does the whole case and waits for its end; `get` turns what it returns into the reference."""
        start = time.perf_counter()
        try:
            answer = call()
        except MemoryError as error:
            print(f"{name}: {error}", file=sys.stderr)
            return
        first_s, error = time.perf_counter() - start, None
        if self.reference is not None:
            scale = np.max(np.abs(self.reference))
            error = float(np.max(np.abs(get(answer) - self.reference)) / scale)
            if not error < TOLERANCE[precision]:
                sys.exit(f"{self.case}: {name} ({precision}) is wrong by {error:.1e}")
        self.peers.append(dict(peer=name, call=call, precision=precision, first_s=first_s, error=error, note=note, times=[]))

    def blackbeam(self, *, precision="f64", chain="ideal", simd=None, modes=None):
        """The same case of `blackbeam bench`."""
        arguments = ["bench", self.case["case"], "--precision", precision, "--chain", chain, "--rounds", "3", "--seconds", "1"]
        if modes != "fixed":
            arguments += ["--modes", str(self.case["modes"])]
        arguments += ["--sets", str(self.case["sets"]), "--batch", str(self.case["batch"])]
        if simd:
            arguments += ["--simd", simd]
        peer = f"blackbeam, {simd}" if simd else "blackbeam" if chain == "ideal" else f"blackbeam, {chain} chain"
        self.blackbeams.append(dict(peer=peer, arguments=arguments, precision=precision, note="", times=[]))

    def run(self, out):
        """Measures; appends one JSON line a peer to `out`."""
        start = time.perf_counter()
        for done in range(ROUNDS):
            if done >= 3 and time.perf_counter() - start > BUDGET_S:
                break
            for peer in self.peers:
                # what takes half a second and more is as steady after three rounds
                if len(peer["times"]) < 3 or min(peer["times"]) < 0.5:
                    peer["times"].append(mean_time(peer["call"]))
            for entry in self.blackbeams:
                found = bench(entry["arguments"])
                if found is not None:
                    entry["times"].append(found["min_s"])
        for entry in self.peers + self.blackbeams:
            if not entry["times"]:
                continue
            line = dict(self.case, peer=entry["peer"], precision=entry["precision"], min_s=min(entry["times"]),
                        median_s=float(np.median(entry["times"])), rounds=len(entry["times"]),
                        first_s=entry.get("first_s"), error=entry.get("error"), note=entry["note"])
            with open(out, "a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
            shown = f"{line['case']:28} {line['modes']:4} {line['precision']} {line['peer']:28}"
            print(f"{shown} min {1e3 * line['min_s']:9.3f} ms, median {1e3 * line['median_s']:9.3f} ms", flush=True)


def bench(arguments):
    """What `blackbeam bench` prints; None if it has no such case, which is said."""
    done = subprocess.run([BLACKBEAM, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"blackbeam {' '.join(arguments)}: {(done.stderr.strip().splitlines() or [done.returncode])[0]}", file=sys.stderr)
        return None
    return json.loads(done.stdout)


def args():
    """(file for the results, the sizes asked for)."""
    return sys.argv[1], [int(size) for size in sys.argv[2:]]
