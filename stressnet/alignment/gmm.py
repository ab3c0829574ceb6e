"""Hidden Markov models with Gaussian mixtures, trained and searched by Kaldi's own code.

Phones are known to Kaldi by number: each ARPAbet phone (vowels with their stress digit) exists at
four positions in the word (beginning, inside, end, single), which share their densities but not
their transitions. Thus the best path alone says which words' edges fall where and which
pronunciation was chosen.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Self

import kaldi_hmm_gmm as khg
import kaldifst
import numpy as np

from stressnet.alignment.features import FRAME_S
from stressnet.alignment.paths import FoundPath, Variants, WordPath, arpabet
from stressnet.errors import MissingPartError

SILENCE_PHONE = 1

PHONE_STATES, SILENCE_STATES = 3, 5  # Emitting states; those of silence are at least three


def check_kaldi() -> None:
    """Raise `MissingPartError` unless graphs made by kaldifst are accepted by kaldi_hmm_gmm.

    The wheels exchange C++ objects, hence must be built against the same OpenFst; kaldifst 1.8
    moved to a newer one.
    """
    model = GmmModel.flat(PhoneSet(("AA0",)), np.zeros(1), np.ones(1))
    try:
        word_graph(model, [[("AA0",)]])
    except TypeError as error:
        raise MissingPartError(
            f"kaldifst {version('kaldifst')} does not fit kaldi-hmm-gmm {version('kaldi-hmm-gmm')}"
        ) from error


@dataclass(frozen=True, slots=True)
class PhoneSet:
    """Kaldi's numbers for distinct ARPAbet phones, sorted, at their positions in a word."""

    labels: tuple[str, ...] = field(default_factory=arpabet)

    def number(self, label: str, position: int, length: int) -> int:
        """Kaldi's phone for `label`, the `position`-th of a word of `length` phones."""
        if length == 1:
            place = 3
        elif position == 0:
            place = 0
        else:
            place = 2 if position == length - 1 else 1
        return SILENCE_PHONE + 1 + 4 * self.labels.index(label) + place

    def label(self, number: int) -> str:
        """The ARPAbet phone of a number that is not silence."""
        return self.labels[(number - SILENCE_PHONE - 1) // 4]

    def starts_word(self, number: int) -> bool:
        """Whether the phone stands at the beginning of a word."""
        return (number - SILENCE_PHONE - 1) % 4 in (0, 3)

    def sharing(self) -> list[list[int]]:
        """Sets of numbers that share densities."""
        classes: dict[str, list[int]] = {}
        for index, label in enumerate(self.labels):
            first = SILENCE_PHONE + 1 + 4 * index
            key = label.replace("2", "1")
            classes.setdefault(key, []).extend(range(first, first + 4))
        return [[SILENCE_PHONE], *classes.values()]


def _topology(phones: PhoneSet) -> khg.HmmTopology:
    """Left-to-right models for phones, a loop for silence."""
    numbers = range(SILENCE_PHONE + 1, SILENCE_PHONE + 1 + 4 * len(phones.labels))
    parts = ["<Topology>", "<TopologyEntry>", "<ForPhones>", *map(str, numbers), "</ForPhones>"]
    for state in range(PHONE_STATES):
        parts.append(f"<State> {state} <PdfClass> {state} <Transition> {state} 0.75")
        parts.append(f"<Transition> {state + 1} 0.25 </State>")
    parts.append(f"<State> {PHONE_STATES} </State> </TopologyEntry>")
    parts.append(f"<TopologyEntry> <ForPhones> {SILENCE_PHONE} </ForPhones>")
    last = SILENCE_STATES - 1
    share = 1.0 / last
    for state in range(SILENCE_STATES):
        if state == 0:
            targets = [(to, share) for to in range(last)]
        elif state < last:
            targets = [(to, share) for to in range(1, last + 1)]
        else:
            targets = [(last, 0.75), (last + 1, 0.25)]
        parts.append(f"<State> {state} <PdfClass> {state}")
        parts += [f"<Transition> {to} {probability}" for to, probability in targets]
        parts.append("</State>")
    parts.append(f"<State> {SILENCE_STATES} </State> </TopologyEntry> </Topology>")
    result = khg.HmmTopology()
    result.read(" ".join(parts))
    return result


@dataclass(frozen=True)
class GmmModel:
    """A model to align with: Kaldi's phones, tree, transition probabilities and mixtures."""

    phones: PhoneSet
    tree: khg.ContextDependency
    transitions: khg.TransitionModel
    densities: khg.AmDiagGmm
    silence_probability: float = 0.5

    @classmethod
    def flat(cls, phones: PhoneSet, mean: np.ndarray, variance: np.ndarray) -> Self:
        """A model in which every state has the same single Gaussian.

        ``phones`` are all that occur in any pronunciation; mean and variance, shape (dimension,),
        are those of all frames together.
        """
        topo = _topology(phones)
        tree = khg.monophone_context_dependency_shared(
            phones.sharing(), topo.get_phone_to_num_pdf_classes()
        )
        gauss = khg.DiagGmm(nmix=1, dim=len(mean))
        gauss.set_weights(np.ones(1, dtype=np.float32))
        gauss.set_means(np.asarray(mean, dtype=np.float32)[None])
        gauss.set_invvars(1.0 / np.asarray(variance, dtype=np.float32)[None])
        gauss.compute_gconsts()
        densities = khg.AmDiagGmm()
        for _ in range(tree.num_pdfs):
            densities.add_pdf(gauss)
        return cls(phones, tree, khg.TransitionModel(tree, topo), densities)


def word_graph(model: GmmModel, pronunciations: Variants) -> kaldifst.StdVectorFst:
    """The utterance as a graph of states: its words in order, each by any of its variants."""
    pause = -math.log(model.silence_probability)
    no_pause = -math.log(1.0 - model.silence_probability)
    lexicon = kaldifst.StdVectorFst()
    start, between, silence = lexicon.add_state(), lexicon.add_state(), lexicon.add_state()
    lexicon.start = start
    lexicon.set_final(state=between, weight=0.0)

    def arc(source: int, phone: int, word: int, cost: float, target: int) -> None:
        lexicon.add_arc(
            state=source,
            arc=kaldifst.StdArc(ilabel=phone, olabel=word, weight=cost, nextstate=target),
        )

    arc(start, 0, 0, no_pause, between)
    arc(start, 0, 0, pause, silence)
    arc(silence, SILENCE_PHONE, 0, 0.0, between)
    for index, variants in enumerate(pronunciations):
        word = index + 1
        for variant in dict.fromkeys(tuple(v) for v in variants):
            numbers = [
                model.phones.number(label, position, len(variant))
                for position, label in enumerate(variant)
            ]
            state = between
            for number in numbers[:-1]:
                following = lexicon.add_state()
                arc(state, number, word, 0.0, following)
                state, word = following, 0
            arc(state, numbers[-1], word, no_pause, between)
            arc(state, numbers[-1], word, pause, silence)
            word = index + 1
    kaldifst.arcsort(lexicon, sort_type="olabel")
    options = khg.TrainingGraphCompilerOptions()
    options.reorder = False
    compiler = khg.TrainingGraphCompiler(
        trans_model=model.transitions,
        ctx_dep=model.tree,
        lex_fst=lexicon,
        disambig_syms=[],
        opts=options,
    )
    return compiler.compile_graph_from_text(list(range(1, len(pronunciations) + 1)))


def best_path(
    model: GmmModel,
    graph: kaldifst.StdVectorFst,
    features: np.ndarray,
    beams: Sequence[float] = (10.0, 40.0, 200.0),
    acoustic_scale: float = 0.1,
) -> list[int] | None:
    """The most likely sequence of Kaldi's transitions, one per frame; None if there is no path.

    The graph is one of `word_graph`, features are normalised, shape (frames, dimension). Beams are
    tried one after the other until a path reaches the end.
    """
    weighted = graph.copy()
    khg.add_transition_probs(
        trans_model=model.transitions, transition_scale=1.0, self_loop_scale=0.1, fst=weighted
    )
    for beam in beams:
        decodable = khg.DecodableAmDiagGmmScaled(
            am=model.densities, tm=model.transitions, feats=features, scale=acoustic_scale
        )
        _, failed, _, _, _, path, _ = khg.align_utterance_wrapper(
            config=khg.AlignConfig(beam=beam, retry_beam=0.0, careful=False),
            utt="",
            acoustic_scale=acoustic_scale,
            fst=weighted,
            decodable=decodable,
            num_done=0,
            num_error=0,
            num_retried=0,
            tot_like=0.0,
            frame_count=0,
        )
        if not failed and len(path) == len(features):
            return list(path)
    return None


def _phone_posteriors(model: GmmModel, features: np.ndarray, numbers: Sequence[int]) -> np.ndarray:
    """Probability (frames,), given the sound alone, of the phone that a frame was aligned with.

    All phones (stressed and unstressed vowels apart, silence included) are equally likely
    beforehand; a phone is as likely as its likeliest state.
    """
    classes = model.phones.sharing()
    likelihood = np.empty((len(features), len(classes)))
    class_of = {}
    for column, sharing in enumerate(classes):
        _, pdfs = khg.get_pdfs_for_phones(model.transitions, sorted(sharing))
        states = [
            _log_sum(model.densities.get_pdf(pdf).log_likelihoods_matrix(features)) for pdf in pdfs
        ]
        likelihood[:, column] = np.max(states, axis=0)
        class_of.update(dict.fromkeys(sharing, column))
    chosen = likelihood[np.arange(len(features)), [class_of[number] for number in numbers]]
    return np.exp(chosen - _log_sum(likelihood))


def find_words(
    model: GmmModel, features: np.ndarray, variants: Variants, *, confident: bool = True
) -> FoundPath | None:
    """Words and phones of an utterance; confidence is the mean posterior of a word's phones.

    Features are normalised, shape (frames, dimension). If not ``confident`` there is no confidence,
    which costs more than the search.
    """
    path = best_path(model, word_graph(model, variants), features)
    if path is None:
        return None
    numbers = [model.transitions.transition_id_to_phone(transition) for transition in path]
    phones: list[list[str]] = []
    limits: list[list[int]] = []
    start = 0
    for end, (transition, number) in enumerate(zip(path, numbers, strict=True), start=1):
        if not model.transitions.is_final(transition):
            continue
        if number != SILENCE_PHONE:
            if model.phones.starts_word(number):
                phones.append([])
                limits.append([start])
            phones[-1].append(model.phones.label(number))
            limits[-1].append(end)
        start = end
    words = tuple(
        WordPath(tuple(names), tuple(FRAME_S * limit for limit in word))
        for names, word in zip(phones, limits, strict=True)
    )
    if not confident:
        return FoundPath(words, ())
    posteriors = _phone_posteriors(model, features, numbers)
    return FoundPath(words, tuple(float(posteriors[w[0] : w[-1]].mean()) for w in limits))


def _log_sum(values: np.ndarray) -> np.ndarray:
    """Logarithm of the sum of exponentials over each row."""
    top = values.max(axis=1)
    return np.asarray(top + np.log(np.exp(values - top[:, None]).sum(axis=1)))
