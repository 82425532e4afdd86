/* SPDX-License-Identifier: BSD-3-Clause */
#include "pci_device.h"

#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CONFIGURATION 256 /* bytes of a device's header and capabilities */
#define STATUS 0x06
#define STATUS_HAS_CAPABILITIES 0x10
#define FIRST_CAPABILITY 0x34
#define CAPABILITY_MSI_X 0x11

static void
path_of(char path[PATH_MAX], const char *address, const char *file)
{
    snprintf(path, PATH_MAX, "/sys/bus/pci/devices/%s/%s", address, file);
}

static bool
is_on_vfio(const char *address)
{
    char path[PATH_MAX], driver[PATH_MAX];
    ssize_t length;
    const char *name;

    path_of(path, address, "driver");
    length = readlink(path, driver, sizeof(driver) - 1);
    if (length < 0)
        return false;
    driver[length] = '\0';
    name = strrchr(driver, '/');
    return name != NULL && strcmp(name, "/vfio-pci") == 0;
}

static bool
read_configuration(const char *address, uint8_t space[CONFIGURATION])
{
    char path[PATH_MAX];
    ssize_t length = -1;
    int fd;

    path_of(path, address, "config");
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        length = read(fd, space, CONFIGURATION);
        close(fd);
    }
    return length == CONFIGURATION;
}

/* The list is the device's, so it may lead anywhere: no longer than the space has room for. */
static bool
has_capability(const uint8_t space[CONFIGURATION], uint8_t wanted)
{
    uint8_t at = space[FIRST_CAPABILITY] & 0xfc;

    if ((space[STATUS] & STATUS_HAS_CAPABILITIES) == 0)
        return false;
    for (unsigned i = 0; at != 0 && i < CONFIGURATION / 4; i++) {
        if (space[at] == wanted)
            return true;
        at = space[at + 1] & 0xfc;
    }
    return false;
}

bool
pci_has_queue_interrupts(const char *address)
{
    uint8_t space[CONFIGURATION];

    return is_on_vfio(address) && read_configuration(address, space) &&
           has_capability(space, CAPABILITY_MSI_X);
}
