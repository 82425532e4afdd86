# SPDX-License-Identifier: BSD-3-Clause
"""What the role leaves on a host with systemd."""

import os

LAST = str(os.cpu_count() - 1)


def command_line(host):
    return host.file("/boot/grub/grub.cfg").content_string


def test_the_next_boot_isolates_the_cpu(host):
    line = command_line(host)
    for word in (f"isolcpus=managed_irq,domain,{LAST}", f"nohz_full={LAST}", f"rcu_nocbs={LAST}"):
        assert word in line


def test_interrupts_go_to_the_other_cpus(host):
    others = ",".join(str(cpu) for cpu in range(os.cpu_count() - 1))
    assert f"irqaffinity={others}" in command_line(host)


def test_what_the_host_had_on_its_command_line_stays(host):
    assert "quiet" in command_line(host)


def test_irqbalance_runs_and_keeps_off_it(host):
    assert f"IRQBALANCE_BANNED_CPULIST={LAST}" in host.file("/run/irqbalance.env").content_string


def test_it_has_not_rebooted(host):
    assert host.run("systemctl is-system-running").stdout.strip() == "running"
