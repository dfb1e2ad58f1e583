"""How much faster than its peers Blackbeam must be, and the comparison with what was measured.

    python bounds.py OUT.jsonl SCALING.jsonl RESULTS_DIR DOCS.md
Writes peers.json and peers.md to RESULTS_DIR and the tables into DOCS.md, between markers; prints PASS or FAIL for each
bound. Exit code 1 if one fails.
"""
import datetime
import json
import os
import pathlib
import subprocess
import sys

# (case, size, precision, peers, ratio): the fastest of these peers takes at least `ratio` times as long. A name stands for all peers
# that begin with it, `any` for all Python code.
BOUNDS = [
    ("mesh-matrix", 64, "f64", "any", 2.5),
    ("mesh-matrix", 256, "f64", "any", 2.5),
    ("mesh-query", 64, "f64", "any", 2.5),
    ("mesh-query", 256, "f64", "any", 2.5),
    ("mesh-query", 64, "f32", "numba", 4.0),
    ("mesh-query", 256, "f32", "numba", 4.0),
    ("mesh-query", 64, "f64", "jax", 5.0),
    ("mesh-query", 256, "f64", "jax", 5.0),
    ("mesh-query", 64, "f64", "torch", 14.0),
    ("mesh-query", 256, "f64", "torch", 14.0),
    ("mesh-coordinates", 64, "f64", "numpy, structured", 3.0),
    ("mesh-coordinates-contracted", 64, "f64", "numpy, outputs written", 100.0),
    ("crow", 16, "f64", "SAX", 30.0),
    ("ring", 1, "f64", "SAX", 10.0),
    ("weight-bank", 32, "f64", "numba", 1.0),
    ("slm", 64, "f64", "pyfftw", 0.8),
]

# What the chain `typical` may cost, as a multiple of `ideal`.
TYPICAL = 1.5

ORDER = ["mesh-matrix", "mesh-query", "mesh-coordinates", "mesh-coordinates-contracted", "ring", "crow", "weight-bank", "slm"]


def load(file):
    path = pathlib.Path(file)
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def checked(rows):
    """[(what is compared, ratio measured or None, ratio wanted, at most or at least)]."""
    found = []
    for case, size, precision, peers, wanted in BOUNDS:
        here = [r for r in rows if (r["case"], r["modes"], r["precision"]) == (case, size, precision)]
        ours = [r["min_s"] for r in here if r["peer"] == "blackbeam"]
        theirs = [r["min_s"] for r in here if not r["peer"].startswith("blackbeam") and (peers == "any" or r["peer"].startswith(peers))]
        ratio = min(theirs) / min(ours) if ours and theirs else None
        found.append((f"{case} {size} {precision} against {'all' if peers == 'any' else peers}", ratio, wanted, "at least"))
    for typical in (r for r in rows if r["peer"] == "blackbeam, typical chain"):
        ideal = [r["min_s"] for r in rows if r["peer"] == "blackbeam"
                 and all(r[k] == typical[k] for k in ("case", "modes", "sets", "batch", "precision"))]
        ratio = typical["min_s"] / min(ideal) if ideal else None
        found.append((f"{typical['case']} {typical['modes']} {typical['precision']}: typical over ideal", ratio, TYPICAL, "at most"))
    return found


def passes(ratio, wanted, bound):
    return ratio is not None and (ratio >= wanted if bound == "at least" else ratio <= wanted)


def peers_table(rows):
    lines = ["| case | size | sets | batch | precision | who | least, ms | median, ms | Blackbeam is faster by |", "|---|---|---|---|---|---|---|---|---|"]
    keys = ("case", "modes", "precision", "sets", "batch")
    for key in sorted({tuple(r[k] for k in keys) for r in rows}, key=lambda k: (ORDER.index(k[0]), k[1], k[2] == "f32")):
        here = [r for r in rows if tuple(r[k] for k in keys) == key]
        ours = min((r["min_s"] for r in here if r["peer"] == "blackbeam"), default=None)
        for row in sorted(here, key=lambda r: (not r["peer"].startswith("blackbeam"), r["min_s"])):
            ratio = "" if ours is None or row["peer"].startswith("blackbeam") else f"{row['min_s'] / ours:.2f}"
            case, modes, precision, sets, batch = key
            lines.append(f"| {case} | {modes} | {sets} | {batch} | {precision} | {row['peer']} | {1e3 * row['min_s']:.4g} | {1e3 * row['median_s']:.4g} | {ratio} |")
    return "\n".join(lines)


def bounds_table(found):
    lines = ["| bound | wanted | measured | |", "|---|---|---|---|"]
    for what, ratio, wanted, bound in found:
        shown = "not measured" if ratio is None else f"{ratio:.2f}"
        lines.append(f"| {what} | {bound} {wanted:g} | {shown} | {'PASS' if passes(ratio, wanted, bound) else 'FAIL'} |")
    return "\n".join(lines)


def scaling_table(rows):
    lines = ["| case | modes | sets | batch | precision | threads | chain | least, ms | GFLOP/s |", "|---|---|---|---|---|---|---|---|---|"]
    for r in rows:
        gflops = "" if r["gflops"] is None else f"{r['gflops']:.3g}"
        lines.append(f"| {r['case']} | {r['modes']} | {r['sets']} | {r['batch']} | {r['precision']} | {r['threads']} | {r['chain']} | {1e3 * r['min_s']:.4g} | {gflops} |")
    return "\n".join(lines)


def machine():
    """The processor and what it is good for."""
    text = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8") if os.path.exists("/proc/cpuinfo") else ""
    value = {k.strip(): v.strip() for k, _, v in (line.partition(":") for line in text.splitlines())}
    flags = value.get("flags", "").split()
    level = "AVX-512" if "avx512f" in flags else "AVX2" if "avx2" in flags else "neither AVX2 nor AVX-512"
    return f"{value.get('model name', 'unknown processor')} (family {value.get('cpu family')}, model {value.get('model')}), {os.cpu_count()} cores, {level}"


def version():
    blackbeam = os.environ.get("BLACKBEAM", "target/release/blackbeam")
    return subprocess.run([blackbeam, "--version"], capture_output=True, text=True, check=True).stdout.strip()


def versions():
    from importlib.metadata import version as of
    return ", ".join(f"{name} {of(name)}" for name in ("numpy", "scipy", "numba", "jax", "torch", "sax", "klujax", "pyfftw"))


def written(docs, name, text):
    """Puts a text between the markers of that name."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    whole = docs.read_text(encoding="utf-8")
    before, rest = whole.split(begin, 1)
    docs.write_text(f"{before}{begin}\n{text}\n{rest[rest.index(end):]}", encoding="utf-8")


def main():
    out, scaling, results, docs = (pathlib.Path(a) for a in sys.argv[1:5])
    rows, ours = load(out), load(scaling)
    date = datetime.date.today().isoformat()
    if rows:
        found = checked(rows)
        head = f"{date}, {machine()}, one thread; {version()}; {versions()}. Command: `benches/peers/run.sh`."
        text = f"{head}\n\n{peers_table(rows)}"
        results.mkdir(parents=True, exist_ok=True)
        (results / "peers.json").write_text(json.dumps(dict(machine=head, rows=rows), indent=1) + "\n", encoding="utf-8")
        (results / "peers.md").write_text(f"{text}\n\n{bounds_table(found)}\n", encoding="utf-8")
        written(docs, "peers", text)
        for what, ratio, wanted, bound in found:
            verdict = "PASS" if passes(ratio, wanted, bound) else "FAIL"
            print(f"{verdict}  {what}: {'not measured' if ratio is None else f'{ratio:.2f}'} ({bound} {wanted:g})")
    if ours:
        text = f"{date}, {machine()}; {version()}. Command: `benches/scaling.sh`.\n\n{scaling_table(ours)}"
        (results / "scaling.md").write_text(text + "\n", encoding="utf-8")
        (results / "scaling.json").write_text(json.dumps(ours, indent=1) + "\n", encoding="utf-8")
        written(docs, "scaling", text)
    sys.exit(any(not passes(r, w, b) for _, r, w, b in checked(rows)) if rows else 0)


if __name__ == "__main__":
    main()
