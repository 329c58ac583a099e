"""Run the scripts of Alembic inside the guards of the library, from the library or from the command line.

``alembic -x store=PATH upgrade head`` works on the store at PATH (default: ``.processing_state.db``). Nothing here
configures logging: the scripts also run inside other people's programs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic import context

from checkpoint_store.storage.tables import metadata

if TYPE_CHECKING:
    from sqlalchemy import Connection


def run(connection: Connection) -> None:
    """Run whatever the command asks for, in the transaction that ``connection`` is in."""
    context.configure(
        connection=connection,
        target_metadata=metadata,
        transactional_ddl=True,
        transaction_per_migration=False,
        compare_type=True,
        compare_server_default=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def run_offline() -> None:
    """Print the SQL (``--sql``) without a store."""
    context.configure(dialect_name="sqlite", target_metadata=metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


def run_from_command_line() -> None:
    """Open the store named by ``-x store=PATH`` as the library does, and run there."""
    from checkpoint_store.storage.upgrade.alembic_cli import run_command  # not needed in-process

    target = context.get_x_argument(as_dictionary=True).get("store", ".processing_state.db")
    options = context.config.cmd_opts
    command = getattr(options, "cmd", (None,))[0]
    run_command(target, getattr(command, "__name__", ""), str(getattr(options, "revision", "")), run)


if context.is_offline_mode():
    run_offline()
elif context.config.attributes.get("connection") is not None:
    run(context.config.attributes["connection"])
else:
    run_from_command_line()
