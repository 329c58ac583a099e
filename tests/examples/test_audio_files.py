"""``examples/audio_files.py``: results that are files, killed at every step."""

from __future__ import annotations

import importlib.util
import signal
from typing import TYPE_CHECKING

import pytest
from conftest import ROOT, program

from checkpoint_store import CheckpointStore

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from conftest import Children

EXAMPLE = ROOT / "examples" / "audio_files.py"
TEXT = "\n\n".join("word " * number for number in range(1, 6))
KILLED = program(__file__, "killed_example")


@pytest.fixture
def example() -> ModuleType:
    """The example as a module."""
    spec = importlib.util.spec_from_file_location("audio_files", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("where", ["in the call", "before the file is whole", "between the file and the record"])
def test_a_killed_run_goes_on(where: str, tmp_path: Path, children: Children) -> None:
    """After a kill the example calls only the killed chunk again, and every recorded file is whole."""
    (tmp_path / "talk.txt").write_text(TEXT, "utf-8")
    killed = children.run(KILLED, where, 3, EXAMPLE, "talk.txt", code=-signal.SIGKILL)
    with CheckpointStore(tmp_path / "audio.db") as store:
        job = store.latest_job()
        assert job is not None
        assert (job.progress().completed_chunks, len(job.in_doubt_chunks())) == (2, 1)
    again = children.run(KILLED, "nowhere", 0, EXAMPLE, "talk.txt")
    assert (killed.count("call"), again.count("call")) == (3, 3)
    assert again.endswith("5 files, 700 bytes\n")
    assert len(list((tmp_path / "audio").glob("*.wav"))) == 5
    assert len(list((tmp_path / "audio").glob("*.part"))) == (1 if where == "before the file is whole" else 0)
    assert "call" not in children.run(KILLED, "nowhere", 0, EXAMPLE, "talk.txt")


def test_a_changed_file_is_noticed_when_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, example: ModuleType
) -> None:
    """Another digest, and a file that is gone, are errors that name the file; the bytes are never handed out."""
    monkeypatch.chdir(tmp_path)
    stored = example.keep_file(b"sound", ".wav")
    assert example.read_file(stored) == b"sound"
    path = tmp_path / "audio" / stored["name"]
    assert (stored["size_bytes"], path.stat().st_mode & 0o777) == (5, 0o600)
    path.write_bytes(b"noise")
    with pytest.raises(ValueError, match=f"{stored['name']} has digest .* and {stored['sha256']} was recorded"):
        example.read_file(stored)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=stored["name"]):
        example.read_file(stored)


def test_a_file_is_never_seen_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, example: ModuleType
) -> None:
    """On a full disk there is no file under the digest, and the same call goes on once there is room."""
    monkeypatch.chdir(tmp_path)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(example.os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            example.keep_file(b"sound", ".wav")
    assert list((tmp_path / "audio").glob("*.wav")) == []
    assert example.read_file(example.keep_file(b"sound", ".wav")) == b"sound"
