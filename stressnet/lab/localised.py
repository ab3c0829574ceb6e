"""Natural words with a localised target: the sound is untouched, the cue to the class is known.

Synthetic words have a known cue but are not speech. Here the *class* is made: one measured cue is
regressed on principal components of all unrelated cues (:mod:`stressnet.lab.related`) and on
indicators of sex and both vowels' labels, on training tokens alone, and the class is the sign of
what is left over: ``INITIAL`` where it is positive. Whatever tells it should lie where the cue was
measured: the true region is drawn from the corpus's measured tracks and phones, the same as for
synthetic words with that cue (:mod:`stressnet.lab.truth`). The idea is that of Siegel et al. (2025,
arXiv:2508.02560), who validated explanations of brain images so.

``docs/validation-localised.md`` has the steps, what happens to missing values, and the limits:
uncorrelated is not unused (suppressors; Haufe et al. 2014, *NeuroImage* 87:96-110).

>>> words = localised_set(corpus, cues, "nucleus_2_f1_hz")  # doctest: +SKIP
>>> words.true_regions, words.provenance["leak"]  # doctest: +SKIP
(('F1_2',), 0.63)
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stressnet.acoustics.cue_table import NUCLEUS
from stressnet.acoustics.spectrogram import SpectrogramPreset
from stressnet.axes import BoolArray, FloatArray
from stressnet.corpus.store import Corpus
from stressnet.errors import ConfigError, CorpusError
from stressnet.inference.twoway import holm
from stressnet.lab.candidates import TILT_SPLIT_HZ, candidate_masks, grown
from stressnet.lab.designs import CUE_KINDS
from stressnet.lab.labset import SPLITS, LabSet
from stressnet.lab.related import COLUMNS, FORMANTS, QUANTITIES, TARGETS, parse_target, related_cues
from stressnet.lab.residual import (
    LIMIT_SD,
    Components,
    as_numbers,
    auroc,
    correlation,
    indicators,
    leak,
    permutation_p,
    standardised,
)
from stressnet.lexicon.stress import CLASSES, Stress
from stressnet.regions.from_corpus import SceneReader
from stressnet.regions.measures import TOLERANCE_HZ, TOLERANCE_S

__all__ = ["TARGETS", "TargetRules", "localised_set", "localised_target"]

MIN_TRAIN, MIN_HELD_OUT = 100, 50  # Tokens with a known cue without which no target is made

ALPHA = 0.05

SERVES_FOR = {
    "train": "train",
    "valid": "valid",
    "valid_known_speakers": "valid",
    "test": "test",
    "test_known_speakers": "test",
    "minimal_pairs": "test",
    "minimal_pairs_unverified": "test",
}
"""Cells of the corpus's splits, and what they are here; others have words of the training set."""

_NOMINAL = ("sex", "nucleus_1", "nucleus_2")


@dataclass(frozen=True)
class TargetRules:
    """When a target counts as localised, and which tokens it leaves out."""

    max_correlation: float = 0.05  # Largest with an unrelated cue in the training tokens
    min_correlation: float = 0.3  # Smallest with the cue itself, in training and in held-out tokens
    # Tokens nearer to zero are left out, in standard deviations of the rest.
    margin_sd: float = 0.25
    max_missing: float = 0.35  # Cues missing in a larger share of training tokens are not used
    n_permutations: int = 2000
    seed: int = 0

    def __post_init__(self) -> None:
        shares = (self.max_correlation, self.min_correlation, self.max_missing)
        if not all(0 <= share < 1 for share in shares) or not 0 <= self.margin_sd < LIMIT_SD:
            raise ConfigError(
                "correlations and shares of a localised target must lie in [0, 1), its margin in "
                f"[0, {LIMIT_SD:g})"
            )
        if self.n_permutations < 1:
            raise ConfigError("a permutation test needs at least one permutation")

    def p_values(self, rest: FloatArray, cues: FloatArray, measured: BoolArray) -> FloatArray:
        """Holm-corrected p of the correlation with each cue, by permutation."""
        n, seed = self.n_permutations, self.seed
        return holm(permutation_p(rest, cues, measured, n_permutations=n, seed=seed))


@dataclass(frozen=True)
class LocalisedTarget:
    """A cue without what other cues tell of it."""

    cue: str
    token_ids: NDArray[np.str_]
    # `train`, `valid`, `test`, or empty for tokens that serve for nothing; shape (n,)
    splits: NDArray[np.str_]
    # What is left of the cue, in standard deviations of the training tokens' rest; NaN where the
    # cue is not known; shape (n,)
    values: FloatArray
    labels: NDArray[np.int64]  # Class index of the sign, -1 for tokens left out; shape (n,)
    n_components: int
    # Share of the cue's variance in training that they and the indicators account for.
    explained: float
    # AUROC of gradient boosting on all unrelated cues, trained on training tokens, in held-out
    # ones; 0.5 where they tell nothing.
    leak: float
    # One row per cue: `cue`; `relation` (`target`, `related`, `unrelated`, `unused`); `n_missing`;
    # correlation with the target cue (`before_*`) and with the rest (`after_*`), and Holm-corrected
    # p of the latter (`p_*`, unrelated cues), in `train` and in `held_out` (validation and test)
    # tokens; `auroc_held_out` of the class.
    correlations: pd.DataFrame
    counts: Mapping[str, int]  # Tokens: all, left out for one reason each, and kept in each split
    rules: TargetRules = field(default_factory=TargetRules)

    def describe(self) -> dict[str, Any]:
        """What JSON can hold of it: rules, choice, correlations, counts."""
        table = self.correlations
        own = table[table["relation"] == "target"].iloc[0]
        others = table[table["relation"] == "unrelated"]
        facts: dict[str, Any] = {
            "made_by": "localised target",
            "target": self.cue,
            "rules": asdict(self.rules),
            "n_components": self.n_components,
            "n_unrelated": len(others),
            "explained": self.explained,
            "leak": self.leak,
        }
        for part in ("train", "held_out"):
            facts[f"own_{part}"] = float(own[f"after_{part}"])
            for when in ("before", "after"):
                facts[f"largest_{when}_{part}"] = float(others[f"{when}_{part}"].abs().max())
            facts[f"n_significant_{part}"] = int((others[f"p_{part}"] < ALPHA).sum())
        return {**facts, "counts": dict(self.counts)}


def localised_target(
    cues: pd.DataFrame, cue: str, *, rules: TargetRules | None = None
) -> LocalisedTarget:
    """Take from a cue what all unrelated cues tell of it."""
    rules = rules or TargetRules()
    number, name = parse_target(cue)
    lacking = [c for c in (*COLUMNS, *_NOMINAL, "token_id", "split") if c not in cues.columns]
    if lacking:
        raise ConfigError(f"the table of cues lacks {lacking[0]!r}; measure the corpus again")
    raw = np.column_stack([as_numbers(cues, column) for column in COLUMNS])
    own = COLUMNS.index(cue)
    splits = cues["split"].map(SERVES_FOR).fillna("").to_numpy(dtype=np.str_)
    has_cue, suspect = np.isfinite(raw[:, own]), np.zeros(len(cues), dtype=bool)
    if name in FORMANTS:
        flag = pd.to_numeric(cues[f"{NUCLEUS}_{number}_formants_suspect"], errors="coerce")
        suspect = has_cue & (flag.fillna(1) != 0).to_numpy(dtype=bool)
    known = has_cue & ~suspect
    train, held_out = known & (splits == "train"), known & np.isin(splits, ("valid", "test"))
    if train.sum() < MIN_TRAIN or held_out.sum() < MIN_HELD_OUT:
        raise ConfigError(
            f"{cue} is known in {train.sum()} training and {held_out.sum()} held-out tokens; a "
            f"localised target needs {MIN_TRAIN} and {MIN_HELD_OUT}"
        )
    values, measured = standardised(raw, train), np.isfinite(raw)
    relation = np.full(len(COLUMNS), "unrelated", dtype=object)
    unusable = (~measured[train]).mean(axis=0) > rules.max_missing
    relation[unusable | (values[train].std(axis=0) == 0)] = "unused"
    relation[np.isin(COLUMNS, list(related_cues(cue)))] = "related"
    relation[own] = "target"
    others = relation == "unrelated"
    labels_of_words = indicators(cues[list(_NOMINAL)], train)
    components = Components(values[:, others], labels_of_words, train)
    rivals = values[train][:, others], measured[train][:, others]
    n, rest = _fewest(components, values[:, own], *rivals, rules, cue)
    explained = float(1 - rest[train].var() / values[train, own].var())
    rest = rest / rest[train].std()
    positive, near = rest > 0, known & (np.abs(rest) < rules.margin_sd)
    in_split = splits != ""
    kept = known & ~near & in_split
    sign = np.where(positive, Stress.INITIAL.class_index, Stress.FINAL.class_index)
    predictors = np.hstack([values[:, others], labels_of_words])
    parts = {"train": train, "held_out": held_out}
    target = LocalisedTarget(
        cue=cue,
        token_ids=cues["token_id"].to_numpy(dtype=np.str_),
        splits=splits,
        values=np.where(known, rest, np.nan),
        labels=np.where(kept, sign, -1).astype(np.int64),
        n_components=n,
        explained=explained,
        leak=leak(predictors, positive, kept & train, kept & held_out, seed=rules.seed),
        correlations=_table(relation, values, measured, rest, parts, kept, rules),
        counts={
            "all": len(cues),
            "left out: known word or no split": int((~in_split).sum()),
            "left out: cue missing": int((in_split & ~has_cue).sum()),
            "left out: formants suspect": int((in_split & suspect).sum()),
            "left out: near zero": int((in_split & near).sum()),
            **{f"kept: {split}": int((kept & (splits == split)).sum()) for split in SPLITS},
        },
        rules=rules,
    )
    _check_own(cue, target.describe()["own_held_out"], rules, "in held-out tokens")
    return target


def _fewest(
    components: Components,
    own: FloatArray,
    rivals: FloatArray,
    measured: BoolArray,
    rules: TargetRules,
    cue: str,
) -> tuple[int, FloatArray]:
    """The fewest components with which the rest is localised in training tokens, and the rest."""
    train = components.train
    for n in range(components.n_components + 1):
        rest = components.rest(own, n)
        value = float(np.corrcoef(rest[train], own[train])[0, 1])
        when = f"with {n} components, while other cues still correlate with it"
        _check_own(cue, value, rules, when)
        if np.abs(correlation(rest[train], rivals, measured)).max() > rules.max_correlation:
            continue
        if not (rules.p_values(rest[train], rivals, measured) < ALPHA).any():
            return n, rest
    raise ConfigError(
        f"{cue} cannot be localised: with all {components.n_components} components another cue "
        f"still correlates with the rest by more than {rules.max_correlation:g}"
    )


def _check_own(cue: str, value: float, rules: TargetRules, when: str) -> None:
    if not value >= rules.min_correlation:
        raise ConfigError(
            f"{cue} cannot be localised: what other cues leave of it correlates with it by "
            f"{value:.2f} only (at least {rules.min_correlation:g}) {when}"
        )


def _table(
    relation: NDArray,
    values: FloatArray,
    measured: BoolArray,
    rest: FloatArray,
    parts: Mapping[str, BoolArray],
    kept: BoolArray,
    rules: TargetRules,
) -> pd.DataFrame:
    """Correlations before and after, see :class:`LocalisedTarget`."""
    table = pd.DataFrame({"cue": COLUMNS, "relation": relation})
    table["n_missing"] = (~measured[parts["train"] | parts["held_out"]]).sum(axis=0)
    tested, own = relation == "unrelated", int(np.flatnonzero(relation == "target")[0])
    for part, rows in parts.items():
        there = measured[rows]
        table[f"before_{part}"] = correlation(values[rows, own], values[rows], there)
        table[f"after_{part}"] = correlation(rest[rows], values[rows], there)
        p = np.full(len(COLUMNS), np.nan)
        p[tested] = rules.p_values(rest[rows], values[rows][:, tested], there[:, tested])
        table[f"p_{part}"] = p
    rows = measured & (kept & parts["held_out"])[:, None]
    table["auroc_held_out"] = [
        auroc(cue[there], rest[there] > 0) for cue, there in zip(values.T, rows.T, strict=True)
    ]
    return table


_LOW_IS_MARGIN = ("f0_level", "tilt")
"""Cues for which the vowel below 1 kHz belongs to the margin: unresolved harmonics change the
envelope there, and it is the other half of the balance."""


def localised_set(
    corpus: Corpus,
    cues: pd.DataFrame,
    cue: str,
    preset: str = "stressnet",
    *,
    rules: TargetRules | None = None,
    target: LocalisedTarget | None = None,
    reader: SceneReader | None = None,
) -> LabSet:
    """The words of a corpus with the classes of a localised target.

    Where the true region cannot be drawn (formant not found in most of the vowels, harmonics not
    resolved), a test token is left out, and a token of training or validation stays with an empty
    mask. Both are counted in ``provenance["counts"]``. The word's stress in the scenes is replaced
    by the class. Duration and intensity have no cells of their own, so no true region. Raises
    :class:`CorpusError` if the table of cues is of another corpus, or the preset was not built.
    """
    target = target or localised_target(cues, cue, rules=rules)
    number, name = parse_target(target.cue)
    reader = reader or SceneReader(corpus, preset)
    kind = CUE_KINDS[QUANTITIES[name]]
    tokens = corpus.tokens.set_index("token_id")
    foreign = ~np.isin(target.token_ids, tokens.index.to_numpy(dtype=np.str_))
    if foreign.any():
        raise CorpusError(
            f"{corpus.path}: has no token '{target.token_ids[foreign][0]}' of the table of cues; "
            "measure this corpus"
        )
    regions = tuple(f"{region}_{number}" for region in kind.regions)
    axes = reader.preset.axes()
    low = axes.frequency_hz < TILT_SPLIT_HZ
    rows, scenes, truths, margins = [], [], [], []
    n_empty = {True: 0, False: 0}
    for row in np.flatnonzero(target.labels >= 0):
        scene = reader.scene(str(target.token_ids[row]), surroundings=False)
        stress = CLASSES[target.labels[row]]
        scene = replace(scene, times=replace(scene.times, stress=stress))
        truth = np.zeros(axes.shape, dtype=bool)
        masks = candidate_masks(scene) if regions else {}
        for region in regions:
            truth |= masks.get(region, False)
        if regions and not truth.any():
            is_test = bool(target.splits[row] == "test")
            n_empty[is_test] += 1
            if is_test:
                continue
        rows.append(row)
        scenes.append(scene)
        truths.append(truth)
        margins.append(np.outer(low, scene.in_time(scene.times.nuclei[number - 1]) >= 0.5))
    if not rows:
        raise CorpusError(f"{corpus.path}: the region of {cue} is in none of the images")
    at = np.array(rows)
    ids, mask = target.token_ids[at], np.stack(truths)
    wide = np.stack([grown(one, *_reach(reader.preset)) for one in mask])
    if kind.name in _LOW_IS_MARGIN:
        wide |= np.stack(margins) & mask.any(axis=(1, 2), keepdims=True)
    counts = {
        **target.counts,
        "left out: region not in the image": n_empty[True],
        "without region: train, valid": n_empty[False],
    }
    counts["kept: test"] -= n_empty[True]
    images = np.array([reader.image_index(str(token_id)) for token_id in ids])
    return LabSet(
        name=f"natural/{kind.name}/syllable-{number}",
        cue=kind.name,
        images=np.asarray(reader.images.values[images], dtype=np.float32),
        labels=target.labels[at],
        splits=target.splits[at],
        voices=tokens["speaker"].reindex(ids).to_numpy(dtype=np.str_),
        words=tokens["family"].reindex(ids).to_numpy(dtype=np.str_),
        word_ids=ids,
        truth=mask,
        wide=wide,
        scenes=tuple(scenes),
        true_regions=regions,
        preset=reader.preset,
        provenance={
            **target.describe(),
            "counts": counts,
            "where": f"syllable-{number}",
            "corpus": corpus.name,
            "corpus_fingerprint": corpus.fingerprint,
        },
    )


def _reach(preset: SpectrogramPreset) -> tuple[int, int]:
    """Bins and frames that the window smears or measured tracks and boundaries are off by."""
    reach_s, reach_hz = preset.window_s / 2 + TOLERANCE_S, preset.resolution_hz / 2 + TOLERANCE_HZ
    bins = int(np.ceil(reach_hz / preset.axes().frequency_step_hz))
    return bins, int(np.ceil(reach_s / preset.axes().time_step_s))
