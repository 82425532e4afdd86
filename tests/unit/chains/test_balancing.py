# SPDX-License-Identifier: BSD-3-Clause
"""The keys of a service that say how flows are spread over its replicas."""

from __future__ import annotations

import pytest

from onvm_runtime.chains import Autoscale, Catalogue, SpecError, check, dump, instances, load

FILE = """
services:
  fw:
    nf: forward
KEYS
chains:
  - {name: web, match: {port: in}, path: [fw], egress: out}
"""
CATALOGUE = Catalogue.load([
    ("forward/nf.yml", "{name: forward, summary: s, parameters: {}}"),
    ("nat/nf.yml", "{name: nat, summary: s, parameters: {}, stateful: true, shares: shares}"),
])  # fmt: skip


def text(keys: str) -> str:
    """A chains file whose service has these keys."""
    return FILE.replace("KEYS", "\n".join(f"    {line}" for line in keys.splitlines()))


def test_keys_are_read_and_written() -> None:
    spec = load(text("replicas: 3\nweights: [2, 0]\nstateful: true\ndrain_seconds: 5"), "f")
    service = spec.services["fw"]
    assert (service.weights, service.stateful, service.drain_seconds) == ((2, 0), True, 5)
    assert [wanted.weight for wanted in instances(spec)] == [2, 0, 1]
    assert load(dump(spec), "f") == spec


def test_a_policy_begins_with_its_fewest_replicas() -> None:
    spec = load(text("autoscale: {min: 2, max: 4, metric: cpu, down_seconds: 90}"), "f")
    service = spec.services["fw"]
    assert service.autoscale == Autoscale(2, 4, "cpu", 75, 25, 5, 90, 30)
    assert service.replicas == 2
    assert load(dump(spec), "f") == spec


WRONG = [
    ("weights: [1, 1]", "weights", "2 are more than 1 replicas"),
    ("weights: [0]", "weights", "nobody would get a flow"),
    ("weights: [1001]", "weights[0]", "from 0 to 1000"),
    ("drain_seconds: -1", "drain_seconds", "from 0 to 86400"),
    ("stateful: 1", "stateful", "true or false"),
    ("autoscale: {max: 3}", "autoscale", "min"),
    ("autoscale: {min: 4, max: 3}", "autoscale.min", "above max"),
    ("autoscale: {min: 1, max: 3, metric: rain}", "autoscale.metric", "queue, cpu"),
    ("autoscale: {min: 1, max: 3, high: 5, low: 5}", "autoscale.low", "below high"),
    ("autoscale: {min: 1, max: 3, high: 0}", "autoscale.high", "above 0"),
    ("replicas: 5\nautoscale: {min: 1, max: 3}", "replicas", "from 1 to 3"),
]


@pytest.mark.parametrize(("keys", "key", "said"), WRONG)
def test_what_is_wrong_is_named(keys: str, key: str, said: str) -> None:
    with pytest.raises(SpecError) as error:
        load(text(keys), "f")
    assert [(p.key, said in p.message) for p in error.value.problems] == [
        (f"services.fw.{key}", True)
    ]


@pytest.mark.parametrize("keys", ["replicas: 2", "autoscale: {min: 1, max: 2}"])
def test_an_nf_that_cannot_have_replicas_says_so(keys: str) -> None:
    with pytest.raises(SpecError, match="need as many shares: give it the parameter shares, "):
        check(text(keys).replace("forward", "nat"), "f", CATALOGUE, ["in", "out"])
