# SPDX-License-Identifier: BSD-3-Clause
"""``onvm-manager --config /etc/onvm/node.yml``: the command."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from pathlib import Path

from onvm_runtime.chains import SpecError
from onvm_runtime.manager import config, server, shutdown
from onvm_runtime.manager.config import NodeConfig
from onvm_runtime.manager.failure import ManagerError
from onvm_runtime.manager.version import VERSION

EXIT_FAILED = 1  # something did not work
EXIT_CONFIG = 78  # node.yml, the catalogue or an argument is wrong (sysexits.h)


def main() -> int:
    """Runs the command; returns its exit status."""
    arguments = _parser().parse_args()
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s"
    )
    try:
        node = config.load(arguments.config)
        asyncio.run(_run(node, arguments))
    except SpecError as error:
        print(f"onvm-manager: {error}", file=sys.stderr)
        return EXIT_CONFIG
    except ManagerError as error:
        print(f"onvm-manager: {error}", file=sys.stderr)
        return EXIT_FAILED
    return 0


async def _run(node: NodeConfig, arguments: argparse.Namespace) -> None:
    if arguments.check:
        return
    await (shutdown.run(node) if arguments.stop_all else server.run(node))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="onvm-manager", description="Looks after one node of the testbed."
    )
    parser.add_argument(
        "--config",
        type=Path,
        default=Path("/etc/onvm/node.yml"),
        metavar="FILE",
        help="the node's configuration (%(default)s)",
    )
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--check", action="store_true", help="check the configuration and exit")
    action.add_argument(
        "--stop-all",
        action="store_true",
        help="stop all NFs, the data plane and the manager, if it runs, and exit",
    )
    parser.add_argument("--version", action="version", version=f"onvm-manager {VERSION}")
    return parser


if __name__ == "__main__":
    sys.exit(main())
