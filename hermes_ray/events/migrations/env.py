"""How Alembic runs the steps: on the connection, and in the transaction, of who calls it."""

from alembic import context

from hermes_ray.events.tables import METADATA

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=METADATA, transactional_ddl=False)
context.run_migrations()
