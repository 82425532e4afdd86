/* SPDX-License-Identifier: BSD-3-Clause */
/* Sockets of CPUs and devices, read from a made-up machine with two of them. */
#include <string.h>
#include <sys/stat.h>

#include "../check.h"
#include "dataplane/topology.h"

static char root[] = "/tmp/onvm-topology-XXXXXX";

/* Makes a folder of the tree, with those above it; the machine's root must be gone at the end. */
static void
folder(const char *path)
{
    char command[512];

    snprintf(command, sizeof(command), "mkdir -p %s/%s", root, path);
    REQUIRE(system(command) == 0, "%s", path);
}

static void
file(const char *path, const char *text)
{
    char whole[512];
    FILE *stream;

    folder(path);
    snprintf(whole, sizeof(whole), "%s/%s/numa_node", root, path);
    stream = fopen(whole, "w");
    REQUIRE(stream != NULL, "%s", whole);
    fputs(text, stream);
    fclose(stream);
}

static void
make_machine(void)
{
    REQUIRE(mkdtemp(root) != NULL, "mkdtemp");
    folder("devices/system/node/node0");
    folder("devices/system/node/node1");
    folder("devices/system/node/power");
    folder("devices/system/cpu/cpu0/node0");
    folder("devices/system/cpu/cpu0/topology");
    folder("devices/system/cpu/cpu5/node1");
    folder("devices/system/cpu/cpu6");
    file("bus/pci/devices/0000:81:00.0", "1\n");
    file("bus/pci/devices/0000:02:00.0", "-1\n");
    file("bus/pci/devices/0000:03:00.0", "nonsense");
    file("class/net/far/device", "1\n");
    folder("class/net/virtual");
}

static void
end_machine(void)
{
    char command[128];

    snprintf(command, sizeof(command), "rm -r %s", root);
    REQUIRE(system(command) == 0, "%s", root);
}

static void
test_sockets(void)
{
    CHECK(topology_sockets(root) == 2, "%u sockets", topology_sockets(root));
    CHECK(topology_sockets("/nowhere") == 1, "a machine without NUMA has one");
}

static void
test_cpus(void)
{
    CHECK(topology_of_cpu(root, 0) == 0, "CPU 0");
    CHECK(topology_of_cpu(root, 5) == 1, "CPU 5");
    CHECK(topology_of_cpu(root, 6) == TOPOLOGY_UNKNOWN, "a CPU that is on no node");
    CHECK(topology_of_cpu(root, 9) == TOPOLOGY_UNKNOWN, "a CPU that is not there");
}

static void
test_devices(void)
{
    CHECK(topology_of_pci(root, "0000:81:00.0") == 1, "by its full address");
    CHECK(topology_of_pci(root, "81:00.0") == 1, "without its domain");
    CHECK(topology_of_pci(root, "0000:02:00.0") == TOPOLOGY_UNKNOWN, "the firmware did not say");
    CHECK(topology_of_pci(root, "0000:03:00.0") == TOPOLOGY_UNKNOWN, "no number");
    CHECK(topology_of_pci(root, "0000:04:00.0") == TOPOLOGY_UNKNOWN, "no device");
    CHECK(topology_of_interface(root, "far") == 1, "an interface of a device");
    CHECK(topology_of_interface(root, "virtual") == TOPOLOGY_UNKNOWN, "one without");
}

int
main(void)
{
    make_machine();
    test_sockets();
    test_cpus();
    test_devices();
    end_machine();
    return check_result();
}
