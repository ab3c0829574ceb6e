"""What a build would make of recordings, as far as that can be told without aligning them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from stressnet.corpus.building.given import Given, pronounceable, speakable
from stressnet.corpus.labels import BAD, Labels, StressLabel, label_of
from stressnet.corpus.scan import Recording
from stressnet.corpus.splits import SETS, check_speakers
from stressnet.corpus.tokens import find_tokens, no_class
from stressnet.errors import CorpusError
from stressnet.languages import ENGLISH
from stressnet.lexicon.contrast import ORDINARY, Wanted
from stressnet.lexicon.dictionary import Dictionary, Entry, Reject
from stressnet.lexicon.families import word_families
from stressnet.lexicon.stress import DISYLLABLES

MOST_UNKNOWN = 1 / 3  # Ordinary share of words outside the dictionary: names, compounds, slips

MANY_WORDS = 20  # Speakers with fewer words are not judged alone
LANGUAGE = "language"  # Stage of the warning that words may be of another language
FEW_TOKENS = 500  # Fewer tokens of a class are called few: a guide, not a measured limit


@dataclass
class Expected:
    """Tokens that a build would find: speaker, word, and class by a label table or the dictionary.

    The class is None for words with both readings, which part of speech and aligner decide.
    `unknown` counts words that are not in the dictionary, by speaker; `never` holds utterance,
    index and spelling of words that can be no tokens, and the reason. `sources` counts alignments
    with phones by format and, in brackets, the set of their phones.
    """

    wanted: Wanted = ORDINARY

    words: list[tuple[str, str, str | None]] = field(default_factory=list)
    unknown: Counter[str] = field(default_factory=Counter)
    never: list[tuple[str, int, str, str]] = field(default_factory=list)
    sources: Counter[str] = field(default_factory=Counter)

    def add(
        self,
        recording: Recording,
        given: Given | None,
        dictionary: Dictionary,
        labels: Labels,
        function_words: frozenset[str] | None = None,
    ) -> Given:
        """Count the tokens of a recording, and say what the build would align or take.

        `given` is what a build makes of the alignment that came with it; all else is as for
        `stressnet.corpus.tokens.find_tokens`.
        """
        given = given or Given(None, recording.words)

        def entries_of(words: Sequence[str]) -> list[Entry | Reject]:
            return [dictionary.entry(word, function_words, self.wanted.lengths) for word in words]

        if given.alignment is None:
            entries = entries_of(given.words)
            self.unknown[recording.speaker] += entries.count(Reject.NOT_IN_DICTIONARY)
            given = speakable(recording, pronounceable(recording, given, dictionary), dictionary)
            entries = entries_of(given.words)
            bad = {index for (_, index), label in labels.items() if label.stress == BAD}
            self.words += [
                (recording.speaker, e.word, one)
                for index, e in enumerate(entries)
                if isinstance(e, Entry) and index not in bad
                for one in self._classes_of(e, label_of(labels, recording.utterance_id, index))
            ]
            self.never += [
                (recording.utterance_id, index, word, entry.value)
                for index, (word, entry) in enumerate(zip(given.words, entries, strict=True))
                if labels and isinstance(entry, Reject)
            ]
            return given
        self.sources[given.alignment.source] += 1
        tokens, rejected = find_tokens(
            recording, given.alignment, dictionary, labels, function_words, wanted=self.wanted
        )
        unknown = [word for word in rejected if word.reason == Reject.NOT_IN_DICTIONARY]
        self.unknown[recording.speaker] += len(unknown)
        self.never += [
            (word.utterance_id, word.word_index, word.word, word.reason)
            for word in rejected
            if labels and word.reason in set(Reject)
        ]
        self.words += [
            (t.speaker, t.word, t.value or (None if t.label_source == "aligner" else t.stress))
            for t in tokens
        ]
        return given

    def _classes_of(self, entry: Entry, label: StressLabel | None) -> list[str | None]:
        """The class of a word, if it is a token."""
        if self.wanted.contrast.is_stress:
            return [entry.stress]
        return [] if no_class(entry, label, self.wanted) or not label else [label.value]

    @property
    def language_warnings(self) -> list[str]:
        """What a build of disyllables would say of words that may be of another language."""
        if self.wanted.lengths != DISYLLABLES:
            return []
        return language_warnings(self.unknown, Counter(speaker for speaker, _, _ in self.words))

    @property
    def counts(self) -> Counter[str | None]:
        """Tokens per class."""
        return Counter(stress for _, _, stress in self.words)

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of the corpus that would be built."""
        return self.wanted.contrast.among(self.counts)

    def training(self, code: str = ENGLISH) -> str:
        """Whether this is enough to train and test a network on, in words, in a language."""
        if not self.words:
            kind = self.wanted.lengths.adjective
            return f"no, there is no {kind} content word, without which build-corpus stops"
        try:
            check_speakers(len({speaker for speaker, _, _ in self.words}))
        except CorpusError as error:
            return f"no, {error}"
        families = word_families({word for _, word, _ in self.words}, code)
        for one in self.classes:
            n = len({families[word] for _, word, known in self.words if known == one})
            if n < len(SETS):
                return (
                    f"no, {n} word famil{'y' if n == 1 else 'ies'} with "
                    f"{self.wanted.contrast.column} {one}: too few "
                    f"for word-disjoint sets, which need {len(SETS)}; use --no-splits to build "
                    f"without them"
                )
        fewest = min(self.counts[stress] for stress in self.classes)
        if fewest < FEW_TOKENS:
            return f"yes, but {fewest} tokens of a class are few; try for {FEW_TOKENS}"
        return "yes"


def unknown_words(n_unknown: int, n_tokens: int) -> str:
    """A warning if so many words are in no dictionary that they may be of another language.

    These become tokens where English has a name or word that is spelled alike. ``n_tokens`` are
    disyllabic content words that are in the dictionary; up to :data:`MOST_UNKNOWN` there is no
    warning (empty).
    """
    n = n_unknown + n_tokens
    if n_unknown <= MOST_UNKNOWN * n:
        return ""
    return (
        f"{n_unknown} words are not in the dictionary, and only {n_tokens} words of two syllables "
        f"are; is this English? Name the language with --language (see 'stressnet languages'), or "
        f"give a pronunciation dictionary of it with --dictionary"
    )


def language_warnings(unknown: Counter[str], tokens: Counter[str]) -> list[str]:
    """Warnings if words may be of another language, of the corpus or else of single speakers.

    Both count by speaker what :func:`unknown_words` counts.
    """
    of_all = unknown_words(unknown.total(), tokens.total())
    if of_all:
        return [of_all]
    warnings = []
    for speaker in sorted(unknown):
        text = unknown_words(unknown[speaker], tokens[speaker])
        if text and unknown[speaker] + tokens[speaker] >= MANY_WORDS:
            warnings.append(f"speaker '{speaker}': {text}")
    return warnings


def expected_text(expected: Expected, speakers: Sequence[str], code: str = ENGLISH) -> str:
    """Tokens per class, speakers, and whether that is enough, a line each."""
    counts = expected.counts
    names = sorted(set(speakers))
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return "\n".join(
        [
            *(f"WARNING: {warning}" for warning in expected.language_warnings),
            *(f"phones of {n} recordings: {s}" for s, n in expected.sources.items() if "(" in s),
            f"speakers: {len(names)} ({', '.join(names[:5])}{more})",
            f"expected tokens: {', '.join(f'{counts[s]} {s}' for s in expected.classes)}, "
            f"{counts[None]} of words with both readings"
            if expected.wanted.contrast.is_stress
            else f"expected tokens: {', '.join(f'{counts[s]} {s}' for s in expected.classes)}",
            f"enough to train: {expected.training(code)}",
        ]
    )
