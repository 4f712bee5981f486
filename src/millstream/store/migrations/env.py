"""What Alembic runs: the migrations over the connection that `migrations.upgrade` hands in."""

from __future__ import annotations

from alembic import context

from millstream.store.schema import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    version_table=VERSION_TABLE,
    transactional_ddl=False,  # the caller's transaction holds everything
)
context.run_migrations()
