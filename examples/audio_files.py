"""Results that are files: the file is written under its digest, and the store keeps name, size and digest.

python examples/audio_files.py examples/rice-university-1962.txt

Killed at any moment, the same line goes on. A file that was changed or lost afterwards is noticed when it is read.
"""

from __future__ import annotations

import hashlib
import io
import os
import sys
import tempfile
import wave
from pathlib import Path
from typing import TypedDict

from checkpoint_store import CheckpointStore

FOLDER = Path("audio")


class StoredFile(TypedDict):
    """What the store keeps of a file."""

    name: str
    size_bytes: int
    sha256: str


def keep_file(content: bytes, suffix: str) -> StoredFile:
    """Write a file under its digest, and return what to record of it. The file is whole and durable when this returns.

    The same content has the same name: a try that was killed before its result was recorded leaves no second file.
    """
    digest = hashlib.sha256(content).hexdigest()
    name = f"{digest}{suffix}"
    FOLDER.mkdir(exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=FOLDER, suffix=".part", delete=False) as part:
        part.write(content)
        part.flush()
        os.fsync(part.fileno())
    os.replace(part.name, FOLDER / name)  # whoever looks sees the whole file, or none
    folder = os.open(FOLDER, os.O_RDONLY)
    try:
        os.fsync(folder)  # the name lasts through a power cut, too
    finally:
        os.close(folder)
    return {"name": name, "size_bytes": len(content), "sha256": digest}


def read_file(stored: StoredFile) -> bytes:
    """Return the content of a file that ``keep_file`` wrote.

    Raises:
        FileNotFoundError: the file is gone.
        ValueError: the file is not what was recorded.
    """
    content = (FOLDER / stored["name"]).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != stored["sha256"]:
        raise ValueError(f"{FOLDER / stored['name']} has digest {digest}, and {stored['sha256']} was recorded")
    return content


def speak(text: str) -> StoredFile:
    """Stand for the call that costs money: a tone for each word, as a WAV file."""
    sound = io.BytesIO()
    with wave.open(sound, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(8_000)
        file.writeframes(b"".join(bytes(range(128, 128 + len(word) % 64)) * 8 for word in text.split()))
    return keep_file(sound.getvalue(), ".wav")


def main() -> None:
    """Speak each paragraph of a text, and say how much sound there is."""
    source = Path(sys.argv[1])
    paragraphs = [part for part in source.read_text("utf-8").split("\n\n") if part.strip()]
    with CheckpointStore("audio.db") as store:
        results: list[StoredFile] = store.map(speak, paragraphs, file_name=source.name, provider="stand-in")
    print(f"{len(results)} files, {sum(len(read_file(one)) for one in results):,} bytes")


if __name__ == "__main__":
    main()
