# SPDX-License-Identifier: BSD-3-Clause
"""Builds ``onvm_runtime._nf``: NF modules under test, for Python."""

from cffi import FFI

NATIVE = "onvm_runtime/native"

DECLARATIONS = """
#define ONVM_BURST ...
#define ONVM_FRAME_MIN ...
#define HARNESS_ROOM ...

struct onvm_failure {
    char text[...];
    ...;
};

struct harness;
struct harness *harness_open(const char *path, struct onvm_failure *failure);
void harness_close(struct harness *harness);
const char *harness_name(const struct harness *harness);
bool harness_configure(struct harness *harness, const char *text, struct onvm_failure *failure);
bool harness_put(struct harness *harness, const uint8_t *frame, size_t length, size_t segment,
                 unsigned port, uint32_t flow);
void harness_run(struct harness *harness, uint64_t now);
uint16_t harness_get(const struct harness *harness, uint32_t i, uint8_t *verdict,
                     uint8_t *argument);
void harness_copy(const struct harness *harness, uint32_t i, uint8_t *frame);
void harness_clear(struct harness *harness);
void harness_tick(struct harness *harness, uint64_t now);
char *harness_query(struct harness *harness, const char *request, struct onvm_failure *failure);
void free(void *memory);
"""

ffibuilder = FFI()
ffibuilder.cdef(DECLARATIONS)
ffibuilder.set_source(
    "onvm_runtime._nf",
    """
    #include <stdlib.h>
    #include "nf/harness.h"
    """,
    sources=[f"{NATIVE}/nf/harness.c"],
    include_dirs=[NATIVE],
    define_macros=[("_GNU_SOURCE", "1")],
    libraries=["jansson", "dl"],
    extra_compile_args=["-std=gnu11", "-Wall", "-Wextra"],
)

if __name__ == "__main__":
    ffibuilder.compile(verbose=True)
