"""A page to look at: where each job stands, what each chunk took and cost, what failed, and what came of it.

The page is one HTML file that needs no network, no server and no other file. It needs the extra ``report``.
"""

from __future__ import annotations

from checkpoint_store.report.follow import follow
from checkpoint_store.report.options import Options
from checkpoint_store.report.write import pieces, require_extra, write

__all__ = ["Options", "follow", "pieces", "require_extra", "write"]
