# SPDX-License-Identifier: BSD-3-Clause
"""What the role installs and remembers."""

import json


def test_packages_are_there_with_what_they_need(host):
    assert host.package("onvm-tool").is_installed
    assert host.package("onvm-library").is_installed
    assert not host.package("onvm-other").is_installed


def test_the_record_names_what_was_not_there_before(host):
    record = host.file("/var/lib/onvm/deployment/packages-test.json").content_string
    assert json.loads(record) == ["onvm-library", "onvm-tool"]
