# SPDX-License-Identifier: BSD-3-Clause
"""What a node has for DPDK."""


def test_programs_can_be_linked_with_it(host):
    version = host.run("pkg-config --modversion libdpdk").stdout
    assert version.startswith("22.11")


def test_modules_of_the_ports_are_loaded_at_boot(host):
    lines = host.file("/etc/modules-load.d/onvm.conf").content_string.splitlines()
    assert lines[1:] == ["af_packet"]
