"""The texts of the statements, as SQLAlchemy compiles them from the tables: all SQL that ordinary work runs.

``python tests/storage/write_prepared.py`` writes the other files of this folder, and a test compares them with the
statements. These texts are run whatever SQLAlchemy is installed.
"""
