"""The only room that imports SQLAlchemy or Alembic, and the only room that knows SQLite."""
