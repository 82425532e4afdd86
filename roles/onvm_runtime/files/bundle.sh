#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# usage: bundle.sh PYTHON ARCHIVE BENCH FOLDER
# Compiles the sources in ARCHIVE once, for all nodes that are like this machine, and prints the
# name of the bundle: FOLDER/DIGEST.tar with the folder build of the sources, in which root/ holds
# what goes to /opt/onvm, and wheels/ what goes into its virtual environment. One that is there
# already is taken; older ones are removed.
set -euo pipefail
python=$1 archive=$2 bench=$3 folder=$4

digest() {
    {
        cat "$archive"
        "$python" --version
        pkg-config --modversion libdpdk
        echo "$bench"
    } | sha256sum | cut -c 1-16
}

wheels() {
    "$python" -m venv "$work/venv"
    "$work/venv/bin/pip" wheel --quiet --wheel-dir wheels --requirement requirements-node.txt
    "$work/venv/bin/pip" install --quiet --no-index --find-links wheels \
        --requirement requirements-node.txt
}

compile() {
    meson setup --buildtype=release --prefix=/opt/onvm --libdir=lib "-Dbench=$bench" build
    ninja -C build --quiet
    meson install -C build --no-rebuild --quiet --destdir root
    pip wheel --quiet --no-deps --no-build-isolation --wheel-dir wheels .
    mv wheels build/wheels
}

mkdir -p "$folder"
exec 9>"$folder/lock"
flock 9
bundle=$folder/$(digest).tar
if [ ! -e "$bundle" ]; then
    work=$(mktemp --directory "$folder/making.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    tar -C "$work" -xf "$archive"
    cd "$work"
    wheels >&2
    PATH="$work/venv/bin:$PATH" compile >&2
    tar -cf bundle.part --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX --exclude='*.p' \
        --exclude='build/lib.*' --exclude='build/bdist.*' --exclude='build/temp.*' build
    rm -f "$folder"/*.tar
    mv bundle.part "$bundle"
fi
echo "$bundle"
