"""Read transcripts: a module for each format, and a module for what all captions share."""
