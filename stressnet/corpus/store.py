"""A built corpus on disk, opened lazily; ``docs/data-dictionary.md`` lists files and columns."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stressnet.audio import Audio, read_audio
from stressnet.corpus.images import Images, read_images, stack_images
from stressnet.corpus.tables import (
    PHONE_TYPES,
    SPLIT_TYPES,
    STRETCH_TYPES,
    check_types,
    token_types,
)
from stressnet.errors import CorpusError
from stressnet.intervals import Interval
from stressnet.languages import ENGLISH, language
from stressnet.lexicon.contrast import Contrast
from stressnet.lexicon.stress import DISYLLABLES, MOST_SYLLABLES, WordLengths
from stressnet.runs.checks import check_files
from stressnet.runs.manifest import read_manifest
from stressnet.runs.names import inside, safe_name
from stressnet.runs.tables import open_parquet, read_table

if TYPE_CHECKING:
    import pandas as pd

TOKENS, PHONES, TRACKS = "tokens.parquet", "phones.parquet", "tracks.parquet"
NOT_TOKENS = "not_tokens.parquet"

LONGER_WORDS = "longer_words"  # Folder of the stretches of longer words, in the layout of a corpus

_ROWS_AT_A_TIME = 512


@dataclass(frozen=True)
class Selection:
    """Some rows of a token table, in its order, with the image's row as column ``image``."""

    tokens: pd.DataFrame

    @property
    def image_index(self) -> NDArray[np.intp]:
        """Rows of the tokens' images."""
        return self.tokens["image"].to_numpy()

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass(frozen=True)
class StoredToken:
    """A token of a corpus: its row of ``tokens.parquet`` (missing values None), phones and sound.

    Times of ``phones`` are in seconds of the recording; the excerpt ``audio`` starts at
    ``row["excerpt_start_s"]`` of it.
    """

    row: dict[str, Any]
    phones: tuple[Interval, ...]
    audio: Audio | None


class Corpus:
    """A corpus folder and its manifest; nothing else is read until asked for."""

    def __init__(self, path: Path, manifest: dict[str, Any]) -> None:
        self.path = path
        self.manifest = manifest

    @classmethod
    def open(cls, path: Path | str) -> Corpus:
        """Open a corpus folder; a `CorpusError` if it is not finished, or a table is missing."""
        path = Path(path)
        manifest = read_manifest(path, "corpus")
        for name in (TOKENS, PHONES):
            if not (path / name).is_file():
                raise CorpusError(f"{path}: {name} is missing; build the corpus again")
        return cls(path, manifest)

    @classmethod
    def checked(cls, path: Path | str) -> Corpus:
        """Open a corpus of disyllables for their stress as :meth:`of_any_length` does."""
        corpus = cls.of_disyllables(path)
        corpus.contrast.only_stress(path, CorpusError)
        return corpus

    @classmethod
    def of_disyllables(cls, path: Path | str) -> Corpus:
        """Open a corpus of disyllables, of any contrast, or raise."""
        corpus = cls.of_any_length(path)
        if corpus.lengths != DISYLLABLES:
            raise CorpusError(
                f"{path}: holds words of {corpus.lengths} syllables, and this is only done for "
                f"disyllables; see docs/languages.md, 'Longer words', for what can be done"
            )
        return corpus

    @classmethod
    def of_any_length(cls, path: Path | str) -> Corpus:
        """Open a corpus folder, read its token table and check the types of its columns."""
        corpus = cls.open(path)
        check_files(corpus.path)
        _ = corpus.name, corpus.fingerprint
        types = token_types(MOST_SYLLABLES, corpus._named)
        check_types(corpus.path / TOKENS, {**types, **SPLIT_TYPES})
        check_types(corpus.path / PHONES, PHONE_TYPES)
        _ = corpus.tokens
        return corpus

    @property
    def _first_source(self) -> dict[str, Any]:
        """Parameters of its build, or of the first one of several that were merged."""
        parameters = self.manifest["parameters"]
        return (parameters.get("sources") or [parameters])[0]

    @property
    def name(self) -> str:
        """The recipe's name."""
        return str(self.manifest["parameters"]["recipe"])

    @property
    def title(self) -> str:
        """The name for headings, with the language if it is not English.

        A corpus whose recipe is the general one is called as its folder.
        """
        spoken = language(self.language)
        name = self.path.resolve().name if self.name == "generic" else self.name
        return name if spoken.is_english else f"{name}, {spoken.name}"

    @property
    def language(self) -> str:
        """Code of the language; corpora of older versions are English."""
        return str(self._first_source.get("language") or ENGLISH)

    @property
    def lengths(self) -> WordLengths:
        """How many syllables its words have."""
        return WordLengths.parse(str(self._first_source.get("syllables") or 2))

    @property
    def _named(self) -> Contrast:
        return Contrast.in_manifest(self._first_source)

    @cached_property
    def contrast(self) -> Contrast:
        """What is told apart, and its classes; of longer words those that occur."""
        if self.lengths == DISYLLABLES:
            return self._named
        there = set(self.tokens["stress"])
        return Contrast(classes=tuple(one for one in self.lengths.classes if one in there))

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of its words, in the order of a network's outputs."""
        return self.contrast.classes

    @property
    def fingerprint(self) -> str:
        """Hash of the token table, which identifies the corpus in checkpoints."""
        return str(self.manifest["outputs"][TOKENS])

    @cached_property
    def tokens(self) -> pd.DataFrame:
        """One row per token, see ``docs/data-dictionary.md``.

        The column ``language`` is there in other languages than English.
        """
        needed = "token_id", "word", "speaker", "stress", self._named.column, "split"
        table = read_table(self.path / TOKENS, needed)
        if "excerpt_file" in table:
            files = table["excerpt_file"].astype(str)
            for name in files[files.str.contains(r"^[/\\]|\.\.|^\w:", regex=True)]:
                inside(self.path, name)
        return table if self.language == ENGLISH else table.assign(language=self.language)

    def with_splits(self, splits: pd.Series) -> Corpus:
        """The same corpus with other splits of its tokens."""
        other = copy(self)
        other.tokens = self.tokens.assign(split=splits)
        return other

    @cached_property
    def phones(self) -> pd.DataFrame:
        """One row per phone of a token; times in seconds of the recording."""
        return read_table(self.path / PHONES)

    @cached_property
    def tracks(self) -> pd.DataFrame:
        """F0 and formants, one row per token and time; time zero is the word's onset."""
        return read_table(self.path / TRACKS)

    def select(
        self, splits: Collection[str], max_tokens: int | None = None, seed: int = 0
    ) -> Selection:
        """Labelled tokens of some splits, in the order of the table.

        ``all`` takes every split; a corpus without splits gives all its tokens. With ``max_tokens``
        a random sample of this size is drawn. Raises `CorpusError` if no labelled token is left.
        """
        tokens = self.tokens.copy()
        tokens["image"] = np.arange(len(tokens))
        known = sorted(tokens["split"].unique())
        if known == ["unsplit"] or "all" in splits:
            splits = known
        elif not set(splits) & set(known):
            raise CorpusError(
                f"{self.path}: no token in split {', '.join(splits)}; there are {', '.join(known)}"
            )
        tokens = tokens[tokens["split"].isin(splits) & tokens["stress"].notna()]
        if tokens.empty:
            raise CorpusError(f"{self.path}: no labelled token in split {', '.join(splits)}")
        if max_tokens is not None and max_tokens < len(tokens):
            rng = np.random.default_rng([seed, 2])
            tokens = tokens.iloc[np.sort(rng.choice(len(tokens), max_tokens, replace=False))]
        return Selection(tokens.reset_index(drop=True))

    def axes_file(self, preset: str) -> Path:
        """The file that describes the axes of a preset's images."""
        return self.path / "spectrograms" / preset / "axes.json"

    def iter_tokens(
        self, splits: Collection[str] | None = None, *, audio: bool = True
    ) -> Iterator[StoredToken]:
        """Tokens (of some sets) one by one, in the order of the table, in constant memory."""
        groups = groupby(_rows(self.path / PHONES), key=lambda phone: phone["token_id"])
        token_id, members = next(groups, (None, iter(())))
        for row in _rows(self.path / TOKENS):
            phones: tuple[Interval, ...] = ()
            if token_id == row["token_id"]:
                phones = tuple(Interval(p["start_s"], p["end_s"], p["phone"]) for p in members)
                token_id, members = next(groups, (None, iter(())))
            if splits is not None and row["split"] not in splits:
                continue
            sound = read_audio(inside(self.path, row["excerpt_file"])) if audio else None
            yield StoredToken(row, phones, sound)

    def presets(self) -> list[str]:
        """Names of the presets for which spectrograms are stored."""
        return sorted(file.parent.name for file in self.path.glob("spectrograms/*/axes.json"))

    def images(self, preset: str) -> Images:
        """Spectrograms under a preset, or under several (``a+b``) one above the other."""
        if "+" in preset:
            return stack_images([self.images(name) for name in preset.split("+")])
        folder = self.path / "spectrograms" / preset
        if preset not in self.presets():
            raise CorpusError(
                f"{self.path}: no spectrograms of preset '{preset}' (there are "
                f"{', '.join(self.presets()) or 'none'}); run build-corpus again with "
                f"--preset {preset}"
            )
        return read_images(folder)

    @cached_property
    def stretches(self) -> pd.DataFrame:
        """Two-syllable stretches of longer words, for training only; empty if none were kept."""
        import pandas as pd

        path = self.path / LONGER_WORDS / TOKENS
        if not path.is_file():
            return pd.DataFrame({name: [] for name in STRETCH_TYPES})
        return read_table(path, ("token_id", "utterance_id", "speaker", "word", "stress"))

    def stretch_images(self, preset: str) -> Images:
        """Spectrograms of `stretches` under a preset; a `CorpusError` if they were not built."""
        folder = self.path / LONGER_WORDS / "spectrograms" / preset
        if not (folder / "axes.json").is_file():
            raise CorpusError(
                f"{self.path}: no stretches of longer words under preset '{preset}'; build it "
                f"again without --no-longer-words, or train without them"
            )
        return read_images(folder)

    def textgrid_file(self, utterance_id: str) -> Path:
        """The TextGrid of an utterance; it may be missing in a corpus that was edited."""
        return inside(self.path, f"textgrids/{safe_name(utterance_id)}.TextGrid")

    def excerpt_file(self, token_id: str) -> Path:
        """A token's sound file; a `CorpusError` if there is no such token, or it lies outside."""
        if token_id not in self._excerpt_files:
            raise CorpusError(f"{self.path}: no token '{token_id}'")
        return inside(self.path, self._excerpt_files[token_id])

    def excerpt(self, token_id: str) -> Audio:
        """A token's sound with its context; see columns ``excerpt_*`` for the times."""
        return read_audio(self.excerpt_file(token_id))

    @cached_property
    def sound_hashes(self) -> pd.Series:
        """What the sound of each token is known by under any name, by token id."""
        from stressnet.corpus.sound_identity import sound_hashes

        return sound_hashes(self.path, self.tokens)

    @cached_property
    def _excerpt_files(self) -> dict[str, str]:
        return dict(zip(self.tokens["token_id"], self.tokens["excerpt_file"], strict=True))

    @cached_property
    def _phones_by_token(self) -> dict[str, pd.DataFrame]:
        return {str(key): part for key, part in self.phones.groupby("token_id", sort=False)}

    def phone_intervals(self, token_id: str, origin_s: float = 0.0) -> tuple[Interval, ...]:
        """A token's phones, with ``origin_s`` subtracted from their times."""
        part = self._phones_by_token[token_id]
        return tuple(
            Interval(start - origin_s, end - origin_s, phone)
            for phone, start, end in zip(part["phone"], part["start_s"], part["end_s"], strict=True)
        )

    def phone_parts(self, token_id: str) -> tuple[tuple[int, str], ...]:
        """Syllable (1 or 2) and role (onset, nucleus, coda) of each of a token's phones."""
        part = self._phones_by_token[token_id]
        return tuple(zip(part["syllable"], part["role"], strict=True))


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    """Rows of a Parquet file, a few hundred in memory at a time."""
    with open_parquet(path) as file:
        for batch in file.iter_batches(_ROWS_AT_A_TIME):
            yield from batch.to_pylist()
