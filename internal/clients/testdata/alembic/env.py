from alembic import context
from sqlalchemy import create_engine, text

engine = create_engine("postgresql+psycopg://")
with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
with engine.begin() as connection:
    connection.execute(text("SELECT sync_roles.wait_for_sync()"))
