"""The service of the how-to goes on after it was killed."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from checkpoint_store import CheckpointStore

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "how-to-asyncio-service.md"


@pytest.mark.slow
def test_a_killed_service_goes_on_with_its_next_start(tmp_path: Path) -> None:
    """Killed after its first chunk was recorded, the service does the others when it starts again, and no chunk twice."""
    found = re.search(r"^\$ cat service\.py\n(.*?)^\$ ", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert found is not None
    code = found[1].replace("workers=8", "workers=1")
    waiting = code.replace(
        "await asyncio.sleep(0.01)", 'await asyncio.sleep(3600 if text == "what your country" else 0)'
    )
    assert waiting != code
    (tmp_path / "service.py").write_text(waiting, "utf-8")
    with subprocess.Popen(
        [sys.executable, "-u", "service.py", "country.txt"], cwd=tmp_path, stdout=subprocess.PIPE
    ) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == b"country.txt: chunk 0 is recorded\n"
        killed.send_signal(signal.SIGKILL)
    (tmp_path / "service.py").write_text(code, "utf-8")
    again = subprocess.run([sys.executable, "service.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert again.stdout.splitlines() == [f"country.txt: chunk {index} is recorded" for index in (1, 2)]
    with CheckpointStore(tmp_path / "service.db", read_only=True) as store:
        assert store.job("country.txt").status == "completed"
