/* SPDX-License-Identifier: BSD-3-Clause */
#include "reference.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

volatile sig_atomic_t reference_stop;

void
reference_fail(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

struct reference_counters *
reference_open_counters(const char *file)
{
    int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    void *counters;

    if (fd < 0 || ftruncate(fd, sizeof(struct reference_counters)) != 0)
        reference_fail("%s: %s", file, strerror(errno));
    counters = mmap(NULL, sizeof(struct reference_counters), PROT_READ | PROT_WRITE, MAP_SHARED,
                    fd, 0);
    if (counters == MAP_FAILED)
        reference_fail("%s: %s", file, strerror(errno));
    close(fd);
    return counters;
}

static void
on_signal(int number)
{
    (void)number;
    reference_stop = 1;
}

void
reference_catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};

    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* nobody else would end a loop that polls */
}

unsigned
reference_number(const char *text)
{
    char *end;
    unsigned long number = strtoul(text, &end, 10);

    if (end == text || *end != '\0' || number > 1u << 24)
        reference_fail("'%s' is not a number that fits here", text);
    return (unsigned)number;
}
