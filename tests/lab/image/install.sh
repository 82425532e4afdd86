# SPDX-License-Identifier: BSD-3-Clause
# usage: install.sh ROOT PACKAGE...
# Installs packages into a root file system and starts none of them. Run it in a mount namespace
# of its own.
root=$1
shift
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
chroot "$root" apt-get update -qq
chroot "$root" apt-get install -qq --yes --no-install-recommends "$@" >/dev/null
chroot "$root" systemctl --quiet disable docker.service docker.socket containerd.service
chroot "$root" systemctl --quiet enable systemd-networkd.service
rm -rf "$root/boot/grub/grub.cfg.new" "$root/usr/sbin/policy-rc.d" "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/*
: >"$root/etc/apt/sources.list"
