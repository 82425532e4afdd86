# SPDX-License-Identifier: BSD-3-Clause
"""The engine that the role leaves."""

import json


def test_the_engine_answers(host):
    assert host.run("docker version --format '{{.Server.Version}}'").rc == 0


def test_it_runs_as_a_unit(host):
    assert host.service("docker").is_running


def test_the_record_says_who_installed_it(host):
    record = json.loads(host.file("/var/lib/onvm/deployment/docker.json").content_string)
    assert record["installed"] is False


def test_the_system_is_not_degraded(host):
    assert host.run("systemctl is-system-running").stdout.strip() == "running"
