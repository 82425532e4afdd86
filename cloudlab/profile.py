# SPDX-License-Identifier: BSD-3-Clause
"""An onvm testbed on CloudLab: nodes of one hardware type, joined as a line, a star or a full mesh.

Instructions:
Wait until the first node has deployed the testbed to all of them (`tail -f /var/log/onvm-boot.log`
there), then log in to it: `onvm status`. The lab's inventory is /local/onvm/inventory/cloudlab.
"""

import geni.portal as portal
import geni.rspec.pg as rspec

MAX_NODES = 16

# hardware type: (experiment NICs that a node has, Gbit/s of each)
HARDWARE = {
    "m510": (1, 10),
    "xl170": (3, 25),
    "d6515": (4, 25),
    "c6525-25g": (2, 25),
    "c6525-100g": (2, 100),
    "sm110p": (1, 100),
    "c220g5": (2, 10),
}
IMAGES = [
    ("urn:publicid:IDN+emulab.net+image+emulab-ops//DEBIAN12-64-STD", "Debian 12"),
    ("urn:publicid:IDN+emulab.net+image+emulab-ops//UBUNTU24-64-STD", "Ubuntu 24.04"),
]
SHAPES = [("line", "Line"), ("star", "Star"), ("mesh", "Full mesh")]
BOOT = (
    "sudo mkdir -p /local/onvm && sudo chown $(id -u) /local/onvm && "
    "{{ test -d /local/onvm/.git || git clone --branch {branch} {repository} /local/onvm; }} && "
    "sudo /local/onvm/cloudlab/boot.sh {role} > /var/log/onvm-boot.log 2>&1"
)


def pairs(topology, count):
    """The nodes that are joined, by number: 0 is the first, the middle of a star."""
    if topology == "line":
        return [(i, i + 1) for i in range(count - 1)]
    if topology == "star":
        return [(0, i) for i in range(1, count)]
    return [(i, j) for i in range(count) for j in range(i + 1, count)]


def most_links(joined, count):
    """Links of the node that has most of them."""
    ends = [end for pair in joined for end in pair]
    return max((ends.count(node) for node in range(count)), default=0)


def define(context):
    """Declares what the person who starts an experiment is asked."""
    types = portal.ParameterType
    context.defineParameter("nodes", "Nodes", types.INTEGER, 3)
    context.defineParameter(
        "hardware", "Hardware type", types.NODETYPE, "d6515", sorted(HARDWARE)
    )
    context.defineParameter("topology", "Topology", types.STRING, "line", SHAPES)
    context.defineParameter(
        "speed", "Speed of a link in Gbit/s (0: whatever the NICs have)", types.INTEGER, 0
    )
    context.defineParameter("image", "Disk image", types.IMAGE, IMAGES[0][0], IMAGES)
    context.defineParameter("repository", "URL of the onvm repository", types.STRING, "")
    context.defineParameter("branch", "Branch or tag of it", types.STRING, "main")
    return context.bindParameters()


def check(context, wishes):
    """Reports what cannot be, with the parameter that has to change."""
    if not 1 <= wishes.nodes <= MAX_NODES:
        refuse(context, f"Between 1 and {MAX_NODES} nodes.", "nodes")
    if not wishes.repository:
        refuse(context, "The nodes fetch onvm from this URL: give one.", "repository")
    nics, speed = HARDWARE.get(wishes.hardware, (0, 0))
    if not nics:
        refuse(context, "Nothing is known of this type: choose another.", "hardware")
    needed = most_links(pairs(wishes.topology, wishes.nodes), wishes.nodes)
    if needed > nics:
        refuse(
            context,
            f"One node would need {needed} links; {wishes.hardware} has {nics} NICs for "
            "experiments: take fewer nodes, another topology or another type.",
            "topology",
        )
    if wishes.speed > speed:
        refuse(context, f"The NICs of {wishes.hardware} have {speed} Gbit/s.", "speed")
    context.verifyParameters()


def refuse(context, sentence, parameter):
    """Reports an error of a parameter."""
    context.reportError(portal.ParameterError(sentence, [parameter]))


def make_node(request, wishes, number):
    """Adds a node that deploys itself; the first deploys all."""
    node = rspec.RawPC(f"node{number}")
    node.hardware_type = wishes.hardware
    node.disk_image = wishes.image
    boot = BOOT.format(
        branch=wishes.branch,
        repository=wishes.repository,
        role="controller" if number == 0 else "node",
    )
    node.addService(rspec.Execute(shell="bash", command=boot))
    request.addResource(node)
    return node


def join(request, wishes, nodes, number, ends):
    """Adds a link of its own network, 198.18.<number>.0/24 (RFC 2544)."""
    link = rspec.Link(f"link{number}")
    for end in ends:
        interface = nodes[end].addInterface(f"if{number}")
        address = f"198.18.{number + 1}.{end + 1}"
        interface.addAddress(rspec.IPv4Address(address, "255.255.255.0"))
        link.addInterface(interface)
    if wishes.speed:
        link.bandwidth = wishes.speed * 1000000  # kbit/s
    link.best_effort = not wishes.speed
    link.link_multiplexing = False  # each end is a NIC of its own, for DPDK
    request.addResource(link)


def main():
    """Prints the request."""
    context = portal.Context()
    wishes = define(context)
    check(context, wishes)
    request = context.makeRequestRSpec()
    nodes = [make_node(request, wishes, number) for number in range(wishes.nodes)]
    for number, ends in enumerate(pairs(wishes.topology, wishes.nodes)):
        join(request, wishes, nodes, number, ends)
    context.printRequestRSpec(request)


main()
