"""The SQL statements, by what they are about."""
