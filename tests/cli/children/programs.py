"""What programs do to a chunk, as models do; called by its name, the module is such a program."""

from __future__ import annotations

import json
import random
import re
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

REMARKS = ["[END]", "Thank you.", "(312 tokens)", "END OF TEXT", "—", "Let me know if you need more!"]


def unchanged(text: str) -> str:
    return text


def upper_case(text: str) -> str:
    return text.upper()


def shortened(text: str) -> str:
    return " ".join(word for number, word in enumerate(text.split(" ")) if number % 3)


def stops_early(text: str) -> str:
    return text[: len(text) * 2 // 3]


def adds_a_preface(text: str) -> str:
    return f"Sure! Here is the cleaned transcript:\n\n{text}"


def adds_a_closing_remark(text: str) -> str:
    return f"{text}\n{random.Random(text).choice(REMARKS)}"


def fences(text: str) -> str:
    return f"```\n{text}\n```"


def drops_the_first_sentence(text: str) -> str:
    return re.sub(r"^.*?[.!?。]\s*", "", text, count=1, flags=re.DOTALL)


def translates_with_noise(text: str) -> str:
    rng = random.Random(text)
    words = [f"{word[::-1]}en" for word in text.split()]
    return " ".join(
        rng.choice([word, f"{word} {word}", f"so {word}", ""]) if rng.random() < 0.2 else word for word in words
    )


def repeats_the_end_of_another(text: str) -> str:
    return f"{text} {text[-40:].strip()}"


def answers_in_json(text: str) -> str:
    return json.dumps({"cleaned_text": f" {text} \n", "cost": 0.25}, ensure_ascii=False)


def answers_in_fenced_json(text: str) -> str:
    return f"```json\n{json.dumps({'cleaned_text': text.upper()}, indent=1)}\n```\n"


PROGRAMS = [
    unchanged,
    upper_case,
    shortened,
    stops_early,
    adds_a_preface,
    adds_a_closing_remark,
    fences,
    drops_the_first_sentence,
    translates_with_noise,
    repeats_the_end_of_another,
    answers_in_json,
    answers_in_fenced_json,
]
MEANS = {answers_in_json: unchanged, answers_in_fenced_json: upper_case}
"""The text that a program answers with, where it is not what it prints."""


def printed(program: Callable[[str], str], text: str) -> str:
    """What a careful program prints: it says so where its answer is empty."""
    return program(text) if program(text).strip() else '{"cleaned_text": ""}'


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")
    print(printed(globals()[sys.argv[1]], sys.stdin.read()))
