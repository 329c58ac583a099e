"""The outputs of a run: where the text goes, and which files are the run's own."""
