# SPDX-License-Identifier: BSD-3-Clause
"""What is wrong in a chains file is found, all of it, where it stands."""

from __future__ import annotations

from textwrap import dedent

import pytest

from onvm_runtime.chains import Catalogue, SpecError, check

CATALOGUE = Catalogue.load(
    [
        (
            "firewall/nf.yml",
            dedent(
                """\
                name: firewall
                summary: Drops what its rules forbid.
                parameters:
                  type: object
                  additionalProperties: false
                  properties:
                    default: {enum: [accept, drop]}
                    limit: {type: integer, minimum: 1}
                    rules:
                      type: array
                      items:
                        type: object
                        additionalProperties: false
                        required: [verdict]
                        properties:
                          verdict: {enum: [accept, drop]}
                          source: {anyOf: [{type: string}, {type: integer}]}
                """
            ),
        ),
        ("forward/nf.yml", "{name: forward, summary: A wire., parameters: {type: object}}"),
    ]
)
PORTS = ("client", "server", "uplink")

# (what is wrong, YAML, [(line, key, fragment of the message)])
CASES = [
    (
        "an empty file",
        "",
        [(1, "", "empty")],
    ),
    (
        "a broken bracket",
        "chains: [\n",
        [(2, "", "not YAML")],
    ),
    (
        "a tab as indentation",
        "chains:\n\t- name: a\n",
        [(2, "", "no tabs")],
    ),
    (
        "two documents",
        "chains: []\n---\nchains: []\n",
        [(2, "", "single document")],
    ),
    (
        "a lone surrogate",
        "chains: \ud800",
        [(1, "", "not YAML")],
    ),
    (
        "a list in place of the lab",
        "- chains\n",
        [(1, "", "must be a mapping with services, links, chains, default")],
    ),
    (
        "an unknown key of the lab",
        "servces: {}\n",
        [(1, "servces", "did you mean 'services'?")],
    ),
    (
        "unknown keys of a service and a chain",
        """\
        services:
          a: {nf: forward, replica: 2}
        chains:
          - {name: x, match: {port: client}, egress: server, bidirectonal: true}
        """,
        [
            (2, "services.a.replica", "did you mean 'replicas'?"),
            (4, "chains[0].bidirectonal", "did you mean 'bidirectional'?"),
        ],
    ),
    (
        "an unknown key of a match far from all",
        "chains:\n  - {name: x, match: {zzzz: 1}, egress: server}\n",
        [(2, "chains[0].match.zzzz", "known are destination, destination_mac")],
    ),
    (
        "a key given twice",
        "services:\n  a: {nf: forward}\n  b: {nf: forward}\n  a: {nf: firewall}\n",
        [(4, "services.a", "given twice, first in line 2")],
    ),
    (
        "a chain name given twice",
        """\
        chains:
          - {name: x, match: {port: client}, egress: server}
          - {name: x, match: {port: server}, egress: client}
        """,
        [(3, "chains[1].name", "in line 2 already")],
    ),
    (
        "an alias to what is around it",
        "services:\n  a: &a {nf: forward, parameters: {x: *a}}\n",
        [(2, "services.a.parameters.x", "has no end")],
    ),
    (
        "a tag",
        "services:\n  a: {nf: !python forward}\n",
        [(2, "services.a.nf", "no meaning here")],
    ),
    (
        "a key that is a list",
        "services:\n  [a, b]: {nf: forward}\n",
        [(2, "services", "a key must be a word")],
    ),
    (
        "nesting without end",
        "services: {a: {nf: forward, parameters: {x: " + "[" * 80 + "]" * 80 + "}}}",
        [(1, "services.a.parameters.x" + "[0]" * 61, "nested deeper than 64")],
    ),
    (
        "missing keys",
        "services:\n  a: {}\nchains:\n  - match: {port: client}\n",
        [
            (2, "services.a", "needs the key 'nf'"),
            (4, "chains[0]", "needs the key 'name'"),
            (4, "chains[0]", "needs the key 'egress'"),
        ],
    ),
    (
        "keys without a value",
        "services:\n  a:\n    nf:\n",
        [(3, "services.a.nf", "has no value")],
    ),
    (
        "wrong shapes",
        """\
        services: [a]
        chains:
          - {name: x, match: client, egress: server, path: a}
          - nothing
        """,
        [
            (1, "services", "must be a mapping of names"),
            (3, "chains[0].match", "must be a mapping with port"),
            (3, "chains[0].path", "must be a list"),
            (4, "chains[1]", "must be a mapping with name"),
        ],
    ),
    (
        "wrong types",
        """\
        services:
          a: {nf: 5, replicas: two, parameters: 1}
        chains:
          - {name: 7, match: {port: client}, egress: server, bidirectional: yes}
          - {name: y, match: {port: server}, egress: client, priority: 1.5}
        """,
        [
            (2, "services.a.nf", "must be text"),
            (2, "services.a.replicas", "whole number from 1 to 256"),
            (2, "services.a.parameters", "must be a mapping"),
            (4, "chains[0].name", "must be text"),
            (4, "chains[0].bidirectional", "must be true or false"),
            (5, "chains[1].priority", "whole number from 0 to 65535"),
        ],
    ),
    (
        "no replica",
        "services:\n  a: {nf: forward, replicas: 0}\n",
        [(2, "services.a.replicas", "from 1 to 256")],
    ),
    (
        "names that are none",
        f"""\
        services:
          Web_1: {{nf: forward}}
          {"a" * 28}: {{nf: forward}}
          -a: {{nf: forward}}
        chains:
          - {{name: {"c" * 32}, match: {{port: client}}, egress: server}}
        """,
        [
            (2, "services.Web_1", "use a-z, 0-9, - and _"),
            (3, f"services.{'a' * 28}", "at most 27 fit"),
            (4, "services.-a", "beginning and ending with a letter or digit"),
            (6, "chains[0].name", "at most 31 fit"),
        ],
    ),
    (
        "wrong fields of a match",
        """\
        chains:
          - name: x
            egress: server
            match:
              port: client
              vlan: 4095
              ethertype: 0x05ff
              source_mac: 02:00:00:00:00
              destination_mac: 5
              source: 198.18.0.5/24
              destination: 198.18.0.0/33
              protocol: tpc
              source_ports: 2000-1000
              destination_ports: 65536
        """,
        [
            (6, "chains[0].match.vlan", "from 0 to 4094"),
            (7, "chains[0].match.ethertype", "from 1536 to 65535"),
            (8, "chains[0].match.source_mac", "such as 02:00:00:00:00:01"),
            (9, "chains[0].match.destination_mac", "such as 02:00:00:00:00:01"),
            (10, "chains[0].match.source", "write 198.18.0.0/24 or 198.18.0.5"),
            (11, "chains[0].match.destination", "must be an IPv4 or IPv6 prefix"),
            (12, "chains[0].match.protocol", "did you mean 'tcp'?"),
            (13, "chains[0].match.source_ports", "write 1000-2000"),
            (14, "chains[0].match.destination_ports", "the highest is 65535"),
        ],
    ),
    (
        "L4 ports that are no ports",
        """\
        chains:
          - {name: x, match: {protocol: tcp, source_ports: http}, egress: server}
          - {name: y, match: {protocol: udp, source_ports: -5}, egress: server}
        """,
        [
            (2, "chains[0].match.source_ports", "a port such as 80"),
            (3, "chains[1].match.source_ports", "a port such as 80"),
        ],
    ),
    (
        "a match that matches all",
        "chains:\n  - {name: x, match: {}, egress: server}\n",
        [(2, "chains[0].match", "matches every packet")],
    ),
    (
        "a match without value",
        "chains:\n  - name: x\n    egress: server\n    match:\n",
        [(4, "chains[0].match", "matches every packet")],
    ),
    (
        "two families in one match",
        "chains:\n  - {name: x, match: {source: 198.18.0.0/24, destination: 2001:db8::/32},"
        " egress: server}\n",
        [(2, "chains[0].match.destination", "is IPv6 but source is IPv4")],
    ),
    (
        "ICMP of the other family",
        "chains:\n  - {name: x, match: {source: 2001:db8::/32, protocol: icmp}, egress: server}\n",
        [(2, "chains[0].match.protocol", "is IPv4 but source is IPv6")],
    ),
    (
        "an EtherType against the prefix",
        "chains:\n  - {name: x, match: {source: 2001:db8::/32, ethertype: ipv4}, egress: server}\n",
        [(2, "chains[0].match.ethertype", "write 0x86dd")],
    ),
    (
        "a protocol of ARP",
        "chains:\n  - {name: x, match: {ethertype: arp, protocol: tcp}, egress: server}\n",
        [(2, "chains[0].match.protocol", "is a field of IP")],
    ),
    (
        "L4 ports without a protocol, and with one that has none",
        """\
        chains:
          - {name: x, match: {port: client, source_ports: 80}, egress: server}
          - {name: y, match: {port: server, protocol: icmp, destination_ports: 1-2}, egress: client}
        """,
        [
            (2, "chains[0].match.source_ports", "add protocol: tcp, udp or sctp"),
            (3, "chains[1].match.destination_ports", "add protocol: tcp, udp or sctp"),
        ],
    ),
    (
        "unknown services in a path and in to",
        """\
        services:
          firewall: {nf: firewall, to: [scruber]}
          scrubber: {nf: forward}
        chains:
          - {name: x, match: {port: client}, path: [scrubber, fierwall], egress: server}
        """,
        [
            (2, "services.firewall.to[0]", "did you mean 'scrubber'?"),
            (5, "chains[0].path[1]", "did you mean 'firewall'?"),
        ],
    ),
    (
        "unknown NF",
        "services:\n  a:\n    replicas: 2\n    nf: firewal\n",
        [(4, "services.a.nf", "did you mean 'firewall'?")],
    ),
    (
        "unknown ports",
        """\
        chains:
          - name: x
            match: [{port: clients}, {port: client}, {port: sever}]
            egress: upling
        """,
        [
            (3, "chains[0].match[0].port", "did you mean 'client'?"),
            (3, "chains[0].match[2].port", "did you mean 'server'?"),
            (4, "chains[0].egress", "did you mean 'uplink'?"),
        ],
    ),
    (
        "an unknown default chain",
        "chains:\n  - {name: web, match: {port: client}, egress: server}\ndefault: wbe\n",
        [(3, "default", "did you mean 'web'?")],
    ),
    (
        "a service that branches to itself",
        "services:\n  a: {nf: forward, to: [a]}\n",
        [(2, "services.a.to", "a -> a")],
    ),
    (
        "a cycle of branches",
        """\
        services:
          in: {nf: forward, to: [a]}
          a: {nf: forward, to: [b]}
          b: {nf: forward, to: [c]}
          c: {nf: forward, to: [a]}
        """,
        [(3, "services.a.to", "a -> b -> c -> a")],
    ),
    (
        "two cycles",
        """\
        services:
          a: {nf: forward, to: [b]}
          b: {nf: forward, to: [a]}
          c: {nf: forward, to: [d]}
          d: {nf: forward, to: [c]}
        """,
        [(2, "services.a.to", "a -> b -> a"), (4, "services.c.to", "c -> d -> c")],
    ),
    (
        "a branch listed twice",
        "services:\n  a: {nf: forward, to: [b, b]}\n  b: {nf: forward}\n",
        [(2, "services.a.to[1]", "listed twice")],
    ),
    (
        "too many branches",
        "services:\n"
        + "".join(f"  s{n}: {{nf: forward}}\n" for n in range(9))
        + "  a: {nf: forward, to: [s0, s1, s2, s3, s4, s5, s6, s7, s8]}\n",
        [(11, "services.a.to", "at most 8")],
    ),
    (
        "too many hops",
        "services:\n"
        + "".join(f"  s{n}: {{nf: forward}}\n" for n in range(17))
        + f"chains:\n  - {{name: x, match: {{port: client}}, egress: server,"
        f" path: [{', '.join(f's{n}' for n in range(17))}]}}\n",
        [(20, "chains[0].path", "at most 16")],
    ),
    (
        "too many instances",
        "services:\n  a: {nf: forward, replicas: 200}\n  b: {nf: forward, replicas: 57}\n",
        [(1, "services", "257 instances")],
    ),
    (
        "too many chains",
        "chains:\n"
        + "".join(
            f"  - {{name: c{n}, match: {{port: client, vlan: {n + 1}}}, egress: server,"
            " bidirectional: true}\n"
            for n in range(256)
        ),
        [(1, "chains", "512 chains, bidirectional ones counted twice, are too many")],
    ),
    (
        "a service twice in a path",
        """\
        services:
          a: {nf: forward}
          b: {nf: forward}
        chains:
          - {name: x, match: {port: client}, path: [a, b, a], egress: server}
        """,
        [(5, "chains[0].path[2]", "twice, here and as path[0]: define another service")],
    ),
    (
        "a service in a path and behind a branch of it",
        """\
        services:
          a: {nf: forward, to: [b]}
          b: {nf: forward, to: [c]}
          c: {nf: forward}
        chains:
          - {name: x, match: {port: client}, path: [a, c], egress: server}
        """,
        [(6, "chains[0].path[1]", "twice, here and by a branch of 'a'")],
    ),
    (
        "a chain that no packet takes",
        "chains:\n  - {name: x, egress: server}\n",
        [(2, "chains[0]", "no packet would take chain 'x'")],
    ),
    (
        "the same match twice at one priority",
        """\
        chains:
          - {name: x, match: {port: client, protocol: tcp}, egress: server}
          - name: y
            match: {port: client, protocol: 6}
            egress: uplink
        """,
        [(4, "chains[1].match", "takes the same packets as chain 'x' (line 2)")],
    ),
    (
        "overlapping matches at one priority",
        """\
        chains:
          - name: x
            match: {source: 198.18.0.0/16}
            priority: 7
            egress: server
          - name: y
            priority: 7
            egress: server
            match:
              - {source: 2001:db8::/32}
              - {port: client, destination: 198.18.5.0/24}
        """,
        [(11, "chains[1].match[1]", "some of the same packets as chain 'x' (line 3)")],
    ),
    (
        "a match repeated in its chain",
        """\
        chains:
          - {name: x, match: [{port: client}, {port: client}], egress: server}
        """,
        [(2, "chains[0].match[1]", "repeats the match in line 2")],
    ),
    (
        "bidirectional without a port, with two, and as default",
        """\
        chains:
          - {name: x, match: {vlan: 1}, egress: server, bidirectional: true}
          - name: y
            match: [{port: client, vlan: 2}, {port: uplink, vlan: 2}]
            egress: server
            bidirectional: true
          - {name: z, egress: server, bidirectional: true}
        default: z
        """,
        [
            (2, "chains[0].bidirectional", "every match must name the same port"),
            (6, "chains[1].bidirectional", "every match must name the same port"),
            (7, "chains[2].bidirectional", "every match must name the same port"),
        ],
    ),
    (
        "bidirectional to where it came from",
        "chains:\n  - {name: x, match: {port: client}, egress: client, bidirectional: true}\n",
        [(2, "chains[0].bidirectional", "the egress 'client' is the port of the match too")],
    ),
    (
        "parameters against the schema",
        """\
        services:
          a:
            nf: firewall
            parameters:
              default: deny
              limit: 0
              rules:
                - verdict: accept
                - sorce: 198.18.0.0/24
                - verdict: drop
                  source: [1]
          b:
            nf: firewall
            parameters: {limit: many, rules: {}}
        """,
        [
            (5, "services.a.parameters.default", "'deny' is none of accept, drop"),
            (6, "services.a.parameters.limit", "at least 1"),
            (9, "services.a.parameters.rules[1]", "needs 'verdict'"),
            (9, "services.a.parameters.rules[1].sorce", "did you mean 'source'?"),
            (
                11,
                "services.a.parameters.rules[2].source",
                "[1] must be of type string, or [1] must be of type integer",
            ),
            (14, "services.b.parameters.limit", "must be of type integer"),
            (14, "services.b.parameters.rules", "must be of type array"),
        ],
    ),
    (
        "lanes and ways back that there are not, or that spread flows themselves",
        """\
        chains:
          - {name: all, match: {port: client}, lanes: [one, two, other]}
          - {name: other, match: {port: uplink}, lanes: [one]}
          - {name: one, egress: server, returns: other}
          - {name: third, match: {port: server}, egress: client, returns: on}
        """,
        [
            (2, "chains[0].lanes[1]", "no chain 'two'"),
            (2, "chains[0].lanes[2]", "'other' spreads its flows itself"),
            (4, "chains[2].returns", "'other' spreads its flows: name one of its lanes"),
            (5, "chains[3].returns", "no chain 'on'; did you mean 'one'?"),
        ],
    ),
]


@pytest.mark.parametrize(
    ("text", "expected"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_finds_every_problem_and_no_other(text, expected):
    with pytest.raises(SpecError) as refused:
        check(dedent(text), "lab.yml", CATALOGUE, PORTS)
    found = refused.value.problems
    assert [(p.file, p.line, p.key) for p in found] == sorted(
        ("lab.yml", line, key) for line, key, _ in expected
    )
    for line, key, fragment in expected:
        messages = [p.message for p in found if (p.line, p.key) == (line, key)]
        assert any(fragment in message for message in messages), messages


def test_problem_reads_as_a_line_of_a_compiler():
    with pytest.raises(SpecError) as refused:
        check("default: x\n", "lab.yml", CATALOGUE, PORTS)
    assert str(refused.value) == "lab.yml:1: default: no chain 'x'; there are none"


@pytest.mark.parametrize(
    ("placement", "cpus", "refused"),
    [
        ("0-1", (0, 1), None),
        ("1,3", (0, 1), "no CPU 3 for NFs here; there are 0, 1"),
        ("auto", (0,), None),
        ("7", (), None),
    ],
    ids=["they are there", "one is not", "whichever", "a node that does not know"],
)
def test_a_placement_must_name_cpus_of_the_node(placement, cpus, refused):
    text = f"services: {{a: {{nf: forward, placement: '{placement}'}}}}"
    problems = []
    try:
        check(text, "lab.yml", CATALOGUE, PORTS, cpus)
    except SpecError as error:
        problems = [(problem.key, problem.message) for problem in error.problems]
    assert problems == ([("services.a.placement", refused)] if refused else [])
