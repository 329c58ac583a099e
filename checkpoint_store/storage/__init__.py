"""The only room that imports SQLAlchemy or Alembic, and the only one that knows which database it is."""
