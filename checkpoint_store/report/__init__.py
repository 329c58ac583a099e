"""A report as a web page: the progress of each job, the time and cost of each chunk, failures, and results.

The page is one HTML file that needs no network, no server and no other file. It needs the extra ``report``.
"""

from __future__ import annotations

from checkpoint_store.report.destination import Options
from checkpoint_store.report.follow import follow
from checkpoint_store.report.write import pieces, require_extra, write

__all__ = ["Options", "follow", "pieces", "require_extra", "write"]
