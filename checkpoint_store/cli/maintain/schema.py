"""The commands about the store file itself."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from checkpoint_store import migrate as migrate_store
from checkpoint_store import migration_status
from checkpoint_store.cli.options import json_option, open_for_reading, print_json, store_option
from checkpoint_store.cli.screen import Screen


@click.command("migrate")
@click.option("--to", metavar="SCHEMA", help="Go (back) to this schema, where that loses nothing.")
@click.option("--check", is_flag=True, help="Only look: exit 0 if the store is current, 1 if not. Nothing is written.")
@store_option
@json_option
def migrate(*, to: str | None, check: bool, store: str, as_json: bool) -> int:
    """Bring an older store up to date.

    A verified copy is made beside it first.
    """
    before = migration_status(store) if check else migrate_store(store, to=to)
    after = migration_status(store)
    is_there = not after.pending or (not check and to is not None)  # who names an older one wants to stay there
    if as_json:
        fields = {"store": str(after.path), "schema": after.current, "newest": after.head}
        print_json(fields | {"was": before.current, "pending": list(after.pending)})
    elif not is_there:
        steps = ", ".join(after.pending)
        Screen().note(f"{after.path} has schema {after.current or 'none'}; {after.head} is current (pending: {steps})")
    elif before.current != after.current:
        Screen().note(f"{after.path} is brought from schema {before.current or 'none'} to {after.current}")
    else:
        Screen().note(f"{after.path} is current (schema {after.current})")
    return 0 if is_there else 1


@click.command("path")
@store_option
@json_option
def path(*, store: str, as_json: bool) -> None:
    """Print where the store and the state file are."""
    store_path = Path(store).absolute()
    state_path: Path | None = store_path.with_name(f"{store_path.name.removesuffix('.db')}.json")
    if store_path.is_file():
        with open_for_reading(store) as opened:
            store_path, state_path = opened.path, opened.state_file
    if as_json:
        state = str(state_path) if state_path else None
        print_json({"store": str(store_path), "state_file": state, "exists": store_path.is_file()})
        return
    click.echo(store_path)
    if state_path:
        click.echo(state_path)


COMMANDS: Final = (migrate, path)
