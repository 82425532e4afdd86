# SPDX-License-Identifier: BSD-3-Clause
"""What fits: the part of native/protocol/abi.h that a spec must respect."""

NAME = 31  # characters of a name: ONVM_NAME_MAX without its NUL
SERVICE_NAME = NAME - len("-256")  # so that names of instances fit
FUSED = 16  # GROUP_MAX of native/nf/group.h
FUSED_SERVICE_NAME = SERVICE_NAME - len(".0000")
CHAIN_IDS = range(1, 1024)  # ONVM_MAX_CHAINS; 0 is never used
CHAINS = len(CHAIN_IDS) // 2  # at once, each direction for one: the other half drains
HOPS = 16  # ONVM_MAX_HOPS
BRANCHES = 8  # ONVM_MAX_BRANCHES
INSTANCES = 256  # ONVM_MAX_NFS
WEIGHT = 1000  # WEIGHT_MAX of native/dataplane/nf.c
DRAIN_SECONDS = 86400
SERVICES = 128  # ONVM_MAX_SERVICES
PRIORITY = 65535
CPU = 1023  # the highest number of a CPU
CPU_WEIGHT = 10000  # as cgroup v2 has it
LINKS = 32  # ONVM_MAX_LINKS
PATH_ID = (1 << 24) - 1  # RFC 8300: 24 bits
VNI = (1 << 24) - 1  # RFC 7348
LINK_MTU = (576, 65535)
LANES = 32  # ONVM_MAX_LANES
