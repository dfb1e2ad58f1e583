"""How much faster than PyTorch Blackbeam must be on networks that run wholly on the device, and what was measured.

    python check.py OUT.jsonl RESULTS_DIR DOCS.md
Writes networks.md to RESULTS_DIR and its table into DOCS.md, between markers; prints PASS or FAIL for each bound. Exit code 1 if one
fails.
"""
import datetime
import pathlib
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "peers"))
from bounds import load, machine, version, written  # noqa: E402

# (case, threads, PyTorch's forms by what is in their names, ratio): the median of the fastest takes at least `ratio` times as long.
BOUNDS = [
    ("equalization, zo_i", 1, "", 10.0),
    ("equalization, zo_np", 1, "", 10.0),
    ("CNN, forward passes", 1, "", 3.0),
    ("CNN, forward passes", 2, "", 3.0),
    ("CNN, forward passes", 1, "vmap", 3.0),
    ("CNN, forward passes", 2, "vmap", 3.0),
]
# How far the means of R2 after a short training may lie apart: the same training in both.
R2_APART = 0.1
# Whole runs: (case, threads, steps, what it is, seconds in the paper, on an A6000)
WHOLE = [
    ("equalization, zo_i", 1, 60_000, "run of 60 000 steps", 325.0),
    ("equalization, zo_np", 1, 52_933, "run of 52 933 steps", None),
    ("CNN, forward passes", 1, 600, "epoch of 600 steps", 4.66),
    ("CNN, forward passes", 2, 600, "epoch of 600 steps", 4.66),
]


def ours(rows, case, threads):
    return next((r["median_s"] for r in rows if (r["case"], r["threads"], r["who"]) == (case, threads, "blackbeam")), None)


def others(rows, case, threads):
    """[(PyTorch's form, seconds)]."""
    return [(r["who"], r["median_s"]) for r in rows if (r["case"], r["threads"]) == (case, threads) and r["who"] != "blackbeam"]


def checked(timed, trained):
    """[(what, measured or None, wanted, passes)]."""
    found = []
    for case, threads, inside, wanted in BOUNDS:
        theirs, own = [s for who, s in others(timed, case, threads) if inside in who], ours(timed, case, threads)
        ratio = min(theirs) / own if theirs and own else None
        against = f"PyTorch's best{' with vmap' if inside else ''}"
        what = f"{case}, threads {threads}: times faster than {against}"
        found.append((what, ratio, f"at least {wanted:g}", ratio is not None and ratio >= wanted))
    for case in ("equalization, zo_i", "equalization, zo_np"):
        row = next((r for r in trained if r["case"] == case), None)
        apart = abs(statistics.mean(row["r2_pytorch"]) - statistics.mean(row["r2_blackbeam"])) if row else None
        found.append((f"{case}: means of R2 apart", apart, f"at most {R2_APART:g}", apart is not None and apart <= R2_APART))
    return found


def times_table(rows):
    lines = ["| case | threads | who | median, ms | least, ms | Blackbeam is faster by |", "|---|---|---|---|---|---|"]
    for case, threads in dict.fromkeys((r["case"], r["threads"]) for r in rows):
        here = [r for r in rows if (r["case"], r["threads"]) == (case, threads)]
        own = ours(rows, case, threads)
        for row in sorted(here, key=lambda r: (r["who"] != "blackbeam", r["median_s"])):
            ratio = "" if row["who"] == "blackbeam" else f"{row['median_s'] / own:.2f}"
            lines.append(f"| {case} | {threads} | {row['who']} | {1e3 * row['median_s']:.4g} | {1e3 * row['min_s']:.4g} | {ratio} |")
    return "\n".join(lines)


def whole_table(rows):
    lines = ["| projected | threads | Blackbeam, s | PyTorch's best, s | the paper, A6000, s |", "|---|---|---|---|---|"]
    for case, threads, steps, what, paper in WHOLE:
        own = ours(rows, case, threads)
        theirs = min((s for _, s in others(rows, case, threads)), default=None)
        shown = [f"{steps * s:.3g}" if s else "not measured" for s in (own, theirs)]
        if "forward" in case:       # PyTorch makes no whole steps there
            case, shown[1] = case.replace("forward passes", "zo_i"), ""
        lines.append(f"| {case}: {what} | {threads} | {shown[0]} | {shown[1]} | {paper or ''} |")
    return "\n".join(lines)


def trained_table(rows):
    lines = ["| case | steps | R2, PyTorch | R2, Blackbeam |", "|---|---|---|---|"]
    for row in rows:
        shown = (", ".join(f"{v:.3f}" for v in row[key]) for key in ("r2_pytorch", "r2_blackbeam"))
        lines.append(f"| {row['case']} | {row['steps']} | {' | '.join(shown)} |")
    return "\n".join(lines)


def bounds_table(found):
    lines = ["| bound | wanted | measured | |", "|---|---|---|---|"]
    for what, value, wanted, good in found:
        lines.append(f"| {what} | {wanted} | {'not measured' if value is None else f'{value:.3g}'} | {'PASS' if good else 'FAIL'} |")
    return "\n".join(lines)


def main():
    from importlib.metadata import version as of
    out, results, docs = (pathlib.Path(a) for a in sys.argv[1:4])
    rows = load(out)
    timed, trained = [r for r in rows if "who" in r], [r for r in rows if "r2_pytorch" in r]
    found = checked(timed, trained)
    head = (f"{datetime.date.today().isoformat()}, {machine()}; {version()}; numpy {of('numpy')}, torch {of('torch')}. "
            "Command: `benches/networks/run.sh`.")
    head += "".join(f" {r['case']}, {r['threads']} threads: not measured, other work took {100 * r['others']:.0f} % of the machine."
                    for r in rows if "others" in r)
    tables = [head, times_table(timed), whole_table(timed), trained_table(trained), bounds_table(found)]
    results.mkdir(parents=True, exist_ok=True)
    (results / "networks.md").write_text("\n\n".join(tables) + "\n", encoding="utf-8")
    written(docs, "networks", "\n\n".join(tables))
    for what, value, wanted, good in found:
        print(f"{'PASS' if good else 'FAIL'}  {what}: {'not measured' if value is None else f'{value:.3g}'} ({wanted})")
    sys.exit(any(not good for *_, good in found))


if __name__ == "__main__":
    main()
