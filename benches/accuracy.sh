#!/usr/bin/env bash
# Trains the shipped Fashion-MNIST experiments, typical and ideal, for several seeds, and prints the table of docs/results.md.
# Resumable: finished runs are kept, interrupted ones go on. About an hour and a half on two cores.
#   BLACKBEAM_DATA=... benches/accuracy.sh [OUT] [SEEDS]
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-runs/accuracy}
seeds=${2:-"0 1"}
blackbeam=${BLACKBEAM:-target/release/blackbeam}
[[ -x $blackbeam ]] || cargo build --release
mkdir -p "$out"
for seed in $seeds; do
  for name in mrr mzi slm bottleneck_mrr bottleneck_mzi bottleneck_slm; do
    for device in typical ideal; do
      dir=$out/$name-$device-$seed
      if grep -q '"status": "done"' "$dir/summary.json" 2>/dev/null; then continue; fi
      if ls "$dir"/checkpoints/*.safetensors >/dev/null 2>&1; then
        "$blackbeam" train --resume "$dir" --quiet ${THREADS:+--threads "$THREADS"}
      else
        rm -rf "$dir"
        # what a random start or a random feedback is worth is asked of the typical device
        ideal=(); [[ $device == ideal ]] && ideal=(--ideal --set 'controls=[digital]')
        "$blackbeam" train "experiments/fashion_mnist_$name.yaml" --seed "$seed" --out "$dir" --quiet \
          ${THREADS:+--threads "$THREADS"} "${ideal[@]}"
      fi
    done
  done
done
python3 - "$out" <<'PY'
import json, pathlib, sys
rows = {}
for file in sorted(pathlib.Path(sys.argv[1]).glob("*/summary.json")):
    s = json.loads(file.read_text())
    name, device, seed = file.parent.name.rsplit("-", 2)
    rows.setdefault((name, device), []).append((int(seed), s))
print("| experiment | device | seed | main | digital | frozen | random feedback | training vectors | configurations | surrogate error |")
print("|---|---|---|---|---|---|---|---|---|---|")
for (name, device), runs in rows.items():
    for seed, s in sorted(runs, key=lambda r: r[0]):
        c = {k: v["test_accuracy"] for k, v in s["controls"].items()}
        get = lambda k: f"{100 * c[k]:.1f}" if c.get(k) is not None else "-"
        t, e = s["ledger_training"], s["surrogate_error"]
        error = f"{e:.3f}" if e is not None else "-"
        print(f"| {name} | {device} | {seed} | {100 * s['test_accuracy']:.1f} | {get('digital')} | {get('frozen')} | {get('random_feedback')} "
              f"| {t['vectors']:.3g} | {t['configurations']} | {error} |")
PY
