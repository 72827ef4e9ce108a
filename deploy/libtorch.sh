#!/usr/bin/env bash
# libtorch 2.4.0 for the feature `transformer` (tch 0.17 wants exactly this one), in the directory given, out of three Python wheels:
#   eval "$(deploy/libtorch.sh DIR)"
# Prints the environment that building and running need; everything else goes to standard error. Needs python3 with pip, no torch.
# Downloads 0.8 GB once and keeps 0.55 GB; where DIR is complete, it only prints. Only for Linux on x86-64.
set -euo pipefail

usage() { echo "usage: eval \"\$($0 DIR)\"" >&2; exit 2; }
[ "$#" -eq 1 ] || usage
[ "$(uname -sm)" = "Linux x86_64" ] || { echo "$0: these wheels are for Linux on x86-64; elsewhere unpack libtorch 2.4.0 yourself and set LIBTORCH" >&2; exit 1; }
mkdir -p "$(dirname "$1")"
dir="$(cd "$(dirname "$1")" && pwd)/$(basename "$1")"
version=2.4.0

# The wheels, and the SHA-256 that pip holds them to: what is linked into the program is what was tested.
requirements() {
    cat <<EOF
torch==$version --hash=sha256:e743adadd8c8152bb8373543964551a7cb7cc20ba898dc8f9c0cdbe47c283de0
nvidia-cuda-runtime-cu12==12.1.105 --hash=sha256:6e258468ddf5796e25f1dc591a31029fa317d97a0a94ed93468fc86301d61e40
nvidia-cuda-cupti-cu12==12.1.105 --hash=sha256:e54fde3983165c624cb79254ae9818a456eb6e87a7fd4d56a2352c24ee542d7e
EOF
}

fetch() {
    local part="$dir.part"
    # One at a time in a directory; a run that was killed leaves a part that the next one replaces.
    exec 9>"$dir.lock"
    flock 9
    [ -e "$dir/build-version" ] && return
    rm -rf "$part" && mkdir -p "$part/wheels"
    requirements >"$part/requirements.txt"
    echo "libtorch: downloading the wheels (0.8 GB)" >&2
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --require-hashes \
        --implementation cp --python-version 3.11 --abi cp311 --platform manylinux1_x86_64 \
        --dest "$part/wheels" --requirement "$part/requirements.txt" >&2
    echo "libtorch: unpacking" >&2
    python3 - "$part" >&2 <<'EOF'
import pathlib, shutil, sys, zipfile

part = pathlib.Path(sys.argv[1])

def unpack(wheel, wanted):
    """Writes the members for which `wanted` gives a path below `part`."""
    (path,) = (part / "wheels").glob(wheel)
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            target = wanted(member.filename)
            if target and not member.is_dir():
                target = part / target
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as source, open(target, "wb") as out:
                    shutil.copyfileobj(source, out, 1 << 20)

def torch(name):
    if name.startswith("torch/include/"):
        return name.removeprefix("torch/")
    # The GPU half of the wheel is left out; what remains does not need it.
    if name in ("torch/lib/libtorch_cpu.so", "torch/lib/libc10.so") or name.startswith("torch/lib/libgomp-"):
        return name.removeprefix("torch/")

unpack("torch-*.whl", torch)
unpack("nvidia_cuda_runtime*.whl", lambda name: "lib/libcudart.so.12" if name.endswith("/libcudart.so.12") else None)
unpack("nvidia_cuda_cupti*.whl", lambda name: "lib/libcupti.so.12" if name.endswith("/libcupti.so.12") else None)
EOF
    ln -s libtorch_cpu.so "$part/lib/libtorch.so"
    rm -rf "$part/wheels" "$part/requirements.txt"
    # The mark of a complete directory, and what torch-sys compares with its own version.
    echo "$version" >"$part/build-version"
    rm -rf "$dir"
    mv "$part" "$dir"
}

[ -e "$dir/build-version" ] || fetch
if [ "$(cat "$dir/build-version")" != "$version" ]; then
    echo "$0: $dir holds libtorch $(cat "$dir/build-version"), not $version: name another directory" >&2
    exit 1
fi
# The last three: what passes between two layers is freed and asked for again at once, and glibc would give it back to the system in between,
# large pieces (32 MiB is the most it lets one say) and the end of its heap alike.
cat <<EOF
export LIBTORCH='$dir'
export LIBTORCH_CXX11_ABI=0
export LD_LIBRARY_PATH='$dir/lib'\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}
export MALLOC_MMAP_THRESHOLD_=33554432
export MALLOC_TRIM_THRESHOLD_=1073741824
export MALLOC_TOP_PAD_=67108864
EOF
