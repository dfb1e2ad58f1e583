#!/usr/bin/env bash
# What a process of its own costs a device library: calls (`blackbeam bench isolation`), and whole training runs on all cores, in turn,
# with the library in the same process, in its own, and in its own with waiting that sleeps at once. Writes
# benches/results/isolation.md. Wants a machine with nothing else to do; about two minutes after the build.
#   ROUNDS=7 benches/isolation.sh
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release --package blackbeam-cli --package blackbeam-device-dense-lib
blackbeam=$PWD/target/release/blackbeam
library=$PWD/target/release/libblackbeam_device_dense_lib.so
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
for rounds in $(seq "${ROUNDS:-7}"); do "$blackbeam" bench isolation; done >"$place/calls.jsonl"
cd "$place"
"$blackbeam" plugin add "$library" >/dev/null
cat >experiment.yaml <<YAML
name: isolation
seed: 1
data: {set: glyphs, train: 4096, test: 256}
model:
  layers:
    - flatten
    - linear: {out: 64}
    - relu
    - device: {name: dev}
    - relu
    - linear: {out: 10}
devices:
  dev:
    source: {plugin: dense, library: $library, isolation: process, settings: {rows: 64, columns: 64}}
    estimator: {method: gaussian, samples: 8}
    surrogate: {method: residual, rank: 4, samples: 4}
    optimizer: {adam: {learning_rate: 0.01}}
train: {steps: 400, batch: 100, optimizer: {adam: {learning_rate: 0.001}}, evaluate_every: 0}
YAML
# NAME ARGUMENTS...
timed() {
  local name=$1 begun
  shift
  rm -rf out
  begun=$(date +%s.%N)
  "$blackbeam" train experiment.yaml --out out --quiet "$@"
  echo "$name $(date +%s.%N) $begun" >>runs.txt
}
for _ in $(seq "${ROUNDS:-7}"); do
  timed in_process --set devices.dev.source.isolation=in_process
  timed process
  BLACKBEAM_SPIN_US=0 timed process_asleep
done
cd - >/dev/null
python3 - "$place" >benches/results/isolation.md <<'PY'
import json, os, statistics, sys, time
place = sys.argv[1]
calls = [json.loads(line) for line in open(os.path.join(place, "calls.jsonl"))]
cpu = next(line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
print("# Device libraries in a process of their own\n")
print(f"{time.strftime('%Y-%m-%d')}, {cpu}, {os.cpu_count()} cores. Command: `benches/isolation.sh`. Medians of {len(calls)} rounds.\n")
print("| a query of 100 x 64 single-precision numbers there and back | longer than in the same process, us | wanted | the bytes alone, from one core to the other and back, us |\n|---|---|---|---|")
for key, most in [("busy", 5), ("idle", 20)]:
    values = sorted(call[key + "_us"] for call in calls)
    print(f"| {'one after the other' if key == 'busy' else 'after a pause of 2 ms'} | {statistics.median(values):.1f} ({values[0]:.1f} .. {values[-1]:.1f}) | {most} | {statistics.median(c['exchange_us'][key] for c in calls):.1f} |")
runs = {}
for line in open(os.path.join(place, "runs.txt")):
    name, end, begun = line.split()
    runs.setdefault(name, []).append(float(end) - float(begun))
print("\n| a training run of 400 steps, all cores | median, s | against the same process |\n|---|---|---|")
base = statistics.median(runs["in_process"])
for name, what in [("in_process", "in the same process"), ("process", "its own process"), ("process_asleep", "its own, sleeping at once (`BLACKBEAM_SPIN_US=0`)")]:
    median = statistics.median(runs[name])
    print(f"| {what} | {median:.2f} | {median / base:.3f} |")
PY
cat benches/results/isolation.md
