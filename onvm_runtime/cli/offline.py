# SPDX-License-Identifier: BSD-3-Clause
"""The files of a node, for commands that work without a manager."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onvm_runtime.chains import Catalogue, SpecError
from onvm_runtime.cli.failure import CommandError, SpecInvalid
from onvm_runtime.manager.config import NodeConfig
from onvm_runtime.manager.config import load as load_node

NODE_FILE = Path("/etc/onvm/node.yml")

NodeFile = Annotated[
    Path, typer.Option("--node", envvar="ONVM_NODE", help="The node's configuration.")
]


def read_node(path: Path) -> NodeConfig:
    """Reads node.yml; raises SpecInvalid with its problems."""
    try:
        return load_node(path)
    except SpecError as error:
        raise refusal(f"{path} cannot be used", error) from error


def read_catalogue(directory: Path) -> Catalogue:
    """The NFs in a folder; raises CommandError without any, SpecInvalid with a wrong one."""
    # Here and not above: it loads the Docker SDK, which takes longer than most commands.
    from onvm_runtime.manager.node import read_catalogue as read

    try:
        catalogue = read(directory)
    except SpecError as error:
        raise refusal(f"the catalogue in {directory} cannot be used", error) from error
    if not catalogue:
        raise CommandError(
            f"there is no NF in {directory}",
            remedy="Run site.yml, or name the folder of the NFs by --catalogue.",
        )
    return catalogue


def refusal(error: str, cause: SpecError) -> SpecInvalid:
    """A refused file as a failure of the command."""
    return SpecInvalid(error, [problem.to_json() for problem in cause.problems])
