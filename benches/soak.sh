#!/usr/bin/env bash
# A device library in a process of its own, under load for an hour, that crashes, hangs, exits or answers nonsense every ten
# seconds on average (tests/end_to_end/soak.rs): at least 10 000 queries a second, memory flat, no query lost or counted twice, and at
# the end the numbers of a run without faults. Wants a C compiler and a machine with nothing else to do.
#   SECONDS_=3600 RATE=10000 benches/soak.sh
set -euo pipefail
cd "$(dirname "$0")/.."
export BLACKBEAM_SOAK_S=${SECONDS_:-3600} BLACKBEAM_SOAK_RATE=${RATE:-10000}
cargo test --release --package blackbeam-cli --test end_to_end -- soak --nocapture
