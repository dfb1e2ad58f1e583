#!/usr/bin/env bash
# The tables of the papers whose networks are wholly on the device: experiments/papers by seeds, and the comparison of each table.
# Resumable: finished runs are kept, others go on from their checkpoints.
#   BLACKBEAM_DATA=... JOBS=2 SEEDS="0 1 2 3 4" benches/papers.sh equalization|mnist_cnn|fashion_cnn [OUT]
# Writes OUT/TABLE.txt; one run takes about a minute (equalization) or ten (the others) on one core.
set -euo pipefail
cd "$(dirname "$0")/.."
table=${1:?equalization, mnist_cnn or fashion_cnn}
out=${2:-runs/papers}
export BLACKBEAM=${BLACKBEAM:-target/release/blackbeam} OUT=$out
if [[ ! -x $BLACKBEAM ]]; then
  echo "no $BLACKBEAM: build it with 'cargo build --release --package blackbeam-cli', or say BLACKBEAM=FILE" >&2
  exit 2
fi
mkdir -p "$out"

# EXPERIMENT SEED
run() {
  local dir=$OUT/$1/seed$2
  if grep -qE '"status": "(done|budget)"' "$dir/summary.json" 2>/dev/null; then return; fi
  mkdir -p "$OUT/$1"
  if [[ -e $dir/checkpoints ]]; then
    "$BLACKBEAM" train --resume "$dir" --threads 1 --quiet >"$dir.log" 2>&1 && echo "$1 seed $2" && return
  fi
  rm -rf "$dir"
  if ! "$BLACKBEAM" train "experiments/papers/$1.yaml" --seed "$2" --threads 1 --quiet --out "$dir" >"$dir.log" 2>&1; then
    echo "$1 seed $2 failed:" >&2
    cat "$dir.log" >&2
    return 1
  fi
  echo "$1 seed $2"
}
export -f run

jobs() {
  local seed file
  for seed in ${SEEDS:-0 1 2 3 4}; do
    for file in experiments/papers/"$table"_*.yaml; do echo "$(basename "$file" .yaml) $seed"; done
  done
}
jobs | xargs -P "${JOBS:-2}" -L 1 bash -c 'run "$0" "$1"'
"$BLACKBEAM" compare "$out"/"$table"_*/ | tee "$out/$table.txt"
