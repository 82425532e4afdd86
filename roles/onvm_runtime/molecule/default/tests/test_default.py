# SPDX-License-Identifier: BSD-3-Clause
"""The node that the role leaves."""

import json
import time


def test_the_manager_runs_and_starts_at_boot(host):
    unit = host.service("onvm-manager")
    assert unit.is_running
    assert unit.is_enabled


def test_the_port_is_open(host):
    ports = json.loads(host.check_output("onvm port ls --json"))["ports"]
    assert [(port["name"], port["up"]) for port in ports] == [("wire", True)]


def test_the_data_plane_outlives_its_manager(host):
    before = host.check_output("pgrep --exact onvm-dataplane")
    host.check_output("systemctl kill --signal KILL --kill-who main onvm-manager")
    end = time.monotonic() + 60
    while host.run("onvm status").rc != 0:
        assert time.monotonic() < end
        time.sleep(1)
    assert host.check_output("pgrep --exact onvm-dataplane") == before


def test_logs_are_rotated(host):
    assert host.run("logrotate --debug /etc/logrotate.d/onvm").rc == 0


def test_the_system_is_not_degraded(host):
    assert host.run("systemctl is-system-running").stdout.strip() == "running"
