# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# What ./demo and ./check share: root, Debian packages, a virtual environment with pinned packages.

# Prints a heading with the time since the command began.
say() {
    printf '\n== %s (%d:%02d)\n' "$1" $((SECONDS / 60)) $((SECONDS % 60))
}

# Network namespaces, hugepages and packages need root; asks for it by sudo, once.
as_root() {
    [ "$(id -u)" != 0 ] || return 0
    if ! command -v sudo >/dev/null; then
        echo "$1 needs root: run it as root, or install sudo." >&2
        exit 1
    fi
    exec sudo -- "$@"
}

# Installs the Debian packages that are missing.
debian_packages() {
    local missing=() package
    for package in "$@"; do
        [ "$(dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
            missing+=("$package")
    done
    [ "${#missing[@]}" -gt 0 ] || return 0
    say "Installing ${missing[*]}"
    apt-get update --quiet --quiet
    DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --quiet --no-install-recommends \
        -o DPkg::Lock::Timeout=300 "${missing[@]}"
}

# Makes .venv hold what a requirements file pins; anew when a file or Python changed. That of
# requirements-dev.txt holds everything.
python_environment() {
    local wanted installed
    command -v apt-get >/dev/null || {
        echo "This is not a Debian or Ubuntu host: apt-get is missing." >&2
        exit 1
    }
    debian_packages python3-venv
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
        echo "Python 3.11 or newer is needed here; an older host can be a node of another controller." >&2
        exit 1
    }
    wanted="$(cat requirements*.txt | sha256sum) $(python3 --version)"
    for installed in "$1" requirements-dev.txt; do
        [ "$(cat ".venv/installed-$installed" 2>/dev/null)" != "$wanted" ] || return 0
    done
    say "Making .venv from $1"
    python3 -m venv --clear .venv
    .venv/bin/pip install --quiet --requirement "$1"
    echo "$wanted" >".venv/installed-$1"
}
