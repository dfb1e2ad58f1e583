#!/usr/bin/env bash
# Networks that run wholly on the device, against PyTorch, in turn: training steps of the equalizer (devices/equalizer_mzi.ddl.yml) and
# forward passes of the CNN (devices/cnn_2586.ddl.yml), one thread on one core and then two, which only a quiet machine is measured
# with. Writes benches/results/networks.md and the tables of docs/performance.md. Prints PASS or FAIL for each bound
# (networks/check.py); exit code 1 if one fails or was not measured. About ten minutes, most of them torch.compile's. Wants MNIST in
# BLACKBEAM_DATA.
#   CPU=0 ROUNDS=7 BLACKBEAM=target/release/blackbeam benches/networks/run.sh [ENVIRONMENT]
# ENVIRONMENT: where the virtual environment is, or is made [~/.cache/blackbeam-peers].
set -euo pipefail
cd "$(dirname "$0")/../.."
environment=${1:-$HOME/.cache/blackbeam-peers}
export BLACKBEAM=${BLACKBEAM:-target/release/blackbeam} PYTHONDONTWRITEBYTECODE=1
if [[ ! -x $BLACKBEAM ]]; then
  echo "no $BLACKBEAM: build it with 'cargo build --release --package blackbeam-cli', or say BLACKBEAM=FILE" >&2
  exit 2
fi
if [[ -z ${BLACKBEAM_DATA:-} ]]; then
  echo "BLACKBEAM_DATA is not set: the folder that has MNIST" >&2
  exit 2
fi
if [[ ! -x $environment/bin/python ]]; then
  python3 -m venv "$environment"
fi
"$environment/bin/python" -m pip install --quiet --requirement benches/networks/requirements.txt

out=target/networks.jsonl
rm -f "$out"
copy=$(mktemp -d)       # a build in the meantime does not change what is measured
trap 'rm -rf "$copy"' EXIT
cp "$BLACKBEAM" "$copy/blackbeam"
BLACKBEAM=$copy/blackbeam
for case in equalization cnn; do
  OMP_NUM_THREADS=1 taskset --cpu-list "${CPU:-0}" "$environment/bin/python" -W ignore "benches/networks/$case.py" "$out" 1
  OMP_NUM_THREADS=2 "$environment/bin/python" -W ignore "benches/networks/$case.py" "$out" 2
done
"$environment/bin/python" benches/networks/check.py "$out" benches/results docs/performance.md
