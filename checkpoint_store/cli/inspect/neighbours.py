"""The commands for other people's tools: ``datasette-metadata``."""

from __future__ import annotations

from typing import Final

import click

from checkpoint_store import datasette_metadata
from checkpoint_store.cli.options import json_option, print_json, store_option

_HELP: Final = """\b
Print what Datasette needs to show the store well.

\b
  checkpoint-store datasette-metadata > metadata.json
  datasette .processing_state.db -m metadata.json

The output has titles, labels and canned queries, and hides the tables that are
of no interest. Every user of the machine can reach Datasette's port; with
--private here and --root there, only you see the store.
"""


@click.command("datasette-metadata", help=_HELP)
@click.option("--private", is_flag=True, help="Show the store only to the user who starts Datasette with --root.")
@store_option
@json_option
def datasette_metadata_command(*, private: bool, store_path: str, as_json: bool) -> None:  # noqa: ARG001 - always JSON
    """Print the metadata of a store as JSON."""
    print_json(datasette_metadata(store_path, private=private))


COMMANDS: Final = (datasette_metadata_command,)
