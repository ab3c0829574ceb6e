"""Conventions of transcripts: what is written in them and is no word.

Each convention is a list of patterns, all of which take linear time. The name of the group that
matched is the rule's name in tables; a function says what is read in its place.

Sources: CHAT, https://talkbank.org/manuals/CHAT.html; marks of the LDC, which FAVE takes over,
https://github.com/JoFrhwld/FAVE/wiki/FAVE-align.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

SOUND = "\ue000"  # Stands for a sound that is no word; of Unicode's private use
DOUBTFUL = "doubtful"  # Rule of what may name a speaker and is read as words
MARKS = ("mark", "speaker", "unclear", "fragment")  # Rules of what `plain` leaves out

_SOUNDS = f" {SOUND} "

_NOISES = (
    "applause|breath|cough|cross ?talk|gasp|inaudible|inhal|exhal|laugh|lip ?smack|music|noise|"
    "pause|sigh|silence|sneez|sniff|throat|unclear|unintelligible|whistl|yawn"
)
_ROLES = "speaker|interviewer|interviewee|participant|subject|informant|respondent"
_FRAGMENT = r"(?P<fragment>(?<![\w'-])[^\W\d_]+-(?=\s|$)(?!\s+(?:and|or)\b))"
_SPEAKER = (
    r"(?P<speaker>^[ \t]*(?:>>[ \t]*)?(?:(?:Mr|Mrs|Ms|Dr|Prof)\.?[ ])?"
    rf"(?:(?-i:[A-Z])[\w.]*|(?:{_ROLES})[ ][\w]{{1,3}}):(?=\s))"
    r"|(?P<doubtful>^[ \t]*(?-i:[A-Z][\w.'-]*(?:[ ][A-Z][\w.'-]*){1,2}:(?=[ \t][^\n]*[a-z])))"
)
_NOISE_IN_PARENTHESES = (
    rf"\((?:[^()\n]{{0,20}}\b)?(?:{_NOISES})[^()\n]{{0,20}}\)"
    rf"|\*(?:[^*\n]{{0,20}}\b)?(?:{_NOISES})[^*\n]{{0,20}}\*"
)
_SQUARE, _CURLY, _ANGLE = r"\[[^\]\n]{0,300}\]", r"\{[^}\n]{0,300}\}", r"<[^>\n]{0,300}>"
_XXX = r"(?P<unclear>(?<!\S)(?:xxx|yyy|www)(?!\w|\.\w))"


@dataclass(frozen=True)
class Rule:
    """A pattern whose named groups say what happened, and what is read for each of them."""

    pattern: re.Pattern[str]
    read: Mapping[str, str | Callable[[str], str]]


def _repeated(text: str) -> str:
    """``word [x 3]`` and ``<some words> [x 3]``."""
    what, _, times = text.rpartition("[x ")
    return " ".join([what.strip().strip("<>")] * int(times[:-1]))


def _filler(text: str) -> str:
    """``&-um`` is a word; ``&um`` was one and ``&fr`` a fragment in older transcripts."""
    word = text.lstrip("&-")
    known = {"ah", "eh", "er", "hm", "hmm", "mm", "uh", "uhm", "um"}
    return word if text.startswith("&-") or word.lower() in known else _SOUNDS


_FLAGS = re.MULTILINE | re.IGNORECASE

PLAIN = Rule(
    re.compile(
        rf"(?P<mark>{_SQUARE}|{_CURLY}|{_ANGLE}|\(\([^)\n]{{0,300}}\)\)|{_NOISE_IN_PARENTHESES})"
        rf"|{_SPEAKER}|{_XXX}|{_FRAGMENT}",
        _FLAGS,
    ),
    dict.fromkeys(("mark", "unclear", "fragment"), _SOUNDS) | {"speaker": " "} | {DOUBTFUL: str},
)

_FAVE = (
    Rule(
        re.compile(
            r"(?P<unclear>\(\(\s{0,9}(?:x{1,4}|\?+|unclear|unintelligible|inaudible)?\s{0,9}\)\))"
            r"|(?P<tag></?\w{1,20}>)"
            rf"|(?P<mark>{_SQUARE}|{_CURLY}|{_ANGLE}|{_NOISE_IN_PARENTHESES})"
            rf"|{_SPEAKER}|(?P<restart>--+)|{_FRAGMENT}",
            _FLAGS,
        ),
        dict.fromkeys(("unclear", "mark", "fragment"), _SOUNDS)
        | dict.fromkeys(("tag", "speaker", "restart"), " ")
        | {DOUBTFUL: str},
    ),
    Rule(re.compile(r"(?P<guess>\(\([^()\n]{1,300}\)\))"), {"guess": lambda mark: mark[2:-2]}),
)

_CHAT = (
    Rule(
        re.compile(
            r"(?P<tier>^[@%][^\n]*(?:\n\t[^\n]*)*)|(?P<time>[\x15•][^\x15•\n]{0,60}[\x15•])", 8
        ),
        {"tier": " ", "time": " "},
    ),
    Rule(
        re.compile(r"(?P<repeated>(?:<[^<>\n]{1,200}>|(?<!\S)[^\s<>\[\]]{1,40}) ?\[x [2-9]\])"),
        {"repeated": _repeated},
    ),
    Rule(
        re.compile(
            r"(?P<speaker>^\*[A-Z0-9]{1,7}:)"
            rf"|(?P<code>{_SQUARE})"
            r"|(?P<event>&[=~+*][^\s<>\[\]]{1,60})|(?P<span>&[{}][nl]=[^\s<>\[\]]{1,60})"
            r"|(?P<filler>&-?[^\W\d_][\w']{0,40})"
            r"|(?P<omitted>(?<!\S)0\S{0,60})"
            r"|(?P<unclear>(?<!\w)(?:xxx|yyy|www|xx|yy)(?:@\w{1,6})?(?!\w))"
            r"|(?P<ending>(?<!\S)\+[.,/!?\"<^+≈≋]{1,5})"
            r"|(?P<pause>\((?:\.{1,3}|[0-9:]{1,6}\.?[0-9]{0,3})\))"
            r"|(?P<shortened>\([^\W\d_']{1,20}\)(?=\w)|(?<=\w)\([^\W\d_']{1,20}\))"
            r"|(?P<form>(?<=\w)(?:@[a-z]{1,4}(?:[:$][\w+&]{1,20})?|\$[a-z:]{1,10}))"
            r"|(?P<prosody>(?<=[^\W\d_])[:^]{1,5}(?=[^\W\d_]|[\s.,!?]|$)|[↑↓ˈˌ≠])"
            rf"|(?P<group>[<>‹›„‡])|{_FRAGMENT}",
            re.MULTILINE,
        ),
        dict.fromkeys("speaker code span omitted ending pause group".split(), " ")
        | dict.fromkeys("event unclear fragment".split(), _SOUNDS)
        | dict.fromkeys("shortened form prosody".split(), "")
        | {"filler": _filler},
    ),
)

CONVENTIONS: Mapping[str, tuple[Rule, ...]] = {
    "plain": (PLAIN,),
    "chat": _CHAT,
    "fave": _FAVE,
    "librispeech": (),
}
"""Rules of each convention; ``librispeech`` holds nothing but words."""
