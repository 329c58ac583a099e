"""Assign speakers to words: Amazon's service lists speakers beside the words, Google's names them at each word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from checkpoint_store.cli.transcripts.reading.json_entries import best_of, entries_of, first_list, has_same_words, turns

if TYPE_CHECKING:
    from collections.abc import Iterator


def with_speakers(document: dict[str, Any], name: str, values: list[Any]) -> list[Any]:
    """Return the values of a list with the speakers that Amazon's service puts beside it, and Google's at the words."""
    if name == "results":
        return _named_words(values)
    labels = dict(_labels(document.get("speaker_labels"))) if name == "items" else {}
    if not labels:
        return values
    return [
        {"speaker_label": labels.get(str(value.get("start_time"))), **value} if isinstance(value, dict) else value
        for value in values
    ]


def _labels(speaker_labels: Any) -> Iterator[tuple[str, Any]]:
    """Yield the start of each word, and the label of its speaker."""
    segments = speaker_labels.get("segments") if isinstance(speaker_labels, dict) else None
    for segment in segments if isinstance(segments, list) else ():
        items = segment.get("items") if isinstance(segment, dict) else None
        for item in items if isinstance(items, list) else ():
            if isinstance(item, dict) and isinstance(item.get("start_time"), str):
                yield item["start_time"], item.get("speaker_label")


def _named_words(results: list[Any]) -> list[Any]:
    """Return the words that name their speakers, if they are all words: in the last result they stand once more."""
    best = [best_of(result) for result in results]
    words = [word for alternative in best for word in first_list(alternative, ("words",))]
    named = [word for word, entry in zip(words, entries_of(words, {}), strict=True) if entry and entry.speaker]
    if not named:
        return results
    transcripts = [alternative["transcript"] for alternative in best if isinstance(alternative.get("transcript"), str)]
    cues = turns((entry for entry in entries_of(named, {}) if entry), own_spaces=False)
    if not transcripts or has_same_words(" ".join(transcripts), cues):
        return named
    return [result for result, alternative in zip(results, best, strict=True) if "transcript" in alternative]
