#!/usr/bin/env bash
# Runs the Python peers and Blackbeam interleaved, one thread each on one core, and writes benches/results/peers.* and the table of
# docs/performance.md. Prints PASS or FAIL for each bound (peers/bounds.py); exit code 1 if one fails. About a quarter of an hour.
#   CPU=0 ROUNDS=12 BUDGET_S=60 BLACKBEAM=target/release/blackbeam benches/peers/run.sh [ENVIRONMENT] [CASE ...]
# ENVIRONMENT: where the virtual environment is, or is made [~/.cache/blackbeam-peers]. CASE: matrix, query, coordinates, ring, crow,
# bank, mask [all]; what was measured of other cases in target/peers.jsonl stays. FRESH=1 forgets it.
set -euo pipefail
cd "$(dirname "$0")/../.."
environment=${1:-$HOME/.cache/blackbeam-peers}
cases=("${@:2}")
[[ ${#cases[@]} -gt 0 ]] || cases=(matrix query coordinates ring crow bank mask)
export BLACKBEAM=${BLACKBEAM:-target/release/blackbeam}
if [[ ! -x $BLACKBEAM ]]; then
  echo "no $BLACKBEAM: build it with 'cargo build --release --package blackbeam-cli', or say BLACKBEAM=FILE" >&2
  exit 2
fi
if [[ ! -x $environment/bin/python ]]; then
  python3 -m venv "$environment"
fi
"$environment/bin/python" -m pip install --quiet --requirement benches/peers/requirements.txt

for name in OMP OPENBLAS MKL NUMBA; do export "${name}_NUM_THREADS=1"; done
export JAX_PLATFORMS=cpu NUMBA_CACHE_DIR=$environment/numba PYTHONDONTWRITEBYTECODE=1
export XLA_FLAGS="--xla_cpu_multi_thread_eigen=false"
peer() { taskset --cpu-list "${CPU:-0}" "$environment/bin/python" "benches/peers/$1" "${@:2}"; }

out=target/peers.jsonl
[[ -z ${FRESH:-} ]] || rm -f "$out"
part=$(mktemp)
trap 'rm -f "$part"' EXIT
measure() {     # replaces what was measured of the same cases and sizes
  : >"$part"
  peer "$1" "$part" "${@:2}"
  touch "$out"
  "$environment/bin/python" - "$out" "$part" <<'PY'
import json, sys
old, new = ([json.loads(line) for line in open(file, encoding="utf-8")] for file in sys.argv[1:])
fresh = {(row["case"], row["modes"]) for row in new}
rows = [row for row in old if (row["case"], row["modes"]) not in fresh] + new
with open(sys.argv[1], "w", encoding="utf-8") as file:
    file.writelines(json.dumps(row) + "\n" for row in rows)
PY
}
for case in "${cases[@]}"; do
  case $case in
    matrix | query) for n in 64 256; do measure mesh.py "$case" "$n"; done ;;
    coordinates) measure coordinates.py 64 ;;
    ring | crow) measure circuits.py "$case" ;;
    bank) measure bank.py ;;
    mask) measure mask.py ;;
    *) echo "no case $case: matrix, query, coordinates, ring, crow, bank, mask" >&2; exit 2 ;;
  esac
done
"$environment/bin/python" benches/peers/bounds.py "$out" /dev/null benches/results docs/performance.md
