"""The arguments FILE and the options that ``run`` and ``plan`` share."""

from __future__ import annotations

from typing import Final

import click

from checkpoint_store.cli.options import NO_LIMIT, STORE_OPTION, FiniteNumber, FiniteNumberOrNone, WholeNumber
from checkpoint_store.cli.paths import FileOrDash
from checkpoint_store.cli.run.chunk_ranges import ChunkRangesType
from checkpoint_store.cli.run.limits import HaltType
from checkpoint_store.cli.run.task_records import CONTEXT_LENGTH_MAX
from checkpoint_store.cli.transcripts.reading.text import is_text_encoding

OPEN_AMOUNT: Final = "AMOUNT"
OPEN_FIELD: Final = "FIELD"
"""The words in a line that the reader replaces by a value. Neither of them is taken for a value."""
HIGHER_AMOUNT: Final = f"a higher {OPEN_AMOUNT}, or none for no limit"
"""What a person has to give to go on after a budget was reached."""
FIELD_OF_TEXT: Final = f"the {OPEN_FIELD} that has the text"
"""What a person has to give to go on after an answer that had its text in another field."""


CHUNK_SIZE_MAX: Final = 1_000_000_000
"""No text is longer, and the splitter takes no number of more than 64 bits."""


def checked_field(_: click.Context, __: click.Parameter, field: str | None) -> str | None:
    """Return the name of a field, or raise if it is neither a name nor a dotted path."""
    if field == OPEN_FIELD:
        raise click.BadParameter(f"{field} stands for the name of a field, such as text or usage.cost; write that.")
    if field is not None and (not all(field.split(".")) or '"' in field):
        raise click.BadParameter(f"{field!r} is neither a field nor a dotted path such as usage.cost.")
    return field


def checked_encoding(_: click.Context, __: click.Parameter, name: str | None) -> str | None:
    """Return the name of an encoding, or raise if Python has no encoding of text by this name."""
    if name is not None and not is_text_encoding(name):
        raise click.BadParameter(f"{name!r} is no encoding of text that Python knows, such as cp1252 or shift_jis.")
    return name


REQUEST_OPTIONS: Final = (
    click.Argument(["files"], nargs=-1, required=True, metavar="FILE...", type=FileOrDash("/dev/stdin")),
    click.Option(
        ["--split"],
        type=click.Choice(["text", "lines", "csv"]),
        default="text",
        show_default=True,
        help="What a chunk is: a part of a text; each line that is not empty, such as a JSON object or a prompt; each "
        "row of a CSV file, as a JSON object. The output of lines and csv is one line for each chunk, in order.",
    ),
    click.Option(
        ["--chunk-size"],
        metavar="N",
        type=WholeNumber(min=1, max=CHUNK_SIZE_MAX),
        help="The most characters of a chunk.  [default: 2000]",
    ),
    click.Option(
        ["--unit"],
        type=click.Choice(["characters", "tokens"]),
        default="characters",
        show_default=True,
        help="What --chunk-size counts.",
    ),
    click.Option(
        ["--tokenizer"],
        metavar="MODEL",
        help="Whose tokens to count: the name of an OpenAI model, or the path of a tokenizer.json.",
    ),
    click.Option(
        ["--overlap"],
        metavar="N",
        type=WholeNumber(min=0, max=CONTEXT_LENGTH_MAX),
        help="Give COMMAND up to N characters of the text before the chunk, as context beside it, in the environment "
        "variable CHECKPOINT_STORE_CONTEXT.  [default: 200, or a tenth of a chunk size below 2000]",
    ),
    click.Option(["--title"], help="The title of the talk."),
    click.Option(["--model"], help="The model that COMMAND uses; another model is another plan."),
    click.Option(["--provider"], help="The service that runs the model."),
    click.Option(["--language"], help="The spoken language.  [default: English if the text looks like it]"),
    click.Option(
        ["--encoding"],
        metavar="NAME",
        callback=checked_encoding,
        help="The encoding of each FILE that has no byte order mark.  [default: utf-8]",
    ),
    click.Option(
        ["--plain-text"],
        is_flag=True,
        help="Read each FILE as plain text, as it is, even if it looks like captions or a transcript.",
    ),
    click.Option(
        ["--result-field"],
        metavar="NAME",
        callback=checked_field,
        help="The field of COMMAND's JSON that has the text, or a dotted path such as choices.0.message.content, or "
        "0.text where it prints a list. An output that is no JSON counts as the text; with NAME, an output that begins "
        "with { or [, or is a page of HTML, does not.  "
        "[default: cleaned_text]",
    ),
    click.Option(
        ["--sequential"],
        is_flag=True,
        help="Each chunk depends on the answers before it: do the chunks in order, one at a time, each with the answer "
        "before it in CHECKPOINT_STORE_PREVIOUS (and all that was recorded with it in CHECKPOINT_STORE_PREVIOUS_JSON). "
        "A changed chunk changes all chunks behind it, and a run stops at a chunk that fails.",
    ),
    click.Option(
        ["--raw"], is_flag=True, help="Take what COMMAND prints as it is, JSON or not, every character of it."
    ),
    click.Option(
        ["--output"],
        metavar="PATH",
        type=FileOrDash(),
        help="Where the text goes; - is standard output.  [default: FILE.cleaned.txt; - where FILE is -]",
    ),
    click.Option(
        ["--force"],
        is_flag=True,
        help="Replace the output file even if it was edited, or is not an output of this command.",
    ),
    STORE_OPTION,
    click.Option(
        ["--on-change"],
        type=click.Choice(["refuse", "reuse", "extend", "restart"]),
        default="refuse",
        show_default=True,
        help="What to do if the file or an option changed since its last job. refuse: stop; reuse: do only the changed "
        "chunks; extend: let the job grow, if the change only adds chunks at the end; restart: do all chunks.",
    ),
    click.Option(
        ["--reuse-ignoring"],
        metavar="FIELD",
        multiple=True,
        help="With --on-change reuse: also keep results whose model, provider or config.KEY differs, or (chunks) for "
        "which only the place of the chunk is known (repeatable).",
    ),
    click.Option(["--fresh"], is_flag=True, help="Begin a new job even if one could go on."),
)
"""The arguments FILE and the options whose values ``request_of`` takes."""

LIMIT_OPTIONS: Final = (
    click.Option(
        ["--retries"],
        metavar="N",
        type=WholeNumber(min=0),
        default=0,
        help="Try a chunk up to N times more, then skip it and go on with the others; 'retry' frees it.  "
        "[default: 0, and the first failure ends the run]",
    ),
    click.Option(
        ["--halt"],
        metavar="WHEN",
        type=HaltType(),
        help="soon: once a chunk has failed, begin nothing more, no further FILE either, and finish what is in hand; "
        "now: kill what is in hand; N%: once N percent of the chunks that a FILE had left have failed, and at least 3; "
        "never. The forms of GNU parallel work, too: soon,fail=3 and now,fail=20%.  [default: soon for the chunks of a "
        "FILE, and never with --retries]",
    ),
    click.Option(
        ["--timeout"],
        metavar="SECONDS",
        type=FiniteNumber(),
        help="Kill a COMMAND that takes longer than this; the chunk fails.",
    ),
    click.Option(
        ["--max-cost"],
        metavar="AMOUNT",
        type=FiniteNumberOrNone(),
        callback=lambda _ctx, _parameter, value: None if value == NO_LIMIT else value,
        help="Pause before the job costs more, failed tries included, or at a result whose cost cannot be read. "
        "none: no limit.",
    ),
    click.Option(
        ["--cost"],
        metavar="FIELD",
        default="cost",
        show_default=True,
        callback=checked_field,
        help="The field of COMMAND's JSON that holds the cost; usage.cost is the field cost of the object usage.",
    ),
    click.Option(
        ["--max-calls-per-minute"],
        metavar="N",
        type=FiniteNumber(),
        help="Start COMMAND at most N times in a minute, over all runs of the job at the same time.",
    ),
    click.Option(
        ["--deadline"],
        metavar="SECONDS",
        type=FiniteNumber(),
        help="After this time start no further chunk, finish the chunks in hand, and pause (exit 75).",
    ),
    click.Option(
        ["--only"],
        metavar="RANGES",
        type=ChunkRangesType(),
        help="Work on these chunks alone, such as 0-499 or 3,7,20-29; other machines may do the rest, and 'merge' puts "
        "the results together.",
    ),
    click.Option(
        ["--joblog"],
        metavar="PATH",
        type=FileOrDash(is_named=True, sign="+"),
        help="Append a line to PATH for each try as it ends, in the tab-separated columns of GNU parallel. Seq is the "
        "chunk, from 0; Exitval is -1 for a COMMAND that took too long or gave no answer.",
    ),
)
"""The limits of a run. They are no part of a job's plan."""
LIMIT_NAMES: Final = frozenset(str(option.name) for option in LIMIT_OPTIONS)


def workers_option(text: str) -> click.Option:
    """Return ``--workers N``."""
    return click.Option(["--workers"], metavar="N", type=WholeNumber(min=1), default=1, show_default=True, help=text)
