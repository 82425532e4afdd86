# SPDX-License-Identifier: BSD-3-Clause
"""What the role leaves on a host with systemd."""

import json

PAGES = 16
POOL = "/sys/kernel/mm/hugepages/hugepages-2048kB"


def pool(host, name):
    return int(host.file(f"{POOL}/{name}").content_string)


def record(host):
    return json.loads(host.file("/var/lib/onvm/deployment/hugepages.json").content_string)


def test_pages_are_there_beside_those_of_others(host):
    assert pool(host, "nr_hugepages") >= record(host)["others"] + PAGES


def test_the_record_says_what_was_added(host):
    assert 0 <= record(host)["added"] <= record(host)["total"]


def test_the_kernel_reserves_them_at_boot(host):
    settings = host.file("/etc/sysctl.d/60-onvm-hugepages.conf")
    assert f"vm.nr_hugepages = {record(host)['total']}" in settings.content_string
    assert settings.mode == 0o644


def test_systemd_can_read_the_setting(host):
    assert host.run("/lib/systemd/systemd-sysctl --cat-config").stdout.count("nr_hugepages") == 1


def test_etc_keeps_its_owner(host):
    assert host.file("/etc/sysctl.d").user == "root"


def test_the_system_is_not_degraded(host):
    assert host.run("systemctl is-system-running").stdout.strip() == "running"
