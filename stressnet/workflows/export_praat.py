"""``stressnet export-praat``: results as TextGrids, Formants and PitchTiers for Praat."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stressnet.alignment.textgrid import read_textgrid, write_textgrid
from stressnet.corpus.store import Corpus
from stressnet.errors import ConfigError, StressnetError
from stressnet.intervals import Alignment, Interval
from stressnet.lexicon.stress import Stress
from stressnet.regions.from_corpus import SceneReader
from stressnet.report.explorer.tokens import Method
from stressnet.report.praat import (
    MEASURES,
    answer_label,
    relevance_tier,
    syllable_tier,
    write_formant,
    write_pitch_tier,
)
from stressnet.report.run import RelevanceRun
from stressnet.runs.manifest import FILE_NAME, write_manifest
from stressnet.runs.problems import Problem, Severity, count_problems, write_problems
from stressnet.runs.progress import Progress
from stressnet.workflows.report import UNFINISHED, claim
from stressnet.workflows.report_explorer import open_methods

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Selection:
    """Which tokens of a run; every condition must hold, an empty one holds always.

    Parameters
    ----------
    texts : tuple of str
        Parts of token ids; one of them must occur.
    words : tuple of str
        Spellings, in any case.
    splits : tuple of str
        Names of sets.
    wrong : bool
        Only tokens whose class the network got wrong.
    most : int
        Of more tokens, a random sample of this size; 0 takes all.
    seed : int
        For the sample.
    """

    texts: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()
    wrong: bool = False
    most: int = 200
    seed: int = 0

    def of(self, run: RelevanceRun) -> pd.DataFrame:
        """The chosen rows of a run's tokens, in its order.

        Raises
        ------
        ConfigError
            If none is left.
        """
        tokens = run.tokens
        keep = np.ones(len(tokens), dtype=bool)
        if self.texts:
            ids = tokens["token_id"].astype(str)
            keep &= np.any([ids.str.contains(t, regex=False) for t in self.texts], axis=0)
        if self.words:
            wanted = {word.upper() for word in self.words}
            keep &= tokens["word"].str.upper().isin(wanted).to_numpy()
        if self.splits:
            keep &= tokens["split"].isin(self.splits).to_numpy()
        if self.wrong:
            known = tokens["stress"].notna()
            keep &= (known & (tokens["stress"] != tokens["stress_predicted"])).to_numpy()
        places = np.flatnonzero(keep)
        if not len(places):
            raise ConfigError(f"{run.path}: no token meets all conditions; ask for fewer")
        if 0 < self.most < len(places):
            rng = np.random.default_rng(self.seed)
            places = np.sort(rng.choice(places, self.most, replace=False))
        return tokens.iloc[places]


@dataclass(frozen=True)
class PraatExport:
    """What was written.

    Parameters
    ----------
    path : Path
        The folder.
    n_tokens, n_files : int
        Tokens, and sets of files (one per token or utterance).
    problems : list of Problem
        What could not be written, in part or as a whole.
    """

    path: Path
    n_tokens: int
    n_files: int
    problems: list[Problem]


def export_praat(
    run: Path,
    out: Path,
    *,
    others: Sequence[Path] = (),
    selection: Selection | None = None,
    measure: str = "signed_share",
    utterances: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> PraatExport:
    """Write Praat objects for some tokens of a run.

    Per token: its sound, ``.TextGrid`` (tiers ``words``, ``phones``, ``syllables``, ``network``,
    ``relevance``), ``.Formant`` and ``.PitchTier``. Per utterance: the TextGrid of the whole
    recording with the tiers ``network`` and ``relevance`` where tokens were explained.

    Parameters
    ----------
    run : Path
        A run folder.
    out : Path
        Folder to write.
    others : sequence of Path
        Further runs on the same corpus; their tiers carry the method's name.
    selection : Selection, optional
        Which tokens.
    measure : str
        What the labels of the tier say, see :data:`stressnet.report.praat.MEASURES`.
    utterances : bool
        One TextGrid per recording instead of files per token.
    overwrite : bool
        Replace an export in ``out``.

    Raises
    ------
    CorpusError
        If the run's corpus is gone, or ``out`` holds something else.
    ConfigError
        If the measure is unknown, no token is chosen, or the runs explain different corpora.
    """
    progress = progress or Progress(verbose=False)
    if measure not in MEASURES:
        raise ConfigError(f"no measure {measure!r} for a tier; there are {', '.join(MEASURES)}")
    opened = RelevanceRun.find(run)
    corpus = opened.open_corpus()
    methods = open_methods([opened, *(RelevanceRun.find(other) for other in others)], corpus)
    selection = selection or Selection()
    tokens = selection.of(opened)
    claim(out, "praat", overwrite=overwrite)
    writer = _Writer(corpus, methods, measure, out)
    ids = [str(t) for t in tokens["token_id"]]
    groups: dict[str, list[str]] = {}
    for token_id in ids:
        groups.setdefault(writer.utterance(token_id) if utterances else token_id, []).append(
            token_id
        )
    problems: list[Problem] = []
    n_files = 0
    with progress.stage("praat", len(groups), "file") as bar:
        for name, members in groups.items():
            try:
                if utterances:
                    writer.write_utterance(name, members)
                else:
                    problems += writer.write_token(name)
                n_files += 1
            except (StressnetError, OSError) as error:
                problems.append(Problem(name, "praat", Severity.ERROR, str(error)))
            bar.update(1)
    write_problems(out / "failures.csv", problems)
    (out / UNFINISHED).unlink()
    write_manifest(
        out,
        "praat",
        parameters={
            "run": str(run),
            "others": [str(other) for other in others],
            "measure": measure,
            "utterances": utterances,
            **vars(selection),
        },
        inputs=opened.manifest.get("inputs", {}),
        outputs=[p for p in out.rglob("*") if p.is_file() and p.name != FILE_NAME],
        results={"n_tokens": len(ids), "n_files": n_files, "problems": count_problems(problems)},
        seconds=progress.seconds,
    )
    return PraatExport(out, len(ids), n_files, problems)


class _Writer:
    """Writes the files of tokens and utterances."""

    def __init__(self, corpus: Corpus, methods: Sequence[Method], measure: str, out: Path) -> None:
        self.corpus, self.methods, self.measure, self.out = corpus, methods, measure, out
        names = {m.run.preset_name for m in methods}
        self.readers = {name: SceneReader(corpus, name) for name in sorted(names)}
        self.rows: dict[Any, Any] = corpus.tokens.set_index("token_id").to_dict("index")

    def utterance(self, token_id: str) -> str:
        return str(self.rows[token_id]["utterance_id"])

    def write_token(self, token_id: str) -> list[Problem]:
        """Four files; a token without formants lacks one of them and a problem says so."""
        row = self.rows[token_id]
        audio = self.corpus.excerpt(token_id)
        scene = self.readers[self.methods[0].run.preset_name].scene(token_id)
        origin_s = float(row["start_s"]) - float(row["excerpt_start_s"])
        word = Interval(origin_s, origin_s + scene.times.word.end_s, str(row["word"]).lower())
        phones = tuple(phone.shifted(origin_s) for phone in scene.times.phones)
        tiers = {"syllables": syllable_tier(scene, self.corpus.phone_parts(token_id), origin_s)}
        tiers.update(self._tiers(token_id, origin_s, audio.duration_s))
        write_textgrid(
            self.out / f"{token_id}.TextGrid",
            Alignment((word,), phones),
            audio.duration_s,
            tiers,
        )
        source = self.corpus.path / str(row["excerpt_file"])
        shutil.copyfile(source, self.out / f"{token_id}{source.suffix}")
        pitch = self.out / f"{token_id}.PitchTier"
        write_pitch_tier(pitch, scene.tracks.pitch, audio.duration_s, origin_s)
        try:
            formant = self.out / f"{token_id}.Formant"
            write_formant(formant, scene.tracks.formants, audio.duration_s, origin_s)
        except ConfigError as error:
            return [Problem(token_id, "praat", Severity.WARNING, str(error))]
        return []

    def write_utterance(self, utterance_id: str, token_ids: Sequence[str]) -> None:
        """The recording's TextGrid with relevance where there is some."""
        source = self.corpus.path / "textgrids" / f"{utterance_id}.TextGrid"
        alignment = read_textgrid(source)
        end_s = max(part.end_s for part in (*alignment.words, *alignment.phones))
        tiers: dict[str, tuple[Interval, ...]] = {}
        for token_id in sorted(token_ids, key=lambda t: float(self.rows[t]["start_s"])):
            found = self._tiers(token_id, float(self.rows[token_id]["start_s"]), end_s)
            for name, intervals in found.items():
                tiers[name] = (*tiers.get(name, ()), *intervals)
        write_textgrid(self.out / f"{utterance_id}.TextGrid", alignment, end_s, tiers)

    def _tiers(
        self, token_id: str, origin_s: float, duration_s: float
    ) -> dict[str, tuple[Interval, ...]]:
        """Tiers ``network`` and ``relevance`` of every method that has a map of the token."""
        tiers: dict[str, tuple[Interval, ...]] = {}
        for method in self.methods:
            if token_id not in method.run:
                continue
            scene = self.readers[method.run.preset_name].scene(token_id)
            said = method.run.row(token_id)
            label = answer_label(
                Stress(said["stress_predicted"]), float(said["p_initial"]), scene.times.stress
            )
            word = scene.times.word
            suffix = "" if len(self.methods) == 1 else f" ({method.label})"
            span = Interval(origin_s, min(origin_s + word.end_s, duration_s), label)
            tiers[f"network{suffix}"] = (span,)
            tiers[f"relevance{suffix}"] = relevance_tier(
                method.run.map_of(token_id), scene, measure=self.measure, origin_s=origin_s
            )
        return tiers


__all__ = ["PraatExport", "Selection", "export_praat"]
