# SPDX-License-Identifier: BSD-3-Clause
"""The command: ``python -m demo {up,story,down}``, in the folder above this one.

Exit codes: 0 everything that was promised was seen; 1 something was not.
"""

from __future__ import annotations

import shutil
import sys

from . import servers, wiring
from .lab import RUN


def up() -> int:
    """Make the hosts and start the servers; says `changed` when there was something to do."""
    changed = wiring.connect()
    servers.start()
    print("changed" if changed else "as it was")
    return 0


def down() -> int:
    """End the servers and remove the hosts."""
    servers.stop()
    wiring.disconnect()
    shutil.rmtree(RUN, ignore_errors=True)
    return 0


def story() -> int:
    """Show everything, and say whether all of it was seen."""
    from .story import tell  # needs the node's Python packages, which `down` must do without

    return tell()


COMMANDS = {"up": up, "down": down, "story": story}

if __name__ == "__main__":
    if sys.argv[1:] not in [[name] for name in COMMANDS]:
        sys.exit(f"usage: python -m demo {{{','.join(COMMANDS)}}}")
    sys.exit(COMMANDS[sys.argv[1]]())
