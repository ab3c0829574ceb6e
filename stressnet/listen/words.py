"""Words of two syllables with their sound, of single recordings and of corpora."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stressnet.audio import Audio, read_audio
from stressnet.corpus.store import Corpus
from stressnet.errors import AlignmentError, CorpusError, LexiconError
from stressnet.intervals import Alignment, Interval
from stressnet.languages import capitals, language
from stressnet.lexicon.stress import Stress
from stressnet.regions.scene import TokenTimes
from stressnet.stages.predict.alignments import UNKNOWN_WORD, align_words, alignment_of

if TYPE_CHECKING:
    from stressnet.acoustics.spectrogram import TokenSpectrogram
    from stressnet.acoustics.track_types import Tracks


@dataclass(frozen=True, eq=False)
class Word:
    """A word of two syllables with its sound; made by :func:`load_word` and :func:`open_corpus`.

    Parameters
    ----------
    label : str
        The word in upper case; empty if unknown.
    audio : Audio
        Its sound with a quarter of a second around it.
    start_s, end_s : float
        Its limits in ``audio``.
    times : TokenTimes or None
        Its phones, nuclei and syllables in seconds from its onset; None if unknown. Its class is
        the label of a corpus; a recording says none.
    source : str
        The recording, or the token's id.
    speaker : str
    stored_tracks : callable
        Gives its tracks in a corpus; None if there are none.

    Examples
    --------
    >>> word = stressnet.load_word("permit.wav", word="permit")
    >>> [phone.label for phone in word.times.phones]
    ['P', 'ER0', 'M', 'IH1', 'T']
    """

    label: str
    audio: Audio = field(repr=False)
    start_s: float
    end_s: float
    times: TokenTimes | None = field(repr=False, default=None)
    source: str = ""
    speaker: str = ""
    stored_tracks: Callable[[], Tracks | None] = field(repr=False, default=lambda: None)

    @property
    def stress(self) -> Stress | None:
        """Its labelled class, if there is one."""
        return None if self.times is None else self.times.stress

    @cached_property
    def tracks(self) -> Tracks:
        """Formants and F0 from its onset, of the corpus or else with settings from this word."""
        stored = self.stored_tracks()
        if stored is not None:
            return stored
        from stressnet.acoustics.speakers import speaker_settings, tracks_of

        sound = self.audio.samples, self.audio.rate_hz
        return tracks_of(*sound, speaker_settings([sound]), origin_s=self.start_s)

    def image(self, preset: dict[str, Any]) -> TokenSpectrogram:
        """Its spectrogram under the parameters of a preset."""
        from stressnet.acoustics.spectrogram import SpectrogramPreset
        from stressnet.acoustics.token_image import image_in_excerpt

        made = SpectrogramPreset.from_dict(preset)
        return image_in_excerpt(made, self.audio, self.start_s, self.end_s)

    def _repr_html_(self) -> str:
        return f"<p>{self!r}</p>{player(self.audio)}"


class OpenedCorpus(Corpus):
    """A built corpus whose tokens are words; made by :func:`open_corpus`."""

    def words(self, word: str | None = None) -> list[Word]:
        """The tokens of a word, or all tokens, in the order of ``tokens.parquet``."""
        rows = self.tokens
        if word is not None:
            rows = rows[rows["word"] == capitals(word)]
        return [self._word(row) for _, row in rows.iterrows()]

    def word(self, token_id: str) -> Word:
        """The token of an id; a `CorpusError` if there is none."""
        rows = self.tokens[self.tokens["token_id"] == token_id]
        if rows.empty:
            raise CorpusError(f"{self.path}: no token '{token_id}'; see tokens.parquet")
        return self._word(rows.iloc[0])

    def _word(self, row: Any) -> Word:
        from stressnet.corpus.tokens import span_of
        from stressnet.regions.from_corpus import token_times
        from stressnet.report.word_data import tracks_of_token

        token_id = str(row["token_id"])
        return Word(
            str(row["word"]),
            self.excerpt(token_id),
            *span_of(row, "start_s", "end_s"),
            token_times(self, token_id, row),
            token_id,
            str(row["speaker"]),
            partial(tracks_of_token, self, token_id),
        )


def load_word(
    recording: Path | str,
    word: str | None = None,
    *,
    textgrid: Path | str | None = None,
    transcript: Path | str | None = None,
    occurrence: int = 1,
    aligner: str | None = None,
    language: str = "en",
) -> Word:
    """A word of a recording, of any kind that ``stressnet predict`` reads.

    Parameters
    ----------
    word : str, optional
        The word. If nothing else is known of the recording, it says just this. Left out, it is the
        only word of two syllables in the recording.
    textgrid, transcript : Path or str, optional
        Where the words are, or which they are; what lies beside the recording under its name is
        found by itself. The aligner is only for recordings with a transcript.
    occurrence : int
        Which, if the word is said several times.
    language : str
        Code of the language, see ``stressnet languages``.

    Raises
    ------
    StressnetError
        If the recording cannot be read or aligned, or does not hold the word. What is only doubtful
        is a warning.

    Examples
    --------
    >>> stressnet.load_word("permit.wav", word="permit").label
    'PERMIT'
    """
    from stressnet.runs.problems import Problem
    from stressnet.runs.work import Progress
    from stressnet.stages.predict.sources import sources_of

    path = Path(recording)
    alignments, transcripts = (place and Path(place) for place in (textgrid, transcript))
    (source,) = sources_of([path], alignments or None, transcripts or None, code=language)
    if source.alignment is None and not source.words and word is not None:
        (source,) = sources_of([path], text=word, code=language)
    doubts: list[Problem] = []
    aligned = align_words([source], aligner, None, doubts, Progress(verbose=False), jobs=0)
    audio = read_audio(path)
    alignment = alignment_of(source, audio, aligned, doubts)
    for doubt in doubts:
        warnings.warn(doubt.reason, stacklevel=2)
    chosen = _chosen(path, alignment, word, occurrence, language)
    return _cut(audio, alignment, chosen, path, language)


def open_corpus(path: Path | str) -> OpenedCorpus:
    """A corpus of ``stressnet build-corpus``.

    Raises
    ------
    CorpusError
        If it is not a finished corpus.

    Examples
    --------
    >>> corpus = stressnet.open_corpus("corpus")
    >>> words = corpus.words(corpus.tokens["word"].iloc[0])
    >>> stressnet.load_network()(words[0]).stress.value in ("INITIAL", "FINAL")
    True
    """
    return OpenedCorpus.checked(path)  # type: ignore[return-value]


def _chosen(
    path: Path, alignment: Alignment, word: str | None, occurrence: int, code: str
) -> Interval:
    """The word that is asked for, among those that ``predict`` would not skip."""
    from stressnet.corpus.tokens import word_key
    from stressnet.stages.predict.words import skip_reasons

    words = skip_reasons(alignment, True, language(code))
    if word is not None and not any(w.label == UNKNOWN_WORD for w, _ in words):
        words = [(w, why) for w, why in words if word_key(w.label) == word_key(word)]
    usable = [w for w, reason in words if not reason]
    if not 1 <= occurrence <= len(usable) or (word is None and len(usable) > 1):
        reasons = sorted({reason for _, reason in words if reason})
        said = f"'{word}' with two syllables" if word else "words of two syllables"
        raise AlignmentError(
            f"{path}: {len(usable)} {said}{f' ({reasons[0]})' if reasons and not usable else ''}; "
            f"say which with word and occurrence (from 1)"
        )
    return usable[occurrence - 1]


def _cut(audio: Audio, alignment: Alignment, chosen: Interval, path: Path, code: str) -> Word:
    """A word of a recording as a corpus would hold it."""
    from stressnet.acoustics.token_image import excerpt_of
    from stressnet.corpus.tokens import word_key
    from stressnet.lexicon.syllables import syllabify

    excerpt, origin_s = excerpt_of(audio, chosen.start_s, chosen.end_s)
    phones, times = alignment.phones_of(chosen), None
    label = "" if chosen.label == UNKNOWN_WORD else word_key(chosen.label)
    if phones:
        labels = [phone.label for phone in phones]
        parts = syllabify(labels, language(code))
        if len(parts.nuclei) != 2:
            raise LexiconError(f"'{' '.join(labels)}' has {len(parts.nuclei)} vowels, not two")
        times = TokenTimes.from_phones(
            phones,
            parts.nuclei,
            parts.starts,
            None,
            origin_s=chosen.start_s,
            word=replace(chosen, label=label),
            language=code,
        )
    within = chosen.start_s - origin_s, chosen.end_s - origin_s
    return Word(label, excerpt, *within, times, str(path))


def player(audio: Audio) -> str:
    """A player for a notebook, as HTML."""
    import soundfile

    sound = io.BytesIO()
    soundfile.write(sound, audio.samples, audio.rate_hz, format="WAV", subtype="PCM_16")
    return f'<audio controls src="{data_url("audio/wav", sound)}"></audio>'


def data_url(kind: str, data: io.BytesIO) -> str:
    """Data as an address that holds them."""
    return f"data:{kind};base64,{base64.b64encode(data.getvalue()).decode()}"
