# SPDX-License-Identifier: BSD-3-Clause
"""The images that the role leaves."""

import json


def inspect(host, name):
    return json.loads(host.check_output("docker image inspect %s", f"onvm/{name}:latest"))[0]


def test_each_nf_has_one(host):
    names = host.check_output("docker images --format '{{.Repository}}'").split()
    assert sorted(names) == ["onvm/bridge", "onvm/forward"]


def test_an_image_carries_the_digest_of_its_program(host):
    checksum = host.check_output("sha1sum /opt/onvm/nf/forward/forward").split()[0]
    assert checksum in inspect(host, "forward")["Config"]["Labels"]["onvm.digest"]


def test_an_image_is_the_program_and_an_unprivileged_user(host):
    config = inspect(host, "bridge")["Config"]
    assert config["User"] == "65532:65532"
    assert config["Entrypoint"] == ["/nf"]
