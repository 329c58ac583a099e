"""Read files as people have them: a module for each format, and one for what all captions share."""
