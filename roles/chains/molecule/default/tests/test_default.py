# SPDX-License-Identifier: BSD-3-Clause
"""The chains that the role leaves."""

import json


def listed(host, what):
    return json.loads(host.check_output("onvm %s ls --json", what))[f"{what}s"]


def test_the_chain_is_in_force(host):
    assert [chain["name"] for chain in listed(host, "chain")] == ["around"]


def test_its_nf_runs(host):
    assert [nf["state"] for nf in listed(host, "nf")] == ["running"]


def test_the_file_says_where_it_comes_from(host):
    text = host.file("/etc/onvm/chains.yml").content_string
    assert text.startswith("# Made from the inventory")
