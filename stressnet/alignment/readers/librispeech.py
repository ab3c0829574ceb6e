"""The condensed LibriSpeech alignments: one text file per chapter, words only.

Each line is ``utterance "WORDS,WITH,COMMAS" "ends,with,commas"``: only *end* times, and an empty
word is silence. The release's TextGrids hold phones as well and are read as TextGrids. A few
utterances of LibriSpeech are in neither.
"""

import re
from pathlib import Path

from stressnet.alignment.encoding import finite_number, made_interval, nfc, numbered_lines
from stressnet.alignment.readers.options import Alignments, ReadOptions
from stressnet.errors import AlignmentError
from stressnet.intervals import Alignment

LINE = re.compile(r'\s*(\S+)\s+"([^"]*)"\s+"([^"]*)"\s*$')


def read_condensed(path: Path, options: ReadOptions) -> Alignments:
    """All utterances of a chapter; their alignments have no phones."""
    alignments = Alignments()
    for place, line in numbered_lines(path):
        match = LINE.match(line)
        if match is None:
            raise AlignmentError(
                f'{place}: not \'utterance "WORDS" "ends"\'; the file is damaged or of '
                "another format"
            )
        words, ends = match[2].split(","), match[3].split(",")
        if len(words) != len(ends):
            raise AlignmentError(
                f"{place}: {len(words)} words but {len(ends)} times; get the file again"
            )
        ends_s = [finite_number(end, place, "end") for end in ends]
        tier = tuple(
            made_interval(start_s, end_s, word, place)
            for start_s, end_s, word in zip([0.0, *ends_s[:-1]], ends_s, words, strict=True)
        )
        alignments[nfc(match[1])] = Alignment(tier, (), source="librispeech-alignments")
    return alignments
