"""Results as TextGrids, Formants and PitchTiers for Praat.

Per token: its sound, ``.TextGrid`` (tiers ``words``, ``phones``, ``syllables``, ``network``,
``relevance``), ``.Formant`` and ``.PitchTier``. Per utterance: the TextGrid of the whole recording
with the tiers ``network`` and ``relevance`` where tokens were explained.
"""

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
from stressnet.report.explorer.writing import open_methods
from stressnet.report.praat import (
    answer_label,
    relevance_tier,
    syllable_tier,
    write_formant,
    write_pitch_tier,
)
from stressnet.report.run import RelevanceRun
from stressnet.runs.folder import RunFolder
from stressnet.runs.manifest import FILE_NAME, hash_file
from stressnet.runs.names import safe_name
from stressnet.runs.problems import Problem, Severity
from stressnet.runs.work import Step
from stressnet.stages.export_praat.config import PraatConfig

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class PraatExport:
    """What was written.

    Parameters
    ----------
    path : Path
        The folder.
    n_tokens, n_files : int
        Tokens, and sets of files (one per token or utterance).
    """

    path: Path
    n_tokens: int
    n_files: int


def run(config: PraatConfig, opened: RelevanceRun, folder: RunFolder) -> PraatExport:
    """Write Praat objects for some tokens of a run.

    Raises
    ------
    CorpusError
        If the run's corpus is gone.
    ConfigError
        If no token is chosen, or the runs explain different corpora.
    """
    corpus = opened.open_corpus()
    runs = [opened, *(RelevanceRun.find(other) for other in config.others)]
    methods = open_methods(runs, corpus)
    ids = [str(token_id) for token_id in chosen_tokens(config, opened)["token_id"]]
    folder.begin(
        config,
        inputs={
            **opened.manifest.get("inputs", {}),
            **{f"run {i}": hash_file(r.path / FILE_NAME) for i, r in enumerate(runs, 1)},
        },
        notes={"run": str(opened.path)},
        steps=[Step("write", len(ids), seconds_each=0.05)],
    )
    for suffix in ("TextGrid", "flac", "PitchTier", "Formant"):
        folder.tree(f"*.{suffix}")
    writer = _Writer(corpus, methods, config.measure, folder.path)
    groups: dict[str, list[str]] = {}
    for token_id in ids:
        name = writer.utterance(token_id) if config.utterances else token_id
        groups.setdefault(name, []).append(token_id)
    n_files = 0
    with folder.progress.stage("praat", len(groups), "file") as bar:
        for name, members in groups.items():
            try:
                if config.utterances:
                    writer.write_utterance(name, members)
                else:
                    folder.problems += writer.write_token(name)
                n_files += 1
            except (StressnetError, OSError) as error:
                folder.problems.append(Problem(name, "praat", Severity.ERROR, str(error)))
            bar.update(1)
    folder.finish({"n_tokens": len(ids), "n_files": n_files})
    return PraatExport(folder.path, len(ids), n_files)


def praat_text(made: PraatExport) -> str:
    """How much was written."""
    return f"{made.n_tokens} tokens, {made.n_files} TextGrids in {made.path}"


def chosen_tokens(config: PraatConfig, run: RelevanceRun) -> pd.DataFrame:
    """The chosen rows of a run's tokens, in its order.

    Raises
    ------
    ConfigError
        If none is left.
    """
    tokens = run.tokens
    keep = np.ones(len(tokens), dtype=bool)
    if config.texts:
        ids = tokens["token_id"].astype(str)
        keep &= np.any([ids.str.contains(t, regex=False) for t in config.texts], axis=0)
    if config.words:
        wanted = {word.upper() for word in config.words}
        keep &= tokens["word"].str.upper().isin(wanted).to_numpy()
    if config.splits:
        keep &= tokens["split"].isin(config.splits).to_numpy()
    if config.wrong:
        known = tokens["stress"].notna()
        keep &= (known & (tokens["stress"] != tokens["stress_predicted"])).to_numpy()
    places = np.flatnonzero(keep)
    if not len(places):
        raise ConfigError(f"{run.path}: no token meets all conditions; ask for fewer")
    if 0 < config.most < len(places):
        rng = np.random.default_rng(config.seed)
        places = np.sort(rng.choice(places, config.most, replace=False))
    return tokens.iloc[places]


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
        row, name = self.rows[token_id], safe_name(token_id)
        audio = self.corpus.excerpt(token_id)
        scene = self.readers[self.methods[0].run.preset_name].scene(token_id)
        origin_s = float(row["start_s"]) - float(row["excerpt_start_s"])
        word = Interval(origin_s, origin_s + scene.times.word.end_s, str(row["word"]).lower())
        phones = tuple(phone.shifted(origin_s) for phone in scene.times.phones)
        tiers = {"syllables": syllable_tier(scene, self.corpus.phone_parts(token_id), origin_s)}
        tiers.update(self._tiers(token_id, origin_s, audio.duration_s))
        write_textgrid(
            self.out / f"{name}.TextGrid",
            Alignment((word,), phones),
            audio.duration_s,
            tiers,
        )
        shutil.copyfile(self.corpus.excerpt_file(token_id), self.out / f"{name}.flac")
        pitch = self.out / f"{name}.PitchTier"
        write_pitch_tier(pitch, scene.tracks.pitch, audio.duration_s, origin_s)
        try:
            formant = self.out / f"{name}.Formant"
            write_formant(formant, scene.tracks.formants, audio.duration_s, origin_s)
        except ConfigError as error:
            return [Problem(token_id, "praat", Severity.WARNING, str(error))]
        return []

    def write_utterance(self, utterance_id: str, token_ids: Sequence[str]) -> None:
        """The recording's TextGrid with relevance where there is some."""
        alignment = read_textgrid(self.corpus.textgrid_file(utterance_id))
        end_s = max(part.end_s for part in (*alignment.words, *alignment.phones))
        tiers: dict[str, tuple[Interval, ...]] = {}
        for token_id in sorted(token_ids, key=lambda t: float(self.rows[t]["start_s"])):
            added = self._tiers(token_id, float(self.rows[token_id]["start_s"]), end_s)
            for name, intervals in added.items():
                tiers[name] = (*tiers.get(name, ()), *intervals)
        write_textgrid(self.out / f"{safe_name(utterance_id)}.TextGrid", alignment, end_s, tiers)

    def _tiers(
        self, token_id: str, origin_s: float, duration_s: float
    ) -> dict[str, tuple[Interval, ...]]:
        """Tiers ``network`` and ``relevance`` of every method that has a map of the token."""
        tiers: dict[str, tuple[Interval, ...]] = {}
        for method in self.methods:
            if token_id not in method.run:
                continue
            scene = self.readers[method.run.preset_name].scene(token_id)
            answer = method.run.row(token_id)
            label = answer_label(
                Stress(answer["stress_predicted"]), float(answer["p_initial"]), scene.times.stress
            )
            word = scene.times.word
            suffix = "" if len(self.methods) == 1 else f" ({method.label})"
            span = Interval(origin_s, min(origin_s + word.end_s, duration_s), label)
            tiers[f"network{suffix}"] = (span,)
            tiers[f"relevance{suffix}"] = relevance_tier(
                method.run.map_of(token_id), scene, measure=self.measure, origin_s=origin_s
            )
        return tiers
