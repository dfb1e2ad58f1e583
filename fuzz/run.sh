#!/usr/bin/env bash
# Builds a fuzz target and a corpus of seeds in fuzz/corpus, and runs the target. Needs a nightly toolchain and cargo-fuzz.
#   fuzz/run.sh [TARGET] [SECONDS] [MORE OPTIONS OF LIBFUZZER]     device for 3600 seconds if left out; targets: device, sparams
# Findings are kept in fuzz/artifacts/TARGET; `fuzz/run.sh TARGET 0 FILE` runs one of them again.
set -euo pipefail
cd "$(dirname "$0")"
target=${1:-device}
seconds=${2:-3600}
corpus=corpus/$target
seeds=corpus/$target-seeds
mkdir -p "$corpus" "$seeds" "artifacts/$target"

case $target in
  device)
    mkdir -p corpus/files
    cp ../core/netlist/tests/golden/files/* corpus/files
    cp ../tests/fixtures/devices/*.{csv,dat} corpus/files
    # comments are left out: the files then fit into -max_len
    for file in ../core/netlist/tests/golden/*.yml ../tests/fixtures/devices/*.yml ../devices/*.yml \
      ../tests/references/circuits/*.{yml,json}; do
      sed -E '/^ *#/d; s/ +#[^"'"'"']*$//' "$file" > "$seeds/$(basename "$file")"
    done
    options=(-dict=ddl.dict)
    ;;
  sparams)
    # the first byte says which format the rest is read as
    python3 - "$seeds" <<'PY'
import io, pathlib, struct, sys, zipfile
seeds = pathlib.Path(sys.argv[1])
def npy(descr, shape, data):
    header = str({"descr": descr, "fortran_order": False, "shape": shape}).ljust(117).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data
def npz(method):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("wl_um.npy", npy("<f8", (2,), struct.pack("<2d", 1.5, 1.6)))
        archive.writestr("ports.npy", npy("<U2", (2,), "o1o2".encode("utf-32-le")))
        archive.writestr("s.npy", npy("<c16", (2, 2, 2), struct.pack("<16d", *[0.1 * k for k in range(16)])))
    return file.getvalue()
table = b"wl_um,port_in,port_out,re,im\n1.5,a,b,0.5,0.1\n1.6,a,b,0.4,-0.2\n1.7,a,b,0.1,0.3\n"
blocks = b"""["b","LEFT"]
["a","RIGHT"]
('b','TE',1,'a',1,'transmission',1e-12)
(2,3)
1.9e14 0.5 0.1
2e14 0.6 0.2
('a','TE',1,'a',1,'transmission')
(2,3)
1.9e14 0.5 0.1
2e14 0.6 0.2
"""
two = b"# GHz S MA R 50\n1 0.1 0 0.9 10 0.9 10 0.1 0\n2 0.1 0 0.8 20 0.8 20 0.1 0\n"
three = b"! Port[1] = x\n# GHz S DB R 50\n1 11 0 12 0 13 0\n21 0 22 0 23 0\n31 0 32 0 33 0\n2 1 0 1 0 1 0\n1 0 1 0 1 0\n1 0 1 0 1 0\n"
version2 = b"[Version] 2.0\n# Hz S RI R 50\n[Number of Ports] 1\n[Number of Frequencies] 1\n[Network Data]\n1e14 0.5 0\n[End]\n"
for name, text in {
    "csv": b"\x00" + table,
    "dat": b"\x01" + blocks,
    "plain": b"\x012e14 0.1 1 0.2 2 0.3 3 0.4 -1\n3e14 0.1 1 0.2 2 0.3 3 0.4 -1\n",
    "s1p": b"\x02" + version2,
    "s2p": b"\x07" + two,
    "s3p": b"\x0c" + three,
    "npz": b"\x03" + npz(zipfile.ZIP_STORED),
    "packed": b"\x03" + npz(zipfile.ZIP_DEFLATED),
    "npy": b"\x04" + npy("<c16", (2, 2), struct.pack("<8d", *range(8))),
}.items():
    (seeds / name).write_bytes(text)
PY
    options=()
    ;;
  *)
    echo "no target $target: device or sparams" >&2
    exit 2
    ;;
esac

# no sanitizer: what is looked for are panics, overflows, long times and much memory
common=(run --fuzz-dir . --sanitizer none "$target")
if [[ $seconds == 0 ]]; then
  exec cargo +nightly fuzz "${common[@]}" "${@:3}"
fi
exec cargo +nightly fuzz "${common[@]}" "$corpus" "$seeds" -- -max_total_time="$seconds" -max_len=4096 -rss_limit_mb=512 \
  -timeout=5 -print_final_stats=1 "${options[@]}" "${@:3}"
