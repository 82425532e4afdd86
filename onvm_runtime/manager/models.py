# SPDX-License-Identifier: BSD-3-Clause
"""What the API sends and takes; the OpenAPI document is made from these."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from onvm_runtime.chains.limits import INSTANCES


class Model(BaseModel):
    """Unknown keys of a request are refused."""

    model_config = ConfigDict(extra="forbid", from_attributes=True)


class Problem(Model):
    """One mistake in a file: its place and what to do.  `line` counts from 1."""

    file: str
    line: int
    key: str
    message: str


class Error(Model):
    """Every answer that is no success.  `problems` is empty unless a text was wrong."""

    error: str
    problems: list[Problem] = []


class Version(Model):
    """Versions of the manager and of the ABI that it shares with the data plane."""

    version: str
    abi: int


class WorkerStatus(Model):
    """A worker of the data plane.  `socket`: its NUMA node, None where that does not matter."""

    cpu: int
    socket: int | None


class DataplaneStatus(Model):
    """The data plane.  What it says of itself is null while it does not run.

    state    starting, running, backoff or stopped, for `seconds`
    reason   why it does not run
    """

    state: str
    reason: str | None
    seconds: float
    restarts: int
    pid: int | None = None
    version: str | None = None
    dpdk: str | None = None
    hugepages: bool | None = None
    buffers: int | None = None
    buffers_out: int | None = None
    buffers_free: int | None = None
    buffer_size: int | None = None
    workers: list[WorkerStatus] = []


class PortStatus(Model):
    """A port of node.yml.

    queues  workers that receive by it
    remote  its device is on another NUMA node than every worker
    error   why it is not open; it is tried again
    """

    name: str
    kind: str
    open: bool
    up: bool
    mtu: int
    id: int | None = None
    mac: str | None = None
    polled: bool | None = None
    queues: int | None = None
    remote: bool | None = None
    error: str | None = None


class NfStatus(Model):
    """An instance of an NF.

    state     starting, running, failed, backoff, stopping or stopped, for `seconds`
    reason    why it is in this state, where there is a reason
    last_end  how its process ended last
    pid       its process on the host
    group     the NF that names the process which it shares with others, if it does
    image     what the process runs: the NF's own program, or "fused"
    cpus      where it may run; empty: anywhere
    alone     nobody else is placed on its core
    remote    it may run on another socket than the data plane
    cpu_weight, weighed_by   its share of a busy CPU, enforced by cgroup or nice
    weight    its share of new flows, among those of its service
    draining  it gets no new flows, and ends when it has none left or in `drain_seconds`;
              `flows` is how many it has, null while that is not known
    """

    name: str
    service: str
    nf: str
    group: str | None
    image: str
    cpus: list[int]
    alone: bool
    remote: bool
    cpu_weight: int
    weighed_by: str
    state: str
    reason: str | None
    last_end: str | None
    restarts: int
    seconds: float
    pid: int | None
    weight: int = 1
    draining: bool = False
    drain_seconds: float | None = None
    flows: int | None = None


class Ports(Model):
    """The ports of node.yml."""

    ports: list[PortStatus]


class Nfs(Model):
    """The instances."""

    nfs: list[NfStatus]


class CatalogueEntry(Model):
    """An NF that can be run; `parameters` is the JSON Schema of its parameters."""

    name: str
    summary: str
    parameters: dict[str, Any]


class Catalogue(Model):
    """What can be run."""

    nfs: list[CatalogueEntry]


class ChainStatus(Model):
    """One direction of a chain.

    id         its number in the data plane
    draining   no longer in force; packets are still on their way
    withheld   in the desired state, but not in force: a port is not open
    """

    name: str
    id: int
    reverse: bool
    path: list[str]
    egress: str | None
    default: bool
    draining: bool
    withheld: bool
    in_flight: int


class Chains(Model):
    """Chains in force, then those that drain, then those that wait for a port."""

    chains: list[ChainStatus]


class LinkStatus(Model):
    """This node's end of a link to another node.

    up          packets pass in both directions, as probes say
    round_trip  seconds there and back, of the last probe; None: not known
    cut_off     ways behind it that the other end cannot pass on
    """

    name: str
    peer: str
    port: str
    up: bool
    mac: str | None
    round_trip: float | None
    cut_off: int


class Links(Model):
    """The links of the chains in force."""

    links: list[LinkStatus]


class Silence(Model):
    """For how long a node's links shall look down to the nodes at their other ends; 0: no more."""

    seconds: Annotated[int, Field(ge=0, le=3600)]


class Status(Model):
    """A node at a glance.  `problems`: sentences about what is not as it should be."""

    node: str
    version: str
    runtime: str
    dataplane: DataplaneStatus
    ports: list[PortStatus]
    nfs: list[NfStatus]
    chains: list[ChainStatus]
    links: list[LinkStatus] = []
    rollout: bool
    problems: list[str]


class Spec(Model):
    """The desired state: the text of a chains file and where it came from."""

    source: str
    text: str


class Wanted(Spec):
    """A chains file to put into force; `holder` names who has the lease, if somebody has."""

    holder: str | None = None


class LeaseRequest(Model):
    """Who wants the lease, and for how long."""

    holder: Annotated[str, Field(min_length=1, max_length=200)]
    seconds: Annotated[float, Field(gt=0, le=3600)]


class Lease(Model):
    """Who has the lease on the chains, until when (seconds since the epoch)."""

    holder: str
    until: float


class Change(Model):
    """One service, link, chain or default that differs; for `changed`, only keys that differ."""

    kind: str
    name: str
    action: str
    before: dict[str, Any]
    after: dict[str, Any]


class Changes(Model):
    """What applying a text would change."""

    changes: list[Change]


class Applied(Model):
    """What a rollout did.  `drained` is false when packets were still on old chains.

    draining  instances that go when they have no flows left, or their time is up
    """

    changes: list[Change]
    started: list[str]
    reconfigured: list[str]
    ended: list[str]
    draining: list[str] = []
    drained: bool
    seconds: float


class Scaling(Model):
    """A change of replicas by a policy.  `time`: seconds since 1970; `measure` led to it."""

    time: float
    before: int
    after: int
    measure: float


class ServiceStatus(Model):
    """A service.

    autoscale  its policy, under the keys of a chains file; null: people scale it
    measure    what the policy goes by, the mean over all replicas: packets or percent
    scalings   the last changes by the policy
    """

    name: str
    nf: str
    stateful: bool
    replicas: int
    draining: list[str]
    autoscale: dict[str, Any] | None
    measure: float | None
    scalings: list[Scaling]


class Services(Model):
    """The services of the desired state."""

    services: list[ServiceStatus]


class Scale(Model):
    """The number of replicas that a service shall have."""

    replicas: Annotated[int, Field(ge=1, le=INSTANCES)]


class Logs(Model):
    """The last lines that an NF wrote."""

    lines: list[str]


class Sampling(Model):
    """One packet of `every` is stamped for latency; 0: none."""

    every: Annotated[int, Field(ge=0, le=1_000_000_000)]


class Stage(Model):
    """What sampled packets took in one stage of a chain.  Times are seconds.

    stage    wait: until the hop took them; handling: until it posted them; home: from the
             last hop back to the data plane; total: all of it
    hop      from 1, and its service; both null for home and total
    buckets  number of a bucket -> packets; bucket b >= 16 begins at (16 + b % 16) *
             2**(b // 16 - 1) cycles, a smaller one at b cycles
    sum      of all times
    """

    stage: str
    hop: int | None
    service: str | None
    count: int
    sum: float
    max: float
    p50: float
    p99: float
    p99_9: float
    buckets: dict[int, int]


class ChainLatency(Model):
    """One direction of a chain, its stages in a packet's order."""

    name: str
    id: int
    reverse: bool
    stages: list[Stage]


class Latency(Model):
    """Latencies since the start of the data plane, or of each NF.

    every   one packet of so many is sampled, 0: none; `refusal` says why not as wished
    hz      cycles in a second
    """

    every: int
    refusal: str | None
    hz: int
    chains: list[ChainLatency]


class TraceRequest(Model):
    """Which packets to sample next: `count` of the chains of these names, null: of any."""

    chains: list[str] | None = None
    count: Annotated[int, Field(ge=1, le=1000)] = 1


class ProbedVersion(Model):
    """A version of a chain, as the keys of a chains file tell it from others."""

    path: list[str]
    egress: str | dict[str, Any]
    returns: str | None = None


class ProbeRequest(Model):
    """The chain that probes shall enter, and the bytes of their frames.

    version  that one alone; null: all by which packets come without their ids, from ports and from
             links of VLANs
    """

    chain: str
    version: ProbedVersion | None = None
    length: Annotated[int, Field(ge=60, le=2048)] = 128


class SentProbe(Model):
    """A probe on its way, and the chain that it entered."""

    id: int
    chain: str


class SentProbes(Model):
    """The probes that were sent; `GET /v1/probes` says what became of them."""

    probes: list[SentProbe]


class TracedHop(Model):
    """What one NF did with a packet.  `at`: seconds since it entered the node."""

    hop: int
    service: str | None
    instance: str | None
    at: float
    took: float
    verdict: str
    reason: str | None


class Passage(Model):
    """A packet's way through this node.

    id       the same on every node that the packet passed
    link     that it came by from another node; null: it entered the lab here, by `port`
    packet   its headers in words, as it came in
    end      left (by the port `by`, or over the link `to`), dropped (`reason` says why), or
             lost: it is still on the way, or went with an NF that died
    seconds  that it was here
    """

    id: int
    chain: str | None
    reverse: bool
    port: str | None
    link: str | None
    flow: int
    length: int
    packet: str
    hops: list[TracedHop]
    end: str
    by: str | None
    to: str | None
    reason: str | None
    seconds: float | None


class Traces(Model):
    """The passages of the packets that were sampled last, oldest first."""

    passages: list[Passage]


class Flow(Model):
    """One flow as an instance of flow_monitor counts it.

    `protocol` is an IP protocol number; `packets` and `bytes` are of both directions,
    `…_back` of them from the destination; `age` and `idle` are seconds.
    """

    instance: str
    source: str
    source_port: int
    destination: str
    destination_port: int
    protocol: int
    packets: int
    bytes: int
    packets_back: int
    bytes_back: int
    age: float
    idle: float


class Flows(Model):
    """The largest flows first.  `unanswered`: instances that could not be asked, and why."""

    flows: list[Flow]
    unanswered: dict[str, str]
