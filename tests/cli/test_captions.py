"""Captions are read as what is said: no word lost, none doubled, none given to another speaker."""

from __future__ import annotations

import html
from pathlib import Path

import pytest
from each_case import each_case

from checkpoint_store.cli.transcripts.reading.text import UnreadableTranscriptError
from checkpoint_store.cli.transcripts.reading.transcript import read_transcript

from .caption_files import read, srt, vtt

CASES = Path(__file__).parent / "captions"


@each_case(
    ("name", "said"),
    [
        ("karaoke2.vtt", "good morning everyone today we look at rivers and their sources that is all"),
        ("blank_inside_cue.srt", "The river rises in the northern hills and reaches the sea."),
        ("one_bad_time_mid.srt", "The vote was held. The motion was not carried. The session closed."),
        ("two_speakers_dash.vtt", "Ana: Can we ship?\n\nBo: No, not before Friday.\n\nAna: Fine."),
        ("whisperx_highlight.srt", "[SPEAKER_00]: First we look at rivers."),
    ],
)
def test_files_as_people_have_them(name: str, said: str) -> None:
    """Each word of these files, which lost words or had each word ten times, is read once."""
    assert read_transcript(CASES / name).text == said


@each_case(
    ("line", "said"),
    [
        ("one<00:00:01.200> two<00:00:01.500> three", "one two three"),
        ("<00:00:01.100><c> one</c><00:00:01.500><c> two</c>", "one two"),
        ("one <00:01.200>two <00:01.500>three <00:01.700>four", "one two three four"),
        ("<c.yellow>one</c> <00:00:01.200><v Ana>two", "one\n\nAna: two"),
    ],
)
def test_words_with_times_of_their_own_are_text(tmp_path: Path, line: str, said: str) -> None:
    """A line with two times inside is what somebody says, and no time line."""
    assert read(tmp_path, "a.vtt", vtt(line)) == said


@each_case(
    "block",
    [
        "NOTE\n00:00:01.000 --> 00:00:02.000\nnobody says this",
        "NOTE\nintro\n00:00:01.000 --> 00:00:02.000\nnobody says this",
        "NOTE on rivers --> and hills\nmore of it",
        "NOTE\tshort",
        "STYLE\n::cue(.loud) {\n\n  color: red }",
        "REGION\nid:fred\nwidth:40%",
    ],
)
def test_notes_styles_and_regions_are_no_speech(tmp_path: Path, block: str) -> None:
    """Notes, styles and regions are no speech."""
    content = (
        f"WEBVTT - a title\nKind: captions\n\n{block}\n\n1\n00:01.000 --> 00:02.000 align:start\nhello\n\nNOTE x\n"
    )
    assert read(tmp_path, "a.vtt", content) == "hello"


@pytest.mark.parametrize("block", ["NOTE Bo laughs", "NOTE\nBo laughs", "NOTE\nBo laughs\nloudly", "REGION\nid:fred"])
def test_a_time_line_ends_a_note(tmp_path: Path, block: str) -> None:
    """A cue directly under the words of a note is said: players show it."""
    content = f"WEBVTT\n\n{block}\n00:01.000 --> 00:02.000\nhello\n\n{block}\n\n00:02.000 --> 00:03.000\nthere\n"
    assert read(tmp_path, "a.vtt", content) == "hello there"


@each_case(
    ("content", "said"),
    [
        (vtt("<v Ana>Hi.</v> <v Bo>Ho.</v>"), "Ana: Hi.\n\nBo: Ho."),
        (vtt("<v.loud Ana>Hi,\nyou.", "<v Ana>And you."), "Ana: Hi, you. And you."),
        (vtt("<v Ana &amp; Bo>Hi.</v>", "Ho.", "<v Bo>Hm."), "Ana & Bo: Hi. Ho.\n\nBo: Hm."),
    ],
)
def test_voices_keep_their_words(tmp_path: Path, content: str, said: str) -> None:
    """A voice is named where it changes, also within a cue."""
    assert read(tmp_path, "a.vtt", content) == said


@each_case(
    ("content", "said"),
    [
        (srt("One\n\n\ntwo\n", "three"), "One two three"),
        (srt("One\n\n42\n\nis it.", "Two."), "One 42 is it. Two."),
        (srt("In the year\n\n1962", "we went."), "In the year 1962 we went."),
        (
            "00:00:01,000 --> 00:00:02,000\nIn the year\n1962\n\n00:00:02,000 --> 00:00:03,000\nwe went.\n",
            "In the year 1962 we went.",
        ),
        (
            "1\n00:00:01,000 --> 00:00:02,000\nIn the year\n1962\n00:00:02,000 --> 00:00:03,000\nwe went.\n",
            "In the year 1962 we went.",
        ),
        ("1\n00:00:01,000 --> 00:00:02,000\none\n2\n00:00:02,000 --> 00:00:03,000\ntwo", "one two"),
        ("Zero.\n\n" + srt("One."), "Zero. One."),
    ],
)
def test_empty_lines_and_numbers_inside_a_cue_lose_no_word(tmp_path: Path, content: str, said: str) -> None:
    """Only the number directly above a time line is a cue's number."""
    assert read(tmp_path, "a.srt", content) == said


@each_case("name", ["a.srt", "a.vtt"])
@each_case("end", ["", "\n"], ids=["one empty line", "three between cues"])
def test_an_empty_line_behind_every_line_makes_no_number_a_word(tmp_path: Path, name: str, end: str) -> None:
    """Some editors write such files: the numbers 1, 2, 3 in a row, each above its time line, are said by nobody."""
    header = "WEBVTT\n\n" if name == "a.vtt" else ""
    content = "".join(f"{line}\n{'' if line else end}" for line in srt("In", "1962", "4", "we went.").split("\n"))
    assert read(tmp_path, name, (header + content).replace("\n", "\n\n")) == "In 1962 4 we went."


@each_case(("first", "second"), [("cue-8", "cue-9"), ("1", "2"), ("part 9", "part 10")])
def test_names_of_crowded_cues_are_no_speech(tmp_path: Path, first: str, second: str) -> None:
    """Some programs name each cue and leave no empty line between them: names that count up are said by nobody."""
    named = f"WEBVTT\n\n{first}\n00:01.000 --> 00:02.000\nOne.\n{second}\n00:03.000 --> 00:04.000\nTwo.\n"
    assert read(tmp_path, "a.vtt", named) == "One. Two."


@each_case(("first", "second"), [("Step 1", "Step 3"), ("Step 1", "Stop 2"), ("", "Step 1")])
def test_lines_above_times_that_do_not_count_up_are_said(tmp_path: Path, first: str, second: str) -> None:
    """A line of speech may end with a number: it is no name if the cues do not have such a line each, in a row."""
    spoken = f"WEBVTT\n\n{first}\n00:01.000 --> 00:02.000\nOne.\n{second}\n00:03.000 --> 00:04.000\nTwo.\n"
    assert f"One. {second} Two." in read(tmp_path, "a.vtt", spoken)


def test_the_first_number_of_a_file_behind_another_file_is_no_speech(tmp_path: Path) -> None:
    """``cat one.srt two.srt`` leaves no empty line where the first file ends without one; a count is said."""
    one = "1\n00:00:01,000 --> 00:00:02,000\nOne.\n\n2\n00:00:03,000 --> 00:00:04,000\nTwo.\n"
    two = "1\n00:00:01,000 --> 00:00:02,000\nThree.\n"
    assert read(tmp_path, "a.srt", one + two) == "One. Two. Three."
    assert read(tmp_path, "b.srt", one + two.replace("00:00:0", "00:00:1")) == "One. Two. 1\n\nThree."


def test_text_directly_above_a_time_line_of_webvtt_is_kept(tmp_path: Path) -> None:
    """Only a line alone between an empty line and a time line is the name of a cue."""
    content = "WEBVTT\n\nname\n00:01.000 --> 00:02.000\nfirst\nsecond\n00:02.000 --> 00:03.000\nthird\n"
    assert read(tmp_path, "a.vtt", content) == "first second third"


def test_text_behind_an_empty_line_of_webvtt_is_kept(tmp_path: Path) -> None:
    """A browser drops it; a reader of the talk must not."""
    assert (
        read(tmp_path, "a.vtt", vtt("The river rises\n\nin the hills", "and ends."))
        == "The river rises in the hills and ends."
    )


@each_case(
    "time",
    [
        "00:00:03:000 --> 00:00:05:000",
        "00:00:03,000 -> 00:00:05,000",
        "00:00:03.000 --> 00:00:05.000",
        "00:03,000 --> 00:05,000",
        "00:00:03 --> 00:00:05",
        "00:00:03,000 –> 00:00:05,000",
        "00: 00: 03,000 --> 00: 00: 05,000",
        "00:00:03,000 00:00:05,000",
        "00:00:03,000-->00:00:05,000 X1:40 X2:600",
        "00\uff1a00\uff1a03\uff0c000 --> 00\uff1a00\uff1a05\uff0c000",
        "00:00:03,000 --&gt; 00:00:05,000",
        "00:00:03,000 ⟶ 00:00:05,000",
        "00:00:03,000 to 00:00:05,000",
        "00:00:03,000 –— 00:00:05,000",
        "\u200f00:00:03,000 --> 00:00:05,000",
        "\u202b00:00:03,000\u200f --> \u200f00:00:05,000\u202c",
    ],
)
def test_mistyped_times_are_read_as_what_is_meant(tmp_path: Path, time: str) -> None:
    """The words under them are said in their place."""
    content = srt("One.", "Two.", "Three.").replace("00:00:03,000 --> 00:00:05,000", time)
    assert read(tmp_path, "a.srt", content) == "One. Two. Three."


def test_a_time_before_the_beginning_is_the_beginning(tmp_path: Path) -> None:
    """A program that shifts all times writes a minus; a dash and a time of the day in the words are said."""
    cues = "1\n-00:00:03,500 --> -00:00:02,000\nOne.\n\n2\n-00:00:01,500 --> 00:00:02,000\nTwo.\n\n"
    content = f"{cues}3\n00:00:02,000 --> 00:00:03,000\nThree.\n-10:30 is late.\n"
    assert read(tmp_path, "a.srt", content) == "One. Two. Three. -10:30 is late."


def test_a_score_behind_the_dash_of_a_speaker_is_said(tmp_path: Path) -> None:
    """A time before the beginning has a fraction, as all that programs write in captions; ``- 1:2 -> 3:2`` has none."""
    for said in ("- 1:2 → 3:2", "-10:30 -> 11:30 is the plan."):
        content = f"1\n00:00:01,000 --> 00:00:03,000\n{said}\n\n2\n00:00:03,000 --> 00:00:05,000\nFine.\n"
        assert read(tmp_path, "a.srt", content) == f"{said} Fine."


@each_case(
    "line",
    [
        *("1:2 ⇒ 3:2 in ten minutes", "1:2 ⟶ 3:2", "2:10 &gt; 3:10 is a ratio", "2:10 -&gt; 3:10 is a ratio"),
        *("1\uff1a2 → 3\uff1a2", "\u200f1:2 → 3:2", "10:15:00 to 11:15:00 o'clock"),
        *("\n12\n10:15:00 or 11:15:00", "\n12\n10:15:00 = 22:15:00", "\n1:2 ⇒ 3:2 in ten minutes"),
    ],
)
@each_case("name", ["a.srt", "a.vtt"])
def test_two_numbers_with_a_colon_in_the_speech_are_no_times(tmp_path: Path, name: str, line: str) -> None:
    """The score of a match, a ratio and two times of a day stay in their cue, whatever arrow or word stands between."""
    cues = f"So it goes from\n{line}", "Next."
    content = srt(*cues) if name == "a.srt" else vtt(*cues)
    said = html.unescape(" ".join(line.split()))
    assert read(tmp_path, name, content) == f"So it goes from {said} Next."


@pytest.mark.parametrize("numbers", [("", ""), ("1\n", "2\n")])
def test_short_times_with_another_arrow_are_read_where_a_cue_begins(tmp_path: Path, numbers: tuple[str, str]) -> None:
    """Times of minutes and seconds alone are told from a score by the number above them, or else by the empty line."""
    content = "{}00:01 ⇒ 00:03\nOne.\n\n{}00\uff1a03 → 00\uff1a05\nTwo.\n".format(*numbers)
    assert read(tmp_path, "a.srt", content) == "One. Two."


@pytest.mark.parametrize("content", [vtt("One.", "Two."), srt("One.", "Two.")])
def test_empty_lines_before_captions_are_no_text(tmp_path: Path, content: str) -> None:
    """Captions are known by their first lines, however many empty lines stand before these."""
    assert read(tmp_path, "a.txt", "\n" * 300 + content) == "One. Two."


def test_marks_of_direction_before_a_number_are_no_speech(tmp_path: Path) -> None:
    """Programs for Hebrew and Arabic put a mark before each line; the marks of the words stay."""
    content = "".join(f"\u200f{line}\n" if line else "\n" for line in srt("אחת.", "שתיים.").split("\n"))
    assert read(tmp_path, "a.srt", content) == "\u200fאחת. \u200fשתיים."


@each_case("time", ["00:00:O3,000 --> 00:00:05,000", "00:00:03,000 -->", "--> 00:00:05,000", "00:00:03,000"])
def test_times_that_cannot_be_told_are_refused(tmp_path: Path, time: str) -> None:
    """The refusal names the line; a cue that is dropped in silence may say the opposite."""
    content = srt("One.", "Two.", "Three.").replace("00:00:03,000 --> 00:00:05,000", time)
    with pytest.raises(UnreadableTranscriptError, match=r"a\.srt, line 6: .* should be a time line"):
        read(tmp_path, "a.srt", content)


def test_mistyped_times_of_webvtt_are_refused_with_their_line(tmp_path: Path) -> None:
    """What a browser drops in silence is named."""
    content = vtt("One.", "Two.").replace("00:00:03.000 -->", "00:00:x3.000 -->")
    with pytest.raises(UnreadableTranscriptError, match=r"a\.vtt, line 6"):
        read(tmp_path, "a.vtt", content)


def test_words_on_a_time_line_are_said(tmp_path: Path) -> None:
    """Words behind the times of a cue are read, and only settings are left out."""
    content = "1\n00:00:01,000 --> 00:00:02,000 Hello there\n\n2\n00:00:02,000 --> 00:00:03,000 line:90%\nyou\n"
    assert read(tmp_path, "a.srt", content) == "Hello there you"


def test_a_name_on_a_time_line_is_no_setting(tmp_path: Path) -> None:
    """A setting that is a letter has a value; ``A:`` is somebody who speaks. ``region:`` is a setting without its value."""
    content = "1\n00:00:01,000 --> 00:00:02,000 A: Hello\n\n2\n00:00:02,000 --> 00:00:03,000 line:0 region: L: There\n"
    assert read(tmp_path, "a.srt", content) == "A: Hello\n\nL: There"


@each_case(
    ("text", "said"),
    [
        (r"in C:\new or \N", r"in C:\new or \N"),
        ("a List<String> of them", "a List<String> of them"),
        ("where a <b and c> d", "where a <b and c> d"),
        ("#include <stdio.h>", "#include <stdio.h>"),
        ("x < y > z --> w", "x < y > z --> w"),
        ("{sic} and {x: 1}", "{sic} and {x: 1}"),
        ("AT&T, ?a=1&copy=2, &amp;lt; &lt;b&gt;", "AT&T, ?a=1&copy=2, &lt; <b>"),
        ("<think>hm</think>", "<think>hm</think>"),
    ],
)
def test_what_looks_like_markup_is_speech(tmp_path: Path, text: str, said: str) -> None:
    """Only known tags are markup."""
    assert read(tmp_path, "a.srt", srt(text)) == said


@each_case(
    "text",
    [
        "<i>one</i> <b>two</b> <U>three</U>",
        '{\\an8}one <font color="#ff0000" size=2>two</font> three',
        "<c.yellow.bg_blue>one</c> <lang en-GB>two</lang> <ruby>three<rt></rt></ruby>",
        "{\\i1}one{\\i0} two<br/>three",
        '<font face="Monospace">{\\an7}\\h\\h\\hone\\htwo\n\\hthree\\h</font>',
    ],
)
def test_known_tags_go_and_leave_their_words(tmp_path: Path, text: str) -> None:
    """The tags of HTML and WebVTT, and those that .srt borrows from .ass, are removed, and their words stay."""
    assert read(tmp_path, "a.srt", srt(text)) == "one two three"


def test_cues_are_read_by_time(tmp_path: Path) -> None:
    """Whatever their order in the file is; cues of one time keep it."""
    first, second, third = srt("one", "two", "three").split("\n\n")
    assert read(tmp_path, "a.srt", f"{third.strip()}\n\n{first}\n\n{second}") == "one two three"
    same = "1\n00:00:01,000 --> 00:00:02,000\na\n\n2\n00:00:01,000 --> 00:00:02,000\nb\n"
    assert read(tmp_path, "a.srt", same) == "a b"


@each_case(
    ("texts", "said"),
    [
        (("今天我们", "看河流", "和源头。", "Python很好"), "今天我们看河流和源头。Python很好"),
        (("今日は\n川を", "見ます。"), "今日は川を見ます。"),
        (("สวัสดี\nครับ", "วันนี้"), "สวัสดีครับวันนี้"),
        (("안녕\n세계", "여러분"), "안녕 세계 여러분"),
    ],
)
def test_lines_of_scripts_without_spaces_are_joined_without_one(
    tmp_path: Path, texts: tuple[str, ...], said: str
) -> None:
    """Chinese, Japanese and Thai; Korean has spaces."""
    assert read(tmp_path, "a.srt", srt(*texts)) == said


@each_case(
    ("texts", "said"),
    [
        (("Élodie: Bonjour.", "Bo: Salut."), "Élodie: Bonjour.\n\nBo: Salut."),
        (("Élodie: Bonjour.", "Élodie: Je suis là."), "Élodie: Bonjour. Je suis là."),
        (("Ольга: Да.", "Ольга: Нет.", "Иван Петров: Да."), "Ольга: Да. Нет.\n\nИван Петров: Да."),
        (("田中：こんにちは", "田中：はい", "鈴木：どうも"), "田中：こんにちははい\n\n鈴木：どうも"),
        (
            ("[SPEAKER_00]: Hi.", "[SPEAKER_00]: There.", "[SPEAKER_01]: Ho."),
            "[SPEAKER_00]: Hi. There.\n\n[SPEAKER_01]: Ho.",
        ),
        (("One.", "Two.", "Three.", "Note: a.", "Note: b."), "One. Two. Three.\n\nNote: a. Note: b."),
        (("-Why?\n-Because.", ">> Ana: Hi."), "-Why?\n\n-Because.\n\n>> Ana: Hi."),
        (("JOHN:\nHello", "there."), "JOHN: Hello there."),
        (
            ("[SPEAKER_00]\nHello", "[SPEAKER_00]\nthere.", "[SPEAKER_01] Hi."),
            "SPEAKER_00: Hello there.\n\nSPEAKER_01: Hi.",
        ),
        (("spk_0: Hello", "there.", "I am here.", "(laughs)"), "spk_0: Hello there. I am here. (laughs)"),
        (("(sighs)\nHello", "there.", "I am here.", "(laughs)\nYes."), "(sighs) Hello there. I am here. (laughs) Yes."),
    ],
)
def test_turns_begin_paragraphs(tmp_path: Path, texts: tuple[str, ...], said: str) -> None:
    """A new speaker begins a paragraph, in any alphabet; a name that each cue repeats is written once."""
    assert read(tmp_path, "a.srt", srt(*texts)) == said
