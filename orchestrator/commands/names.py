"""The commands ``list`` and ``describe``: what there is."""

from typing import Annotated

import typer

from orchestrator.commands import completion
from orchestrator.commands.options import Kind

app = typer.Typer()


@app.command("list")
def list_names(
    kind: Annotated[
        Kind | None, typer.Argument(metavar="KIND", help="algorithms, envs or sweeps; default: all.")
    ] = None,
) -> None:
    """List algorithms, environments and sweeps."""
    from orchestrator.commands import catalogue

    catalogue.show_names(kind.value if kind else None)


@app.command()
def describe(
    name: Annotated[
        str,
        typer.Argument(
            help="An algorithm, an environment, a sweep, or ./file.py:Name.", autocompletion=completion.describable
        ),
    ],
) -> None:
    """Show parameters and metrics of one name; cells of a sweep."""
    from orchestrator.commands import catalogue

    catalogue.show(name)
