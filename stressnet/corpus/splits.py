"""Training, validation and test sets that share neither speakers nor words.

Speakers and word families are each dealt into train, valid and test, and a token's set follows from
both; ``docs/data-dictionary.md`` lists the sets. ``test`` (new words of new speakers) is the
headline. ``valid_test_mixed`` is new in both ways too, but early stopping saw one of its margins,
so it stays out of headline figures. Nothing is balanced by force: classes are stratified when
families are dealt, and reported.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from stressnet.corpus.plain_table import read_named
from stressnet.corpus.tokens import LABEL_TABLE
from stressnet.errors import ConfigError, CorpusError, TranscriptError
from stressnet.languages import language_of
from stressnet.lexicon.contrast import STRESS, Contrast
from stressnet.lexicon.families import word_families
from stressnet.runs.tables import check_unchanged

SETS = ("train", "valid", "test")
VALIDATION_SPLITS = ("valid", "valid_known_words", "valid_known_speakers")
TEST_SPLITS = (
    "test",
    "test_known_words",
    "test_known_speakers",
    "minimal_pairs",
    "minimal_pairs_unverified",
)

PAIR_SPLITS = ("minimal_pairs", "minimal_pairs_unverified", "minimal_pair_relatives")

SPLIT_COLUMNS = ("token_id", "speaker", "family", "speaker_set", "family_set", "split")
"""Columns of ``splits.csv``."""

_SET_COLUMNS = ("speaker_set", "family_set")

_CELLS = {
    ("train", "train"): "train",
    ("train", "valid"): "valid_known_speakers",
    ("train", "test"): "test_known_speakers",
    ("valid", "train"): "valid_known_words",
    ("valid", "valid"): "valid",
    ("valid", "test"): "valid_test_mixed",
    ("test", "train"): "test_known_words",
    ("test", "valid"): "valid_test_mixed",
    ("test", "test"): "test",
}

ALL_SPLITS = (*dict.fromkeys(_CELLS.values()), *PAIR_SPLITS, "unlabelled", "unlisted", "unsplit")
"""All values of ``split``."""


@dataclass(frozen=True)
class SplitConfig:
    """Shares of tokens that go to validation and test, along each of the two margins.

    With the default 10 % and 22 %, about 46 % of tokens are for training, 5 % are new words of new
    speakers, and 15 % each are test tokens new in one way.
    """

    valid_share: float = 0.10
    test_share: float = 0.22
    seed: int = 0

    def __post_init__(self) -> None:
        if not (
            self.valid_share > 0 and self.test_share > 0 and self.valid_share + self.test_share < 1
        ):
            raise ConfigError(
                f"validation share {self.valid_share} and test share {self.test_share} must be "
                f"positive and leave something to train on"
            )


def deal(
    weights: Mapping[str, float], config: SplitConfig, rng: np.random.Generator
) -> dict[str, str]:
    """Deal groups into train, valid and test so that the sets' weights come near their shares.

    Groups are visited in random order, heavy ones first among every eight, and each goes to the set
    that lags furthest behind its share. With at least three groups no set stays empty.
    """
    shares = {
        "train": 1 - config.valid_share - config.test_share,
        "valid": config.valid_share,
        "test": config.test_share,
    }
    names = sorted(weights)
    order = [names[i] for i in rng.permutation(len(names))]
    order = [
        name
        for start in range(0, len(order), 8)
        for name in sorted(order[start : start + 8], key=lambda n: -weights[n])
    ]
    filled = dict.fromkeys(SETS, 0.0)
    dealt: dict[str, str] = {}
    for name in order:
        lag = {s: filled[s] / shares[s] for s in SETS}
        chosen = min(SETS, key=lambda s: (lag[s], -shares[s]))
        dealt[name] = chosen
        filled[chosen] += weights[name]
    return dealt


def check_speakers(n_speakers: int) -> None:
    """Raise :class:`CorpusError` if there are too few speakers for disjoint sets."""
    if n_speakers < len(SETS):
        raise CorpusError(
            f"{n_speakers} speaker{'' if n_speakers == 1 else 's'}: too few for speaker-disjoint "
            f"sets, which need {len(SETS)}; use --no-splits to build without them"
        )


def weights_of(column: pd.Series) -> dict[str, float]:
    """Tokens per name in a column, as they are dealt."""
    return {str(name): float(n) for name, n in column.value_counts().items()}


def with_families(tokens: pd.DataFrame) -> pd.DataFrame:
    """A copy of a token table with the column ``family``."""
    families = word_families(tokens["word"], language_of(tokens).code)
    return tokens.assign(family=tokens["word"].map(families))


def dealt_apart(
    tokens: pd.DataFrame, column: str, contrast: Contrast
) -> Iterator[tuple[str, dict[str, float]]]:
    """Speakers or families whose tokens are of one class, then all others; and their tokens.

    Each group is dealt by itself, so that every set has both classes where they are those of
    speakers or of words; a small group goes with the others. For stress all are one group.
    """
    if contrast.is_stress:
        yield "", weights_of(tokens[column])
        return
    of_class = tokens.groupby(column)[contrast.column].agg(
        lambda classes: classes.iloc[0] if classes.nunique() == 1 else ""
    )
    groups = {one: of_class.index[of_class == one] for one in contrast.classes}
    groups = {one: names for one, names in groups.items() if len(names) >= len(SETS)}
    alone = tokens[column].map({name: one for one, names in groups.items() for name in names})
    for one in (*groups, *([None] if alone.isna().any() else [])):
        of_group = alone.isna() if one is None else alone == one
        yield f"{contrast.column} {one or 'of any kind'}", weights_of(tokens.loc[of_group, column])


def families_by_class(
    tokens: pd.DataFrame, contrast: Contrast = STRESS
) -> Iterator[tuple[str, dict[str, float]]]:
    """The classes, each with the families that mostly have it and their labelled tokens.

    A family of a minimal pair (present, presents) is in neither, and so never trained on, even
    where a form of it has one reading only. Of another contrast see :func:`dealt_apart`.
    """
    if not contrast.is_stress:
        yield from dealt_apart(tokens, "family", contrast)
        return
    of_pair = tokens["family"].isin(set(tokens.loc[tokens["is_minimal_pair"], "family"]))
    ordinary = tokens[~of_pair & tokens["stress"].notna()]
    classes = contrast.among(tokens["stress"])
    counts = pd.crosstab(ordinary["family"], ordinary["stress"])
    mostly = counts.reindex(columns=list(classes), fill_value=0).to_numpy().argmax(axis=1)
    place = ordinary["family"].map(dict(zip(counts.index, mostly, strict=True)))
    for index, stress in enumerate(classes):
        yield f"stress {stress}", weights_of(ordinary.loc[place == index, "family"])


def _cells(tokens: pd.DataFrame, otherwise: str) -> pd.Series:
    """The split that follows from each token's speaker and family, if both are dealt."""
    pairs = zip(tokens["speaker_set"], tokens["family_set"], strict=True)
    return pd.Series([_CELLS.get(pair, otherwise) for pair in pairs], index=tokens.index)


def with_split(tokens: pd.DataFrame) -> pd.DataFrame:
    """A token table with ``speaker_set`` and ``family_set``, given its ``split`` in place."""
    tokens["split"] = _cells(tokens, "unlabelled")
    for split, rows in pair_rows(tokens).items():
        tokens.loc[rows, "split"] = split
    tokens.loc[tokens["stress"].isna(), "split"] = "unlabelled"
    check_leaks(tokens)
    return tokens


def _speakers_by_corpus(tokens: pd.DataFrame) -> list[pd.Series]:
    """The speaker column in parts that are dealt one by one, so that no corpus lacks a set."""
    if "corpus" not in tokens:
        return [tokens["speaker"]]
    by_corpus = [part for _, part in tokens.groupby("corpus", sort=True)["speaker"]]
    large = [part for part in by_corpus if part.nunique() >= len(SETS)]
    small = [part for part in by_corpus if part.nunique() < len(SETS)]
    return large + ([pd.concat(small)] if small else [])


def assign_splits(
    tokens: pd.DataFrame, config: SplitConfig, contrast: Contrast = STRESS
) -> pd.DataFrame:
    """A copy of a token table with ``family``, ``speaker_set``, ``family_set`` and ``split``.

    ``tokens`` has ``word``, ``speaker``, ``stress``, ``label_source`` and ``is_minimal_pair``.
    """
    tokens = with_families(tokens)
    rng = np.random.default_rng([config.seed, 1])
    check_speakers(tokens["speaker"].nunique())
    speaker_sets: dict[str, str] = {}
    for speakers in _speakers_by_corpus(tokens):
        for _, weights in dealt_apart(tokens.loc[speakers.index], "speaker", contrast):
            speaker_sets |= deal(weights, config, rng)
    family_sets: dict[str, str] = {}
    for name, weights in families_by_class(tokens, contrast):
        if len(weights) < 3:
            raise CorpusError(
                f"only {len(weights)} word families with {name}; at least 3 are needed "
                f"for word-disjoint sets (use --no-splits to build without them)"
            )
        family_sets |= deal(weights, config, rng)
    tokens["speaker_set"] = tokens["speaker"].map(speaker_sets)
    tokens["family_set"] = tokens["family"].map(family_sets)
    return with_split(tokens)


def pair_rows(tokens: pd.DataFrame) -> dict[str, pd.Series]:
    """Which tokens belong to the sets of minimal pairs and their relatives, by set."""
    pairs = tokens["is_minimal_pair"]
    verified = pairs & (tokens["label_source"] == LABEL_TABLE)
    relatives = tokens["family"].isin(set(tokens.loc[pairs, "family"])) & ~pairs
    return {
        "minimal_pair_relatives": relatives,
        "minimal_pairs_unverified": pairs & ~verified,
        "minimal_pairs": verified,
    }


def check_leaks(tokens: pd.DataFrame) -> None:
    """Raise :class:`CorpusError` if something crosses between train, valid and test.

    That is a speaker, an utterance, or a word family (hence a lemma); or the family of a minimal
    pair in the training set.
    """
    columns = [c for c in ("speaker", "utterance_id", "family") if c in tokens]
    for first, second in (("train", "test"), ("train", "valid"), ("valid", "test")):
        for column in columns:
            shared = set(tokens.loc[tokens["split"] == first, column]) & set(
                tokens.loc[tokens["split"] == second, column]
            )
            if shared:
                raise CorpusError(f"{column} {sorted(shared)[0]!r} is in both {first} and {second}")
    pairs = set(tokens.loc[tokens["is_minimal_pair"], "family"])
    if pairs & set(tokens.loc[tokens["split"] == "train", "family"]):
        raise CorpusError("a minimal pair's family is in the training set")


def read_splits(path: Path) -> pd.DataFrame:
    """A build's ``splits.csv``, one row per token, also after a spreadsheet has saved it."""
    check_unchanged(path)
    try:
        rows = read_named(path, SPLIT_COLUMNS, "give a build's table", prefer=",")
    except TranscriptError as error:
        raise CorpusError(f"{error}; give a build's table") from error
    for number, row in rows:
        for column, known in (("split", ALL_SPLITS), *((c, ("", *SETS)) for c in _SET_COLUMNS)):
            if row[column] not in known:
                raise CorpusError(
                    f"{path}, line {number}: {column} '{row[column][:40]}' is none of "
                    f"{', '.join(filter(None, known))}; correct it"
                )
    given = pd.DataFrame([row for _, row in rows], columns=list(SPLIT_COLUMNS))
    repeated = given["token_id"][given["token_id"].duplicated()]
    if len(repeated):
        raise CorpusError(f"{path}: lists the token '{repeated.iloc[0]}' twice; keep one row")
    return given


def given_splits(tokens: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Take over the sets of another build from its ``splits.csv``.

    Tokens are found by ``token_id``. One that the file does not list gets the set that follows from
    its speaker and family, if the file deals both; else its split is ``unlisted``, which is in no
    set.
    """
    given = read_splits(path)
    tokens = with_families(tokens)
    known = given.set_index("token_id")
    listed = tokens["token_id"].isin(known.index)
    if not listed.any():
        raise CorpusError(
            f"{path}: lists none of the {len(tokens)} tokens; it belongs to another corpus"
        )
    for name in ("speaker", "family"):
        sets = dict(zip(given[name], given[f"{name}_set"], strict=True))
        tokens[f"{name}_set"] = tokens[name].map(sets)
    of_cell = _cells(tokens, "unlisted")
    tokens["split"] = tokens["token_id"].map(known["split"]).where(listed, of_cell)
    tokens.loc[~listed & tokens["is_minimal_pair"], "split"] = "unlisted"
    tokens.loc[tokens["stress"].isna(), "split"] = "unlabelled"
    tokens["family_set"] = tokens["family_set"].replace("", None)
    tokens["speaker_set"] = tokens["speaker_set"].fillna("")
    try:
        check_leaks(tokens)
    except CorpusError as error:
        raise CorpusError(f"{path}: {error}; correct the file") from error
    return tokens


def split_counts(
    tokens: pd.DataFrame, order: Sequence[str] | None = None, contrast: Contrast = STRESS
) -> pd.DataFrame:
    """Tokens, words and speakers per split and class, for reports.

    Columns are split, n, n_initial, n_final (or the other classes), n_words, n_speakers.
    """
    classes = contrast.among(tokens[contrast.column])
    order = order or [*dict.fromkeys([*_CELLS.values(), *PAIR_SPLITS, "unlabelled"])]
    rows = []
    for split in order:
        part = tokens[tokens["split"] == split]
        if len(part):
            rows.append(
                {
                    "split": split,
                    "n": len(part),
                    **{f"n_{s.lower()}": int((part[contrast.column] == s).sum()) for s in classes},
                    "n_words": part["word"].nunique(),
                    "n_speakers": part["speaker"].nunique(),
                }
            )
    return pd.DataFrame(rows)
