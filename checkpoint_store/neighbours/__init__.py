"""The parts of this package that other tools load: the plug-in for Datasette, and the metadata that it shows."""
