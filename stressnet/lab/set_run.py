"""One set of ``stressnet validate-methods``: draw it, train networks on it, score every map.

Every finished step is a line in the set's journal, so that an interrupted run goes on where it
stopped; what was drawn and trained stays in the state folder until the set is done.
"""

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import nn

from stressnet.acoustics.spectrogram import sound_statistics
from stressnet.axes import FloatArray
from stressnet.corpus.store import Corpus
from stressnet.errors import ConfigError, CorpusError, StressnetError
from stressnet.explain.composites import suited
from stressnet.explain.reference import reference_images
from stressnet.inference.bootstrap import cluster_weights
from stressnet.lab.board_plan import Plan
from stressnet.lab.designs import DESIGNS
from stressnet.lab.drawn import drawn_set, planted_set
from stressnet.lab.labset import LabSet
from stressnet.lab.localised import TargetRules, localised_set
from stressnet.lab.maps import ALL_METHODS, VARIANTS, Explainer, input_bounds, make_explainers
from stressnet.lab.reactions import measure_reactions, used_regions
from stressnet.lab.related import parse_natural
from stressnet.lab.scoreboard import NATURAL, place_entry, score_entry
from stressnet.lab.scores import CONTROLS, PARTS, Scorer, break_maps, breaks
from stressnet.lab.train import Learned, judge, train_network
from stressnet.models.registry import get_spec
from stressnet.runs.journal import Journal
from stressnet.runs.problems import Problem, Severity
from stressnet.runs.tables import read_table

CONTROL_METHODS = ("epsilon-gamma",)  # Methods whose maps are broken on purpose

SET_DONE = "set"
_EXAMPLE, _MAPS = "example", "maps.npz"
MAX_REACTION_WORDS = 96  # Words whose regions are perturbed one by one

N_RESAMPLES = 400


@dataclass(frozen=True)
class SetTask:
    """Everything a worker needs for one set: a design, ``planted``, ``natural:COLUMN`` (a cue of
    the corpus), or ``folder:PATH``.
    """

    name: str
    plan: Plan
    state: Path
    corpus: Path | None = None
    cues: Path | None = None

    @property
    def slug(self) -> str:
        """A name for files."""
        return "".join(c if c.isalnum() or c in "-_+." else "-" for c in self.name)

    @property
    def folder(self) -> Path:
        """Where the set's state is."""
        return self.state / self.slug


@dataclass(frozen=True)
class SetResult:
    """What came of a set."""

    name: str
    described: dict[str, Any] = field(default_factory=dict)
    networks: list[dict[str, Any]] = field(default_factory=list)
    reactions: list[dict[str, Any]] = field(default_factory=list)
    entries: list[dict[str, Any]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def usable_methods(names: Sequence[str], network: str) -> tuple[str, ...]:
    """Of some methods those that an architecture can be explained by, its own composite among them
    if it has attention."""
    found = suited(names, get_spec(network).composite)
    if set(names) <= set(found):
        return found
    return tuple(name for name in found if name not in VARIANTS)


def make_set(task: SetTask, problems: list[Problem]) -> LabSet:
    """The words of a task; ConfigError if there is no such set, or what it needs was not given."""
    plan = task.plan
    kind, _, rest = task.name.partition(":")
    if task.name == "planted":
        return planted_set(plan.n_words, strength=plan.effect, seed=plan.seed)
    if kind == "folder":
        return LabSet.load(Path(rest))
    if kind == "natural":
        if task.corpus is None or task.cues is None:
            raise ConfigError(f"set {task.name} needs a corpus and its table of cues")
        cue, margin_sd = parse_natural(rest)
        rules = TargetRules() if margin_sd is None else TargetRules(margin_sd=margin_sd)
        table = read_table(task.cues)
        words = localised_set(Corpus.open(task.corpus), table, cue, rules=rules)
        return words if margin_sd is None else replace(words, name=f"{words.name}/{margin_sd:g}")
    if task.name not in DESIGNS:
        raise ConfigError(
            f"no set {task.name!r}; there are planted, {', '.join(DESIGNS)}, natural:COLUMN and "
            "folder:PATH"
        )
    return drawn_set(
        task.name,
        plan.n_words,
        plan.seed,
        effect=plan.effect,
        problems=problems,
        allow_leaks=plan.allow_leaks,
    )


def cue_name(words: LabSet) -> str:
    """The cue; that of natural words apart, whose truth is measured and whose cue is not alone."""
    natural = words.provenance.get("made_by") == "localised target"
    return f"{NATURAL} {words.cue}" if natural else words.cue


def run_set(task: SetTask) -> SetResult:
    """Draw, train, explain and score one set; what fails becomes a problem."""
    task.folder.mkdir(parents=True, exist_ok=True)
    with Journal(task.folder / "journal.jsonl") as journal:
        if SET_DONE not in journal.done:
            try:
                _Run(task, journal).all()
            except StressnetError as error:
                problem = Problem(task.name, "set", Severity.ERROR, str(error))
                return SetResult(task.name, problems=[problem])

        def rows(kind: str) -> list[Any]:
            return [row for key, row in journal.done.items() if key.startswith(f"{kind} ")]

        return SetResult(
            name=task.name,
            described=journal.done[SET_DONE],
            networks=rows("network"),
            reactions=[row for part in rows("reactions") for row in part],
            entries=rows("entry"),
            problems=[
                Problem(**{**one, "severity": Severity(one["severity"])}) for one in rows("problem")
            ],
        )


class _Run:
    """A set in work."""

    def __init__(self, task: SetTask, journal: Journal) -> None:
        self.task, self.journal = task, journal
        self.words = self._words()

    def all(self) -> None:
        """Every network; then what was drawn and trained is no longer needed."""
        census = True
        for network, seed in self.task.plan.trainings:
            try:
                solved = self._network(network, seed, census=census)
            except StressnetError as error:
                self._failed(f"{network}-{seed}", "network", error)
                continue
            census = census and not solved
        self.journal.add(SET_DONE, _described(self.words))
        for folder in ("set", "networks"):
            shutil.rmtree(self.task.folder / folder, ignore_errors=True)

    def _failed(self, what: str, stage: str, error: StressnetError) -> None:
        self._problem(Problem(f"{self.words.name} {what}", stage, Severity.ERROR, str(error)))

    def _problem(self, problem: Problem) -> None:
        self.journal.add(f"problem {problem.stage} {problem.item}", asdict(problem))

    def _words(self) -> LabSet:
        """The set from the state folder, or drawn anew."""
        folder = self.task.folder / "set"
        try:
            return LabSet.load(folder)
        except CorpusError:
            problems: list[Problem] = []
            words = make_set(self.task, problems)
            for problem in problems:
                self._problem(problem)
            words.save(folder)
            return words

    def _network(self, network: str, seed: int, *, census: bool) -> bool:
        """Train, judge, explain and score one network; True if it solved the set."""
        plan, words = self.task.plan, self.words
        label = f"{network}-{seed}"
        done = self.journal.done
        if f"done {label}" in done:
            return bool(done[f"done {label}"])
        changes = {name: getattr(plan, name) for name in ("max_epochs", "batch_size", "precision")}
        out = self.task.folder / "networks" / label
        model = train_network(words, network, seed, out, **changes)
        learned = judge(model, words, seed=plan.seed)
        balanced, voices = learned.balanced_accuracy, learned.solved_by_voice
        row = {
            **self.about(network, seed),
            "n_test": learned.n_test,
            "balanced_accuracy": balanced.value,
            "low": balanced.low,
            "high": balanced.high,
            "auroc": learned.auroc.value,
            "solved": learned.solved,
            "n_voices_solved": sum(voices.values()),
            "n_voices": len(voices),
        }
        self.journal.add(f"network {label}", row)
        if learned.solved:
            scoring = _Scoring(self, model, network, seed, learned)
            for explainer in _explainers(plan, network, census=census):
                try:
                    scoring.explain(explainer)
                except StressnetError as error:
                    self._failed(f"{label} {explainer.name}", "explain", error)
            if census:
                scoring.save_example()
        self.journal.add(f"done {label}", learned.solved)
        return learned.solved

    def about(self, network: str, seed: int) -> dict[str, Any]:
        """What rows of a network begin with."""
        words = self.words
        return {"set": words.name, "cue": cue_name(words), "network": network, "net_seed": seed}

    def chosen(self, learned: Learned) -> LabSet:
        """Test words that the network gets right, as many of every voice and class as there are."""
        words = self.words
        rows = words.rows("test")[learned.correct]
        rows = np.random.default_rng([self.task.plan.seed, 19]).permutation(rows)
        table = pd.DataFrame({"voice": words.voices[rows], "label": words.labels[rows]})
        groups = table.groupby(["voice", "label"], sort=False)
        in_turns = rows[np.lexsort([groups.ngroup(), groups.cumcount()])]
        return words.take(np.sort(in_turns[: self.task.plan.n_scored]))


def _explainers(plan: Plan, network: str, *, census: bool) -> list[Explainer]:
    """Methods and seeds for a network; a census takes every method that there is."""
    first, *others = plan.seeds
    methods = usable_methods(plan.methods, network)
    if not census:
        return make_explainers(methods, [first], chance_seed=plan.seed)
    every = usable_methods((*plan.methods, *(ALL_METHODS if plan.all_methods else ())), network)
    explainers = make_explainers(every, [first], chance_seed=plan.seed)
    explainers += make_explainers(methods, others, chance_seed=plan.seed)
    return list(dict.fromkeys(explainers))


class _Scoring:
    """Maps of one network on the words to be scored."""

    def __init__(
        self, run: _Run, model: nn.Module, network: str, seed: int, learned: Learned
    ) -> None:
        words = run.chosen(learned)
        self.run, self.model, self.words = run, model, words
        # What methods may know of the training words: range per bin, and mean spectrum.
        train = run.words.rows("train")
        images = np.asarray(run.words.images[train])
        self.bounds = input_bounds(images)
        spectrum, _ = sound_statistics(images, run.words.sound[train], range(len(images)))
        self.references = reference_images(words.images, words.sound, spectrum)
        self.label = f"{network}-{seed}"
        self.identity = {
            **run.about(network, seed),
            "where": str(words.provenance.get("where", "")),
            "solved_voices": [voice for voice, ok in learned.solved_by_voice.items() if ok],
        }
        self.chance_seed = run.task.plan.seed
        draws = cluster_weights(
            words.voices, words.words, seed=self.chance_seed, n_resamples=N_RESAMPLES
        )
        self.weights: FloatArray = np.concatenate(list(draws))
        self.example: dict[str, NDArray[np.float32]] = {}
        self.scorer: Scorer | None = None
        self.used: frozenset[str] = frozenset()
        if not words.has_place:
            return
        self.scorer = Scorer(words, seed=self.chance_seed)
        reactions = measure_reactions(
            model, self.scorer, self.weights, MAX_REACTION_WORDS, self.chance_seed
        )
        self.used = used_regions(reactions)
        rows = reactions.assign(set=words.name, network=network, net_seed=seed)
        run.journal.add(f"reactions {self.label}", rows.to_dict("records"))

    def explain(self, explainer: Explainer) -> None:
        """Maps of one method, scored as they are, and broken where it is a control's method."""
        control = explainer.name in CONTROL_METHODS and self.scorer is not None
        if not control and all(self._is_done(explainer, part) for part in PARTS):
            return
        maps = explainer.maps(self.model, self.words.images, self.bounds, self.references)
        self.example[explainer.name] = maps[0]
        for part in PARTS:
            if not self._is_done(explainer, part):
                self._add(explainer, maps, part, "method")
        if not control or self.scorer is None:
            return
        for name in CONTROLS:
            control_of = replace(explainer, method=f"{explainer.method}/{name}")
            if not self._is_done(control_of, "positive"):
                kind = "control" if breaks(name, self.scorer, self.chance_seed) else "no control"
                broken = break_maps(name, maps, self.words.sound, self.chance_seed)
                self._add(control_of, broken, "positive", kind)

    def _is_done(self, explainer: Explainer, part: str) -> bool:
        return f"entry {self.label} {explainer.name} {part}" in self.run.journal.done

    def _add(self, explainer: Explainer, maps: NDArray[np.float32], part: str, kind: str) -> None:
        if self.scorer is None:
            scores = place_entry(self.words, maps, part, self.weights)
        else:
            scores = score_entry(self.scorer.score(maps, part), self.used, self.weights)
        key = f"entry {self.label} {explainer.name} {part}"
        about = {"method": explainer.method, "seed_output": explainer.seed}
        self.run.journal.add(key, {**self.identity, **about, "part": part, "kind": kind, **scores})

    def save_example(self) -> None:
        """The first word with its maps, for the figure of the set."""
        if self.example:
            word = self.words.take([0])
            folder = self.run.task.folder / _EXAMPLE
            replace(word, provenance={**word.provenance, "network": self.label}).save(folder)
            maps: dict[str, Any] = {k: v.astype(np.float16) for k, v in self.example.items()}
            np.savez_compressed(folder / _MAPS, **maps)


def load_example(task: SetTask) -> tuple[LabSet, dict[str, NDArray[np.float32]]] | None:
    """A word of a set with the maps of one network by method; None if no network solved the set."""
    folder = task.folder / _EXAMPLE
    if not (folder / _MAPS).is_file():
        return None
    with np.load(folder / _MAPS, allow_pickle=False) as maps:
        return LabSet.load(folder), {k: maps[k].astype(np.float32) for k in maps.files}


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
