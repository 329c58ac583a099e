"""The commands about the schema and the place of a store, and how Datasette shows it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import click

from checkpoint_store import (
    SchemaTooNew,
    SchemaTooOld,
    StorageUnavailableError,
    StoreBusy,
    StoreDamaged,
    migration_status,
)
from checkpoint_store import migrate as migrate_store
from checkpoint_store.cli.options import open_for_reading, sibling_of, store_command
from checkpoint_store.cli.screen import Screen
from checkpoint_store.cli.stdout import print_json

_NAMED: Final = (SchemaTooNew, SchemaTooOld, StorageUnavailableError, StoreBusy, StoreDamaged)
"""The errors about a file that is a store."""
_DATASETTE_HELP: Final = """\b
Print what Datasette needs to show the store well.

\b
  checkpoint-store datasette-metadata > metadata.json
  datasette .processing_state.db -m metadata.json

The output has titles, labels and canned queries, and hides the tables that are
of no interest. Every user of the machine can reach Datasette's port; with
--private here and --root there, only you see the store.
"""


@store_command("migrate")
@click.option("--to", metavar="SCHEMA", help="Migrate up or down to this schema, if that loses nothing.")
@click.option("--check", is_flag=True, help="Write nothing; exit 0 if the store is current, 1 if not.")
def migrate(*, to: str | None, check: bool, store_path: str, as_json: bool) -> int:
    """Upgrade an older store to the current schema.

    A verified copy of the store is made beside it first.
    """
    before = migration_status(store_path) if check else migrate_store(store_path, to=to)
    after = migration_status(store_path)
    is_reached = not after.pending or (not check and to is not None)  # a schema that --to names is the one wanted
    if as_json:
        fields = {"store": str(after.path), "schema": after.current, "newest": after.head}
        print_json(fields | {"was": before.current, "pending": list(after.pending)})
    elif not is_reached:
        steps = ", ".join(after.pending)
        Screen().note(f"{after.path} has schema {after.current or 'none'}; {after.head} is current (pending: {steps})")
    elif before.current != after.current:
        Screen().note(f"{after.path} is brought from schema {before.current or 'none'} to {after.current}")
    else:
        Screen().note(f"{after.path} is current (schema {after.current})")
    return 0 if is_reached else 1


@store_command("path")
def path(*, store_path: str, as_json: bool) -> None:
    """Print the paths of the store and of the state file."""
    store_file = Path(store_path).absolute()
    state_file: Path | None = sibling_of(store_file, ".json")
    if os.path.lexists(store_file):
        try:
            with open_for_reading(store_path) as store:
                store_file, state_file = store.path, store.state_file
        except _NAMED as error:  # who repairs, upgrades or waits needs the names, too
            store_file = Path(error.path)
            state_file = sibling_of(store_file, ".json")
    if as_json:
        state_path = str(state_file) if state_file else None
        print_json({"store": str(store_file), "state_file": state_path, "exists": store_file.is_file()})
        return
    click.echo(store_file)
    if state_file:
        click.echo(state_file)


@store_command("datasette-metadata", help=_DATASETTE_HELP)
@click.option("--private", is_flag=True, help="Show the store only to the user who starts Datasette with --root.")
def datasette_metadata(*, private: bool, store_path: str, as_json: bool) -> None:  # noqa: ARG001 - always JSON
    """Print the metadata of a store as JSON."""
    from checkpoint_store import datasette_metadata as metadata_of  # the other commands are quicker without it

    print_json(metadata_of(store_path, private=private))
