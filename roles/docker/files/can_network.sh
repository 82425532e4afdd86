#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Whether this kernel lets Docker make its usual network. Says on stdout what is missing.
set -u
bridge=onvm-probe$$

if ! ip link add name "$bridge" type bridge 2>/dev/null; then
    echo "the kernel cannot make bridges"
    exit 1
fi
ip link delete "$bridge"
if ! iptables --wait --table nat --list-rules >/dev/null 2>&1; then
    echo "iptables has no nat table"
    exit 1
fi
