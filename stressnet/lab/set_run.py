"""One set of ``stressnet validate-methods``: draw it, train networks on it, score every map.

Every finished step is a line in the set's journal, so that an interrupted run goes on where it
stopped; what was drawn and trained stays in the state folder until the set is done.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stressnet.errors import CorpusError, StressnetError
from stressnet.lab.set_task import (
    CONTROL_METHODS,
    N_RESAMPLES,
    SetResult,
    SetTask,
    cue_name,
    make_set,
    usable_methods,
)
from stressnet.runs.journal import Journal
from stressnet.runs.problems import Problem, Severity

if TYPE_CHECKING:
    from torch import nn

    from stressnet.lab.labset import LabSet
    from stressnet.lab.maps import Explainer
    from stressnet.lab.train import Learned

FloatArray = NDArray[np.float64]

SET_DONE = "set"
MAX_REACTION_WORDS = 96
"""Words whose regions are perturbed one by one."""


def run_set(task: SetTask) -> SetResult:
    """Draw, train, explain and score one set; what fails becomes a problem."""
    started = time.perf_counter()
    task.folder.mkdir(parents=True, exist_ok=True)
    with Journal(task.folder / "journal.jsonl") as journal:
        if SET_DONE not in journal.done:
            try:
                _Run(task, journal).all()
            except StressnetError as error:
                problem = Problem(task.name, "set", Severity.ERROR, str(error))
                return SetResult(task.name, {}, [], [], [], [problem])
        result = _collected(task, journal)
    return replace(result, seconds=time.perf_counter() - started)


def _collected(task: SetTask, journal: Journal) -> SetResult:
    """The result as the journal has it."""
    rows: dict[str, list[Any]] = {"network": [], "reactions": [], "entry": [], "problem": []}
    for key, value in journal.done.items():
        kind = key.split(" ", 1)[0]
        if kind == "reactions":
            rows[kind] += value
        elif kind in rows:
            rows[kind].append(value)
    problems = [Problem(**{**p, "severity": Severity(p["severity"])}) for p in rows["problem"]]
    described = journal.done[SET_DONE]
    return SetResult(
        task.name, described, rows["network"], rows["reactions"], rows["entry"], problems
    )


class _Run:
    """A set in work."""

    def __init__(self, task: SetTask, journal: Journal) -> None:
        self.task, self.journal = task, journal
        self.words = self._words()

    def all(self) -> None:
        """Every network; then what was drawn and trained is no longer needed."""
        words = self.words
        first = True
        for network, seed in self.task.networks:
            try:
                found = self._network(network, seed, census=first)
            except StressnetError as error:
                self._problem(f"{words.name} {network}-{seed}", "network", error)
                continue
            first = first and not found
        self.journal.add(SET_DONE, _described(words))
        for folder in ("set", "networks"):
            shutil.rmtree(self.task.folder / folder, ignore_errors=True)

    def _problem(self, item: str, stage: str, error: StressnetError) -> None:
        problem = Problem(item, stage, Severity.ERROR, str(error))
        self.journal.add(f"problem {stage} {item}", {**asdict(problem)})

    def _words(self) -> LabSet:
        """The set from the state folder, or drawn anew."""
        from stressnet.lab.labset import LabSet

        folder = self.task.folder / "set"
        try:
            return LabSet.load(folder)
        except CorpusError:
            problems: list[Problem] = []
            words = make_set(self.task, problems)
            for problem in problems:
                self.journal.add(f"problem {problem.stage} {problem.item}", asdict(problem))
            words.save(folder)
            return words

    def _network(self, network: str, seed: int, *, census: bool) -> bool:
        """Train, judge, explain and score one network; True if it solved the set."""
        from stressnet.lab.maps import make_explainers
        from stressnet.lab.train import judge, train_network

        task, words = self.task, self.words
        label = f"{network}-{seed}"
        done = self.journal.done
        if f"done {label}" in done:
            return bool(done[f"done {label}"])
        model = train_network(
            words, network, seed, task.folder / "networks" / label, **dict(task.changes)
        )
        learned = judge(model, words, seed=task.seed)
        self.journal.add(f"network {label}", self._network_row(network, seed, learned))
        if learned.solved:
            first, *others = task.seeds
            methods = usable_methods(task.methods, network)
            every = usable_methods(task.census, network) if census else methods
            explainers = make_explainers(every, [first], chance_seed=task.seed)
            if census:
                explainers += [
                    one
                    for one in make_explainers(methods, others, chance_seed=task.seed)
                    if one not in explainers
                ]
            chosen = self._chosen(learned)
            known = _Known.of(words)
            scoring = _Scoring(self, model, network, seed, learned, words.take(chosen), known)
            for explainer in explainers:
                try:
                    scoring.explain(explainer)
                except StressnetError as error:
                    self._problem(f"{words.name} {label} {explainer.name}", "explain", error)
            if census:
                scoring.save_example()
        self.journal.add(f"done {label}", learned.solved)
        return learned.solved

    def _network_row(self, network: str, seed: int, learned: Learned) -> dict[str, Any]:
        balanced, auroc = learned.balanced_accuracy, learned.auroc
        return {
            "set": self.words.name,
            "cue": cue_name(self.words),
            "network": network,
            "net_seed": seed,
            "n_test": learned.n_test,
            "balanced_accuracy": balanced.value,
            "low": balanced.low,
            "high": balanced.high,
            "auroc": auroc.value,
            "solved": learned.solved,
            "n_voices_solved": sum(learned.solved_by_voice.values()),
            "n_voices": len(learned.solved_by_voice),
        }

    def _chosen(self, learned: Learned) -> NDArray[np.int64]:
        """Test words that the network gets right, as many of every voice and class as there are."""
        words = self.words
        rows = words.rows("test")[learned.correct]
        rng = np.random.default_rng([self.task.seed, 19])
        rows = rng.permutation(rows)
        groups: dict[tuple[str, int], list[int]] = {}
        for row in rows:
            groups.setdefault((str(words.voices[row]), int(words.labels[row])), []).append(int(row))
        picked: list[int] = []
        depth = max((len(each) for each in groups.values()), default=0)
        for k in range(depth):
            picked += [each[k] for each in groups.values() if k < len(each)]
        return np.sort(np.array(picked[: self.task.n_scored], dtype=np.int64))


@dataclass(frozen=True)
class _Known:
    """What methods may know of the training words: range per bin, and mean spectrum."""

    bounds: Any
    spectrum: FloatArray

    @classmethod
    def of(cls, words: LabSet) -> _Known:
        from stressnet.explain.reference import mean_spectrum
        from stressnet.lab.maps import input_bounds

        rows = words.rows("train")
        images = np.asarray(words.images[rows])
        return cls(input_bounds(images), mean_spectrum(images, words.sound[rows]))


class _Scoring:
    """Maps of one network on the words to be scored."""

    def __init__(
        self,
        run: _Run,
        model: nn.Module,
        network: str,
        seed: int,
        learned: Learned,
        words: LabSet,
        known: _Known,
    ) -> None:
        from stressnet.lab.reactions import measure_reactions
        from stressnet.lab.scores import Scorer
        from stressnet.training.metrics import cluster_weights

        self.run, self.model, self.words, self.known = run, model, words, known
        self.label = f"{network}-{seed}"
        self.identity = {
            "set": words.name,
            "cue": cue_name(words),
            "where": str(words.provenance.get("where", "")),
            "network": network,
            "net_seed": seed,
            "solved_voices": [voice for voice, ok in learned.solved_by_voice.items() if ok],
        }
        draws = cluster_weights(
            words.voices, words.words, seed=run.task.seed, n_resamples=N_RESAMPLES
        )
        self.weights: FloatArray = np.concatenate(list(draws))
        self.example: dict[str, NDArray[np.float32]] = {}
        self.scorer: Scorer | None = None
        self.used: frozenset[str] = frozenset()
        if not words.has_place:
            return
        self.scorer = Scorer(words, seed=run.task.seed)
        reactions = measure_reactions(
            model, self.scorer, self.weights, MAX_REACTION_WORDS, run.task.seed
        )
        self.used = reactions.used
        rows = reactions.table.assign(set=words.name, network=network, net_seed=seed)
        run.journal.add(f"reactions {self.label}", rows.to_dict("records"))

    def explain(self, explainer: Explainer) -> None:
        """Maps of one method, scored as they are, and broken where it is a control's method."""
        from stressnet.explain.reference import reference_images
        from stressnet.lab.controls import CONTROLS, break_maps, breaks

        names = {part: f"entry {self.label} {explainer.name} {part}" for part in self._parts()}
        control = explainer.name in CONTROL_METHODS and self.scorer is not None
        done = self.run.journal.done
        if all(key in done for key in names.values()) and not control:
            return
        words = self.words
        references = reference_images(words.images, words.sound, self.known.spectrum)
        maps = explainer.maps(self.model, words.images, self.known.bounds, references)
        self.example[explainer.name] = maps[0]
        for part, key in names.items():
            if key not in done:
                self._add(key, explainer, maps, part, "method")
        if not control or self.scorer is None:
            return
        for name in CONTROLS:
            key = f"entry {self.label} {explainer.name}/{name} positive"
            if key not in done:
                kind = "control" if breaks(name, self.scorer, self.run.task.seed) else "no control"
                broken = break_maps(name, maps, self.words.sound, self.run.task.seed)
                self._add(key, explainer, broken, "positive", kind, suffix=f"/{name}")

    def _parts(self) -> tuple[str, ...]:
        from stressnet.lab.scores import PARTS

        return PARTS

    def _add(
        self,
        key: str,
        explainer: Explainer,
        maps: NDArray[np.float32],
        part: str,
        kind: str,
        suffix: str = "",
    ) -> None:
        from stressnet.lab.scoreboard import place_entry, score_entry

        if self.scorer is None:
            found = place_entry(self.words, maps, part, self.weights)
        else:
            found = score_entry(self.scorer.score(maps, part), self.used, self.weights)
        self.run.journal.add(
            key,
            {
                **self.identity,
                "method": explainer.method + suffix,
                "seed_output": explainer.seed,
                "part": part,
                "kind": kind,
                **found,
            },
        )

    def save_example(self) -> None:
        """The first word with its maps, for the figure of the set."""
        if not self.example:
            return
        file = self.run.task.folder / "example.npz"
        word = self.words.take([0])
        names = list(self.example)
        np.savez_compressed(
            file,
            names=np.array(names),
            maps=np.stack([self.example[name] for name in names]).astype(np.float16),
            scale=np.array([np.abs(self.example[name]).max() for name in names]),
            image=word.images[0],
            truth=word.truth[0],
            time_s=word.axes.time_s,
            frequency_hz=word.axes.frequency_hz,
            sound=word.scenes[0].sound,
            phone_s=np.array([[p.start_s, p.end_s] for p in word.scenes[0].times.phones]),
            phones=np.array([p.label for p in word.scenes[0].times.phones]),
            voice=np.array(str(word.voices[0])),
            label=np.array(int(word.labels[0])),
            network=np.array(self.label),
        )


def _described(words: LabSet) -> dict[str, Any]:
    return {
        "set": words.name,
        "cue": cue_name(words),
        "true_regions": list(words.true_regions),
        "n_words": len(words),
        **{f"n_{split}": len(words.rows(split)) for split in ("train", "valid", "test")},
        "n_voices": len(np.unique(words.voices)),
        "preset": words.preset.name,
        "truth_area": float(words.truth.sum() / words.sound.sum() / words.axes.shape[0]),
        "provenance": dict(words.provenance),
        "fingerprint": words.fingerprint,
    }
