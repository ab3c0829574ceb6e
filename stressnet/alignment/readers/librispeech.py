"""The condensed LibriSpeech alignments: one text file per chapter, words only.

Each line is ``utterance "WORDS,WITH,COMMAS" "ends,with,commas"``: only *end* times, and an empty
word is silence. The release's TextGrids hold phones as well and are read as TextGrids. A few
utterances of LibriSpeech are in neither.
"""

from __future__ import annotations

import re
from pathlib import Path

from stressnet.alignment.encoding import nfc, read_text
from stressnet.alignment.readers.options import Alignments, ReadOptions, made_interval, number
from stressnet.errors import AlignmentError
from stressnet.intervals import Alignment

LINE = re.compile(r'\s*(\S+)\s+"([^"]*)"\s+"([^"]*)"\s*$')


def read_condensed(path: Path, options: ReadOptions) -> Alignments:
    """All utterances of a chapter; their alignments have no phones.

    Raises
    ------
    AlignmentError
        If a line is damaged or has more or fewer words than times.
    """
    found: Alignments = {}
    for line, text in enumerate(read_text(path).splitlines(), start=1):
        if not text.strip():
            continue
        match = LINE.match(text)
        if match is None:
            raise AlignmentError(
                f'{path}, line {line}: not \'utterance "WORDS" "ends"\'; the file is damaged or of '
                "another format"
            )
        words, ends = match[2].split(","), match[3].split(",")
        if len(words) != len(ends):
            raise AlignmentError(
                f"{path}, line {line}: {len(words)} words but {len(ends)} times; get the file again"
            )
        ends_s = [number(end, path, line, "end") for end in ends]
        tier = tuple(
            made_interval(start_s, end_s, nfc(word))
            for start_s, end_s, word in zip([0.0, *ends_s[:-1]], ends_s, words, strict=True)
        )
        found[nfc(match[1])] = Alignment(tier, (), source="librispeech-alignments")
    return found
