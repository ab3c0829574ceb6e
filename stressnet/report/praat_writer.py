"""Praat's files of a run's tokens and utterances."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stressnet.alignment.textgrid import read_textgrid, write_textgrid
from stressnet.corpus.store import Corpus
from stressnet.errors import ConfigError
from stressnet.intervals import Alignment, Interval
from stressnet.lexicon.stress import Stress
from stressnet.regions.from_corpus import SceneReader
from stressnet.report.explorer.tokens import Method
from stressnet.report.praat import (
    answer_label,
    relevance_tier,
    syllable_tier,
    write_formant,
    write_pitch_tier,
)
from stressnet.runs.names import safe_name
from stressnet.runs.problems import Problem, Severity


class PraatWriter:
    """Writes the files of tokens and utterances.

    Parameters
    ----------
    methods : sequence of Method
        Runs that explain the corpus; the first one's preset gives a token's times.
    """

    def __init__(self, corpus: Corpus, methods: Sequence[Method], measure: str, out: Path) -> None:
        self.corpus, self.methods, self.measure, self.out = corpus, methods, measure, out
        names = {m.run.preset_name for m in methods}
        self.readers = {name: SceneReader(corpus, name) for name in sorted(names)}
        self.rows: dict[Any, Any] = corpus.tokens.set_index("token_id").to_dict("index")

    def utterance(self, token_id: str) -> str:
        """The utterance of a token."""
        return str(self.rows[token_id]["utterance_id"])

    def write_token(self, token_id: str) -> list[Problem]:
        """Four files; a token without formants lacks one of them and a problem says so."""
        row, name = self.rows[token_id], safe_name(token_id)
        audio = self.corpus.excerpt(token_id)
        scene = self.readers[self.methods[0].run.preset_name].scene(token_id)
        origin_s = float(row["start_s"]) - float(row["excerpt_start_s"])
        word = Interval(origin_s, origin_s + scene.times.word.end_s, str(row["word"]).lower())
        phones = tuple(phone.shifted(origin_s) for phone in scene.times.phones)
        tiers = {"syllables": syllable_tier(scene, origin_s)}
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
