# SPDX-License-Identifier: BSD-3-Clause
"""What a host shows that is watched by itself."""

import json
import time

SHARE = "/usr/local/share/onvm/grafana"


def ask(host, query):
    url = f"http://127.0.0.1:9090/api/v1/query?query={query}"
    answer = host.run(f"curl --silent --get '{url}'").stdout
    return json.loads(answer)["data"]["result"] if answer else []


def eventually(look):
    end = time.monotonic() + 60
    while not (found := look()):
        assert time.monotonic() < end
        time.sleep(1)
    return found


def test_prometheus_has_the_counters_of_the_node(host):
    found = eventually(lambda: ask(host, "onvm_manager_info"))
    assert found[0]["metric"]["node"] == "onvm-molecule"
    assert found[0]["metric"]["version"] == "0.1.0"


def test_counters_of_a_manager_that_is_gone_vanish(host):
    eventually(lambda: ask(host, "onvm_manager_info"))
    host.run("systemctl stop manager")
    prom = host.file("/var/lib/prometheus/node-exporter/onvm.prom")
    eventually(lambda: not prom.exists)
    host.run("systemctl start manager")
    eventually(lambda: prom.exists)


def test_both_listen_on_loopback_only(host):
    listening = host.run("ss -Hltn").stdout
    assert "127.0.0.1:9090" in listening
    assert "127.0.0.1:9100" in listening
    assert "*:9" not in listening


def test_grafana_would_find_the_dashboard(host):
    dashboard = json.loads(host.file(f"{SHARE}/dashboards/onvm.json").content_string)
    assert len(dashboard["panels"]) >= 10
    assert dashboard["panels"][0]["targets"][0]["legendFormat"] == "{{node}} {{port}} {{direction}}"
    provider = host.file(f"{SHARE}/provisioning/dashboards/onvm.yml").content_string
    assert f"{SHARE}/dashboards" in provider
