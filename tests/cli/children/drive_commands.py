"""Run each command that argv has, as JSON, in one process; print code and output of each."""

from __future__ import annotations

import contextlib
import io
import json
import sys

from checkpoint_store.cli.app import run_command_line

for command, words in json.loads(sys.argv[1]).items():
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run_command_line(["checkpoint-store", command, *words, "--json"])
    print(json.dumps([command, code, out.getvalue(), err.getvalue()]))
