# SPDX-License-Identifier: BSD-3-Clause
"""`python tests/bench`, as `onvm bench` starts it, from any folder."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILDS = (ROOT / "build/native", ROOT / "build")  # of a checkout, of a node

# The installed package comes first: that of the sources has no compiled part on a node.
sys.path[:] = [*sys.path[1:], str(ROOT)]
os.environ.setdefault("ONVM_BUILD", str(next((b for b in BUILDS if b.exists()), BUILDS[0])))

from tests.bench.command import main  # noqa: E402

sys.exit(main(sys.argv[1:]))
