"""What Datasette loads: the plug-in, the metadata by which it shows a store, and queries for people."""
