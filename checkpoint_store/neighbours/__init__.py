"""What other tools load of this package: the plug-in for Datasette, and the metadata that Datasette shows."""
