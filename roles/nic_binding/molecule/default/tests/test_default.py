# SPDX-License-Identifier: BSD-3-Clause
"""What the role leaves on a host with systemd that has no NIC to give away."""

PROGRAM = "/usr/local/libexec/onvm-nic-binding"
UNIT = "onvm-nic-binding.service"


def test_one_unit_is_enabled(host):
    assert host.service("onvm-nic-binding").is_enabled


def test_systemd_understands_the_unit(host):
    assert host.run(f"systemd-analyze verify {UNIT}").rc == 0


def test_it_comes_before_networking(host):
    before = host.run(f"systemctl show --property Before {UNIT}").stdout
    assert "network-pre.target" in before


def test_it_succeeds_when_there_is_nothing_to_bind(host):
    assert host.run(f"systemctl start {UNIT}").rc == 0


def test_the_program_runs_with_the_hosts_python(host):
    assert host.run(f"{PROGRAM} /nowhere.json").rc == 0


def test_the_system_is_not_degraded(host):
    assert host.run("systemctl is-system-running").stdout.strip() == "running"
