#!/usr/bin/env bash
# Makes a release for this platform: target/release-files/mnist-tch-VERSION-PLATFORM.tar.gz and its SHA-256.
# It holds the program and libtorch's CPU libraries, and runs wherever it is unpacked. The program is built from the crate as it
# would be published, which also shows that the crate is complete.
#   scripts/release.sh      (Linux only; nothing is published)
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

cd "$root"
[[ $(uname -s) == Linux ]] || fail "releases can be made on Linux only"
has readelf || fail "readelf is missing: install binutils"
[[ -z $(git status --porcelain) ]] || fail "there are uncommitted changes: commit them first"
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
if grep -q "^## $version (not released)" CHANGELOG.md; then say "note: CHANGELOG.md calls $version not released: this is a trial"; fi
name=mnist-tch-$version-$(uname -m)-linux
out=$root/target/release-files
stage=$out/$name
crate=$root/target/package/mnist-tch-$version
torch=$root/libtorch/torch
unset LIBTORCH LIBTORCH_USE_PYTORCH
"$root/scripts/setup.sh"
scratch

cargo package --locked --no-verify --quiet
rm -rf "$crate" "$stage"
tar -xzf "$crate.crate" -C "$root/target/package"
say "building from the crate ..."
(
    cd "$crate"
    # The program looks for libtorch next to itself; the build uses the libtorch of this project.
    MNIST_TCH_RPATH="\$ORIGIN/libtorch/lib" LIBTORCH=$torch cargo build --release --locked --target-dir "$root/target/release-build"
)

# copy_libraries FILE: copies the libraries that FILE needs, recursively; those not from libtorch or CUDA belong to the system.
copy_libraries() {
    local library path
    for library in $(readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'); do
        [[ ! -e $stage/libtorch/lib/$library ]] || continue
        path=$(find "$torch/lib" "$root/libtorch/nvidia" -name "$library" 2>/dev/null | head -n 1)
        [[ -n $path ]] || continue
        cp "$path" "$stage/libtorch/lib/$library"
        copy_libraries "$path"
    done
}

mkdir -p "$stage/libtorch/lib" "$stage/completions"
cp "$root/target/release-build/release/mnist-tch" README.md CHANGELOG.md LICENSE-MIT LICENSE-APACHE scripts/container/Dockerfile "$stage"
cp data/README.md "$stage/DATA.md"
cp -r docs "$stage"
copy_libraries "$stage/mnist-tch"
version_in_folder "$torch" >"$stage/libtorch/build-version"
for package in "$root"/libtorch/torch-*.dist-info "$root"/libtorch/nvidia_cuda_{runtime,cupti}-*.dist-info; do
    licenses=$stage/libtorch/licenses/$(basename "${package%.dist-info}")
    mkdir -p "$licenses"
    find "$package" \( -iname '*licen[cs]e*' -o -iname 'notice*' \) -type f -exec cp {} "$licenses" \;
    [[ -n $(ls "$licenses") ]] || fail "$package has no license file: it has to be part of the release"
done
for shell in bash zsh fish; do
    "$stage/mnist-tch" completions "$shell" >"$stage/completions/mnist-tch.$shell"
done
# Reproducible: order, owners and times do not depend on who packs it and when.
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$(git log -1 --format=%ct)" -C "$out" -c "$name" | gzip -n >"$out/$name.tar.gz"

job=(--device cpu --epochs 1 --eval-every 0 --quiet --min-accuracy 0.6)
# Unpacked elsewhere, with an empty environment, the program has to find its libraries and to train.
tar -xzf "$out/$name.tar.gz" -C "$folder"
found=$(env -i "$folder/$name/mnist-tch" devices | sed -n 's/^path *//p')
[[ $found == "$(cd -P "$folder" && pwd)/$name/libtorch/lib" ]] || fail "the unpacked program finds libtorch in $found"
env -i "$folder/$name/mnist-tch" "${job[@]}" --out "$folder/run"
# Tries the Dockerfile without a container engine: chroot into a folder that holds the program and the C library.
if ((EUID == 0)); then
    mkdir -p "$folder"/image/{opt,proc}
    mv "$folder/$name" "$folder/image/opt/mnist-tch"
    (cd "$folder/image" && sh -euc "$(sed -n '/^RUN/,/[^\\]$/{s/^RUN//;p}' opt/mnist-tch/Dockerfile)")
    # The loader finds the program's folder through /proc, which container engines mount. The inner shell expands "$0".
    # shellcheck disable=SC2016
    unshare --mount bash -c 'mount -t proc proc "$0/proc" && exec env -i "$(command -v chroot)" --userspec=65532:65532 "$0" "$@"' \
        "$folder/image" /opt/mnist-tch/mnist-tch "${job[@]}" --out /out/run
    cmp "$folder/image/out/run/model.safetensors" "$folder/run/model.safetensors"
else
    say "note: the container image was not tried, which needs root"
fi
(cd "$out" && sha256sum "$name.tar.gz" | tee "$name.tar.gz.sha256")
say "$(du -h "$out/$name.tar.gz" | cut -f 1) in target/release-files/$name.tar.gz"
