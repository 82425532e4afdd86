# SPDX-License-Identifier: BSD-3-Clause
"""Says on stderr why packages cannot be installed now.

Exit codes: 0 they can; 75 (EX_TEMPFAIL) another process holds dpkg's lock, try again later;
1 they cannot.
"""

import fcntl
import os
import struct
import subprocess
import sys
from pathlib import Path

LOCK = Path("/var/lib/dpkg/lock-frontend")
FLOCK = "hhqqi4x"  # struct flock of 64-bit Linux: type, whence, start, length, pid
EX_TEMPFAIL = 75


def holder(path):
    """Return the pid that holds the lock on this file, or 0."""
    with path.open("a") as file:
        wanted = struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, _, _, _, pid = struct.unpack(FLOCK, fcntl.fcntl(file, fcntl.F_GETLK, wanted))
    return 0 if kind == fcntl.F_UNLCK else pid


def interrupted():
    """Return what dpkg left half done, as dpkg describes it."""
    audit = subprocess.run(["dpkg", "--audit"], check=False, capture_output=True, text=True)
    return audit.stdout.strip()


def refuse(code, reason):
    """End with this reason."""
    print(reason, file=sys.stderr)
    sys.exit(code)


if not os.access(LOCK, os.W_OK):
    refuse(1, f"{LOCK} cannot be written: not root, or not a Debian system.")
pid = holder(LOCK)
if pid:
    refuse(EX_TEMPFAIL, f"Process {pid} holds {LOCK}: wait until it has installed its packages.")
if interrupted():
    refuse(1, "An installation was interrupted: run 'dpkg --configure -a' first.")
