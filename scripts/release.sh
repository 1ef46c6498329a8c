#!/usr/bin/env bash
# Makes a release for this kind of machine: target/release-files/mnist-tch-VERSION-PLATFORM.tar.gz and its SHA-256.
# In it is the program with libtorch's CPU libraries in a folder beside it, so that it runs where it is unpacked. The
# program is built from the crate as it would be published, which shows that nothing is missing there either.
#   scripts/release.sh      (Linux only; nothing is published)
set -euo pipefail
# shellcheck source=scripts/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

cd "$root"
[[ $(uname -s) == Linux ]] || fail "releases are made on Linux: elsewhere libraries are found in other ways"
has readelf || fail "readelf is missing: install binutils"
[[ -z $(git status --porcelain) ]] || fail "there are changes that are not committed: a release is made of a commit"
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
    # Looked for beside the program; and libtorch is that of this project, not of the unpacked crate.
    MNIST_TCH_RPATH="\$ORIGIN/libtorch/lib" LIBTORCH=$torch cargo build --release --locked --target-dir "$root/target/release-build"
)

# copy_libraries FILE: what it needs of libtorch's and of the CUDA runtime's folders, and what those need.
copy_libraries() {
    local library path
    for library in $(readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'); do
        [[ ! -e $stage/libtorch/lib/$library ]] || continue
        path=$(find "$torch/lib" "$root/libtorch/nvidia" -name "$library" 2>/dev/null | head -n 1)
        # The system has the others.
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
    place=$stage/libtorch/licences/$(basename "${package%.dist-info}")
    mkdir -p "$place"
    find "$package" \( -iname '*licen[cs]e*' -o -iname 'notice*' \) -type f -exec cp {} "$place" \;
    [[ -n $(ls "$place") ]] || fail "$package holds no licence: it has to go with the libraries"
done
for shell in bash zsh fish; do
    "$stage/mnist-tch" completions "$shell" >"$stage/completions/mnist-tch.$shell"
done
# Order, owners and times do not depend on who packs it and when.
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$(git log -1 --format=%ct)" -C "$out" -c "$name" | gzip -n >"$out/$name.tar.gz"

job=(--device cpu --epochs 1 --eval-every 0 --quiet --min-accuracy 0.6)
# Unpacked elsewhere, with an empty environment: it has to find the libraries beside it and to train.
tar -xzf "$out/$name.tar.gz" -C "$folder"
found=$(env -i "$folder/$name/mnist-tch" devices | sed -n 's/^path *//p')
[[ $found == "$(cd -P "$folder" && pwd)/$name/libtorch/lib" ]] || fail "the unpacked program finds libtorch in $found"
env -i "$folder/$name/mnist-tch" "${job[@]}" --out "$folder/run"
# What its Dockerfile makes, without a container engine: an empty root with the program and the C library.
if ((EUID == 0)); then
    mkdir -p "$folder"/image/{opt,proc}
    mv "$folder/$name" "$folder/image/opt/mnist-tch"
    (cd "$folder/image" && sh -euc "$(sed -n '/^RUN/,/[^\\]$/{s/^RUN//;p}' opt/mnist-tch/Dockerfile)")
    # The loader finds the program's folder through /proc, which container engines mount.
    unshare --mount bash -c 'mount -t proc proc "$0/proc" && exec env -i "$(command -v chroot)" --userspec=65532:65532 "$0" "$@"' \
        "$folder/image" /opt/mnist-tch/mnist-tch "${job[@]}" --out /out/run
    cmp "$folder/image/out/run/model.safetensors" "$folder/run/model.safetensors"
else
    say "note: the container's root was not tried, which only root can"
fi
(cd "$out" && sha256sum "$name.tar.gz" | tee "$name.tar.gz.sha256")
say "$(du -h "$out/$name.tar.gz" | cut -f 1) in target/release-files/$name.tar.gz"
