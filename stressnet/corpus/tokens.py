"""From an aligned utterance to word tokens, by default of disyllables.

A token is one occurrence of a content word: its limits, phones, nuclei, syllable boundaries, and
what is known of its stress and from where.
"""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

from stressnet.corpus.labels import BAD, Labels, StressLabel, check_labels, label_of
from stressnet.corpus.scan import Recording
from stressnet.corpus.tables import columns_of, token_types
from stressnet.corpus.written import is_mark
from stressnet.errors import AlignmentError, CorpusError
from stressnet.intervals import Alignment, Interval
from stressnet.languages import Language, capitals
from stressnet.languages.phones import is_arpabet, is_ipa, is_vowel
from stressnet.lexicon.contrast import ORDINARY, STRESS, Contrast, Wanted
from stressnet.lexicon.dictionary import Dictionary, Entry, Reject
from stressnet.lexicon.part_of_speech import Tagger, stress_by_part_of_speech
from stressnet.lexicon.pronunciation import Pronunciation
from stressnet.lexicon.stress import CLASSES, DISYLLABLES, MOST_SYLLABLES, Stress, WordLengths
from stressnet.lexicon.syllables import Syllables, syllabify

MIN_DURATION_S = 0.1  # Shorter 'words' are alignment errors: no two syllables take less

MAX_DURATION_S = 2.0  # Longer ones are, too; half of it more for each syllable after the second

REJECT_NOT_DISYLLABIC_HERE = "spoken variant is not disyllabic"
REJECT_OTHER_LENGTH_HERE = "spoken variant of another number of syllables"
REJECT_NO_PHONES = "no phones aligned"
REJECT_DURATION = "implausible duration"
REJECT_CONFIDENCE = "alignment not sure enough"
REJECT_PHONE = "a phone is not ARPAbet"
REJECT_NO_IPA = "a phone is not IPA"
REJECT_MARK = "a mark that nobody says"
REJECT_TABLE = "BAD in the label table"
REJECT_NO_CLASS = "no {} in the label table"
REJECT_STRESS = "stress is not {}"
REJECT_STRESS_UNKNOWN = "stress that shifts or is not known"

MAX_SHARE_OF_FOREIGN_PHONES = 0.2  # With more, all of the recording is refused

LABEL_TABLE = "table"
LABEL_ALIGNER = "aligner"
LABEL_PART_OF_SPEECH = "part_of_speech"
LABEL_AGREEMENT = "agreement"

_PUNCTUATION = ' \t.,;:!?"“”„«»()[]…–—-'


@dataclass(frozen=True)
class Token:
    """One word token; times are seconds in the recording."""

    token_id: str  # `<utterance>_<word index>_<WORD>`
    utterance_id: str
    speaker: str
    sex: str
    word: str
    word_index: int
    start_s: float
    end_s: float
    phones: tuple[Interval, ...]  # ARPAbet with stress digits where known
    nuclei: tuple[int, ...]  # Indices of the vowels among the phones
    starts: tuple[int, ...]  # Index of every syllable's first phone
    # The label; None where nothing decides (a reading that varies between speakers).
    stress: Stress | None
    # `table` (a person's decision) before `lexicon`; for words that shift their stress
    # `part_of_speech` (in the sentence) before `aligner` (the variant it chose); for others with
    # two readings `agreement`: the dictionary's first one, if the aligner chose it, too.
    label_source: str
    lexicon_stress: str  # A class, or `BOTH`
    # What the aligned variant's digits say: independent evidence for minimal pairs.
    aligner_stress: Stress | None
    is_minimal_pair: bool
    is_prosody_only_pair: bool
    dictionary_variant: int
    n_dictionary_variants: int
    aligner: str
    alignment_confidence: float
    table_stress: str = ""  # A person's decision, `""` if there is none
    part_of_speech: str = ""  # In its sentence, `""` without a tagger
    pos_stress: Stress | None = None  # What that says of a word with both readings
    # What espeak-ng says where a lexicon or a user's dictionary decides.
    espeak_stress: Stress | None = None
    value: str = ""  # Its class in another contrast than stress

    @property
    def label_agreement(self) -> str | None:
        """Whether the sources that know better than chance agree.

        ``agree`` or ``disagree`` if two or more of table, lexicon (for words with one reading),
        part of speech, aligner and espeak-ng (beside a lexicon) say something; ``single`` if one
        does; None if none.
        """
        lexicon = "" if self.lexicon_stress == "BOTH" else self.lexicon_stress
        votes = [self.table_stress, lexicon, self.pos_stress, self.aligner_stress]
        stresses = [str(vote) for vote in (*votes, self.espeak_stress) if vote]
        if len(stresses) < 2:
            return "single" if stresses else None
        return "agree" if len(set(stresses)) == 1 else "disagree"

    @property
    def syllables(self) -> list[tuple[float, float, tuple[Interval, ...]]]:
        """Start, end and phones of every syllable; the first and last are as long as the word."""
        limits_s = [self.start_s, *(self.phones[k].start_s for k in self.starts[1:]), self.end_s]
        indices = [*self.starts, len(self.phones)]
        return [
            (start_s, end_s, self.phones[first:last])
            for (start_s, end_s), (first, last) in zip(
                pairwise(limits_s), pairwise(indices), strict=True
            )
        ]

    @property
    def duration_s(self) -> float:
        """Length of the word."""
        return self.end_s - self.start_s

    @property
    def pronunciation(self) -> str:
        """Labels of its phones."""
        return " ".join(phone.label for phone in self.phones)


class NotToken(NamedTuple):
    """A word that is no token, as a row of ``not_tokens.parquet``; times in seconds."""

    utterance_id: str
    word_index: int
    word: str
    start_s: float
    end_s: float
    reason: str


def _decide(
    entry: Entry,
    aligned: Stress | None,
    table: StressLabel | None,
    by_part_of_speech: Stress | None = None,
) -> tuple[Stress | None, str]:
    """The label and its source; see :class:`Token`."""
    if table is not None and table.stress:
        return (None if table.stress == "VARIES" else Stress(table.stress)), LABEL_TABLE
    if entry.stress is not None:
        return entry.stress, entry.source
    if not entry.shifts:  # the second reading may be another name or a slip, see shifting.txt
        return (aligned if aligned is entry.commoner else None), LABEL_AGREEMENT
    if by_part_of_speech is not None:
        return by_part_of_speech, LABEL_PART_OF_SPEECH
    return aligned, LABEL_ALIGNER


def _variant(entry: Entry, phones: tuple[Interval, ...]) -> int:
    """Index of the variant with these phones, exactly or else without digits; -1 if none."""
    spoken = Pronunciation(tuple(phone.label for phone in phones))
    phones_of_each = [variant.phones for variant in entry.variants]
    if spoken.phones in phones_of_each:
        return phones_of_each.index(spoken.phones)
    segments_of_each = [variant.segments for variant in entry.variants]
    return segments_of_each.index(spoken.segments) if spoken.segments in segments_of_each else -1


def word_key(label: str) -> str:
    """A word's label as the dictionary writes it: upper case, no punctuation around it."""
    return capitals(label.replace("’", "'").strip(_PUNCTUATION))


def check_phones(recording: Recording, alignment: Alignment) -> None:
    """Raise :class:`AlignmentError` if many phones are not of the language's set, or of another."""
    phones, language = alignment.spoken_phones(), recording.language
    foreign = [phone for phone in phones if not language.is_phone(phone.label)]
    other = is_ipa if language.is_english else is_arpabet
    of_other = [
        p for p in foreign if other(p.label) and not (language.is_english and p.label.isascii())
    ]
    if not of_other and len(foreign) <= MAX_SHARE_OF_FOREIGN_PHONES * len(phones):
        return
    own, others = ("ARPAbet", "IPA") if language.is_english else ("IPA", "ARPAbet")
    odd = ", ".join(list(dict.fromkeys(phone.label for phone in of_other))[:5])
    which = "an ARPAbet" if language.is_english else f"a {language.name} IPA"
    raise AlignmentError(
        f"{recording.alignment_path or recording.audio_path}: phone '{foreign[0].label}' at "
        f"{foreign[0].start_s:.3f} s is not {own} ({len(foreign)} of {len(phones)} phones "
        f"are not{f', some are {others}: {odd}' * bool(odd)}); align with {which} dictionary and "
        f"model, in the Montreal Forced Aligner {language.mfa or 'those of its language'}, or name "
        f"the language with --language"
    )


def find_tokens(
    recording: Recording,
    alignment: Alignment,
    dictionary: Dictionary,
    labels: Labels,
    function_words: frozenset[str] | None = None,
    tagger: Tagger | None = None,
    wanted: Wanted = ORDINARY,
) -> tuple[list[Token], list[NotToken]]:
    """Content words of one utterance that are long enough, and its others, both in time order.

    ``labels`` are a person's decisions; ``function_words`` stand instead of the shipped list; the
    ``tagger`` gives parts of speech, from which the stress of words with both readings follows;
    ``wanted`` says which words are tokens.
    """
    words, lengths = alignment.spoken_words(), wanted.lengths
    spoken = tuple(word_key(word.label) for word in words)
    if recording.words and spoken != recording.words:
        raise AlignmentError(
            f"{recording.audio_path}: the alignment has {len(spoken)} words, the transcript "
            f"{len(recording.words)}, and they differ; align it again"
        )
    check_labels(recording.utterance_id, spoken, labels)
    check_phones(recording, alignment)
    all_phones = tuple(sorted(alignment.spoken_phones(), key=lambda phone: phone.middle_s))
    middles_s = [phone.middle_s for phone in all_phones]
    tags = tagger(spoken) if tagger is not None else []
    tokens: list[Token] = []
    rejected: list[NotToken] = []

    for index, word in enumerate(words):
        entry = dictionary.entry(spoken[index], function_words, lengths)
        first, last = bisect_left(middles_s, word.start_s), bisect_left(middles_s, word.end_s)
        phones = all_phones[first:last]
        table = label_of(labels, recording.utterance_id, index)
        reason = _no_token(word, entry, phones, dictionary.language, lengths)
        reason = _by_table(entry, table, wanted, reason)
        sure = alignment.confidence[index] if alignment.confidence else float("nan")
        if not reason and sure < wanted.min_confidence:
            reason = REJECT_CONFIDENCE
        if reason or not isinstance(entry, Entry):
            label = word.label if reason == REJECT_MARK else spoken[index]
            rejected.append(
                NotToken(recording.utterance_id, index, label, word.start_s, word.end_s, reason)
            )
            continue
        _check_class(
            table, f"{spoken[index]} (word {index} of '{recording.utterance_id}')", lengths
        )
        parts = syllabify([phone.label for phone in phones], dictionary.language)
        aligned = Pronunciation(tuple(phone.label for phone in phones)).stress(lengths)
        by_tag = None
        if tags and entry.is_minimal_pair and lengths == DISYLLABLES:
            by_tag = stress_by_part_of_speech(spoken, tags, index)
        stress, source = _decide(entry, aligned, table, by_tag)
        tokens.append(
            Token(
                token_id=f"{recording.utterance_id}_{index:03d}_{entry.word}",
                utterance_id=recording.utterance_id,
                speaker=recording.speaker,
                sex=recording.sex,
                word=entry.word,
                word_index=index,
                start_s=word.start_s,
                end_s=word.end_s,
                phones=phones,
                nuclei=parts.nuclei,
                starts=parts.starts,
                stress=stress,
                label_source=source,
                lexicon_stress="BOTH" if entry.stress is None else entry.stress.value,
                aligner_stress=aligned,
                is_minimal_pair=entry.is_minimal_pair,
                is_prosody_only_pair=entry.is_prosody_only,
                dictionary_variant=_variant(entry, phones),
                n_dictionary_variants=len(entry.variants),
                aligner=alignment.source,
                alignment_confidence=sure,
                table_stress=table.stress if table is not None else "",
                part_of_speech=tags[index].value if tags else "",
                pos_stress=by_tag,
                espeak_stress=entry.espeak_stress,
                value=table.value if table is not None else "",
            )
        )
    return tokens, rejected


def _check_class(table: StressLabel | None, where: str, lengths: WordLengths) -> None:
    if table is not None and table.stress in set(Stress) - set(lengths.classes):
        raise CorpusError(
            f"{table.table}: {where} is {table.stress}, but words of {lengths} syllables are "
            f"{' or '.join(lengths.classes)}; correct it"
        )


def _by_table(entry: Entry | Reject, table: StressLabel | None, wanted: Wanted, reason: str) -> str:
    """Why a word is no token, after a look at the label table."""
    if table is not None and table.stress == BAD:
        return REJECT_TABLE
    if reason or not isinstance(entry, Entry) or wanted.contrast.is_stress:
        return reason
    return no_class(entry, table, wanted)


def no_class(entry: Entry, table: StressLabel | None, wanted: Wanted) -> str:
    """Why a word is no token of another contrast than stress; empty if it is one."""
    if table is None or not table.value:
        return REJECT_NO_CLASS.format(wanted.contrast.column)
    stress = table.stress or entry.stress
    if entry.is_minimal_pair or stress not in CLASSES:
        return REJECT_STRESS_UNKNOWN
    return (
        REJECT_STRESS.format(wanted.only_stress) if wanted.only_stress not in ("", stress) else ""
    )


def _no_token(
    word: Interval,
    entry: Entry | Reject,
    phones: tuple[Interval, ...],
    language: Language,
    lengths: WordLengths,
) -> str:
    """Why a word is no token; empty if it is one."""
    if is_mark(word.label):
        return REJECT_MARK
    if not isinstance(entry, Entry):
        return entry.value
    if not all(language.is_phone(phone.label) for phone in phones):
        return REJECT_PHONE if language.is_english else REJECT_NO_IPA
    n_syllables = sum(is_vowel(phone.label) for phone in phones)
    if n_syllables not in lengths:
        other = REJECT_OTHER_LENGTH_HERE
        here = REJECT_NOT_DISYLLABIC_HERE if lengths == DISYLLABLES else other
        return here if phones else REJECT_NO_PHONES
    shortest_s, longest_s = (k * n_syllables / 2 for k in (MIN_DURATION_S, MAX_DURATION_S))
    return "" if shortest_s <= word.duration_s <= longest_s else REJECT_DURATION


def token_row(token: Token, contrast: Contrast = STRESS) -> dict[str, object]:
    """A token as one row of ``tokens.parquet``; the phones have their own table."""
    row = columns_of(token, token_types())
    row |= {} if contrast.is_stress else {contrast.column: token.value}
    row |= {name: row[name] or None for name in ("table_stress", "part_of_speech")}
    for number, (index, syllable) in enumerate(
        zip(token.nuclei, token.syllables, strict=True), start=1
    ):
        name, nucleus = f"nucleus_{number}", token.phones[index]
        row |= {name: nucleus.label}
        row |= {f"{name}_start_s": nucleus.start_s, f"{name}_end_s": nucleus.end_s}
        if number > 1:
            row["boundary_s" if number == 2 else f"boundary_{number - 1}_s"] = syllable[0]
    return row


def phone_rows(token: Token) -> list[dict[str, object]]:
    """A token's phones as rows of ``phones.parquet``."""
    parts = Syllables(token.nuclei, token.starts)
    return [
        {
            "token_id": token.token_id,
            "phone_index": index,
            "phone": phone.label,
            "start_s": phone.start_s,
            "end_s": phone.end_s,
            "syllable": parts.syllable_of(index),
            "role": parts.role_of(index),
        }
        for index, phone in enumerate(token.phones)
    ]


def span_of(row: Mapping[Any, Any], start: str, end: str) -> tuple[float, float]:
    """Two of a token's times, in the time of its excerpt."""
    return row[start] - row["excerpt_start_s"], row[end] - row["excerpt_start_s"]


def vowel_spans(row: Mapping[Any, Any]) -> list[tuple[float, float]]:
    """Where a token's vowels are in its excerpt; missing values are of shorter words."""
    vowels = [f"nucleus_{k}" for k in range(1, MOST_SYLLABLES + 1)]
    known = [name for name in vowels if isinstance(row.get(f"{name}_start_s"), float)]
    spans = (span_of(row, f"{name}_start_s", f"{name}_end_s") for name in known)
    return [span for span in spans if span[0] == span[0]]


def syllable_limits(row: Mapping[Any, Any]) -> list[float]:
    """Start of the word, its syllable boundaries and its end, in seconds of the recording."""
    names = ["boundary_s", *(f"boundary_{k}_s" for k in range(2, MOST_SYLLABLES))]
    boundaries = [row[name] for name in names if row.get(name) is not None]
    return [row["start_s"], *(b for b in boundaries if b == b), row["end_s"]]
