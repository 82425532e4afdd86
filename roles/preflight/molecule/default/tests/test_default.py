# SPDX-License-Identifier: BSD-3-Clause
"""What the role leaves: nothing."""


def test_the_system_is_not_degraded(host):
    assert host.run("systemctl is-system-running").stdout.strip() == "running"


def test_nothing_was_installed(host):
    assert not host.file("/var/lib/onvm").exists
