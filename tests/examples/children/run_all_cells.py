"""Run all cells of a notebook, and write it to run.ipynb."""

from __future__ import annotations

import sys

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

notebook = nbformat.read(sys.argv[1], as_version=4)
for cell in notebook.cells:
    if cell.cell_type == "code":
        cell.outputs = []
manager = AsyncKernelManager(kernel_name="python3", transport="ipc", ip=sys.argv[2])
NotebookClient(notebook, km=manager, timeout=120).execute()
nbformat.write(notebook, "run.ipynb")
