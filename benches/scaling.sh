#!/usr/bin/env bash
# Blackbeam alone over modes, sets, threads and precision: writes benches/results/scaling.* and the table of docs/performance.md.
#   BLACKBEAM=target/release/blackbeam SECONDS_EACH=2 benches/scaling.sh
set -euo pipefail
cd "$(dirname "$0")/.."
blackbeam=${BLACKBEAM:-target/release/blackbeam}
if [[ ! -x $blackbeam ]]; then
  echo "no $blackbeam: build it with 'cargo build --release --package blackbeam-cli', or say BLACKBEAM=FILE" >&2
  exit 2
fi
out=target/scaling.jsonl
: >"$out"
bench() { "$blackbeam" bench "$@" --rounds 20 --seconds "${SECONDS_EACH:-2}" | tee -a "$out"; }

for threads in 1 2; do
  for modes in 8 16 32 64 128 256 512; do
    for precision in f64 f32; do bench mesh-query --modes "$modes" --threads "$threads" --precision "$precision"; done
    bench mesh-query --modes "$modes" --threads "$threads" --chain typical
  done
  for sets in 1 10 100 1000; do bench mesh-query --sets "$sets" --threads "$threads"; done
  for modes in 8 16 32 64; do bench mesh-coordinates --modes "$modes" --threads "$threads"; done
  for modes in 8 16 32 64 128 256; do bench mesh-coordinates-contracted --modes "$modes" --threads "$threads"; done
  bench weight-bank --threads "$threads"
  bench slm --threads "$threads"
done
for modes in 8 16 32 64 128 256 512; do bench mesh-matrix --modes "$modes"; bench compile --modes "$modes"; done
for rings in 4 16 64 256; do bench crow --modes "$rings"; done
bench ring
python3 benches/peers/bounds.py /dev/null "$out" benches/results docs/performance.md
