# SPDX-License-Identifier: BSD-3-Clause
"""The two hosts and where everything of theirs is: names and addresses, nothing that acts.

chains.yml and playbooks/demo.yml say the same to the node.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

RUN = Path("/run/onvm-demo")
CHAINS = Path(__file__).with_name("chains.yml")

# RFC 2544 and RFC 3849 keep these for tests and documentation.
PREFIX4 = "198.18.0.0/15"
PREFIX6 = "2001:db8::/32"
PUBLIC = "198.19.0.100"  # of the NAT

WEB = 80
FORBIDDEN = 8080  # the server listens there, the firewall says no
PROBE = 7000
IPERF = 5201


@dataclass(frozen=True)
class Host:
    """A host of the lab: a network namespace with one interface, eth0.

    `port` is the node's end of its wire, an interface that the data plane takes its frames from.
    """

    name: str
    port: str
    mac: str
    address4: str
    address6: str

    @property
    def namespace(self) -> str:
        """Its network namespace."""
        return f"onvm-{self.name}"


CLIENT = Host("client", "onvm-client", "02:00:00:00:00:01", "198.18.0.1", "2001:db8::1")
SERVER = Host("server", "onvm-server", "02:00:00:00:00:02", "198.19.0.1", "2001:db8::2")
HOSTS = (CLIENT, SERVER)
