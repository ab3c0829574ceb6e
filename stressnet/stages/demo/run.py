"""The whole study on speech that espeak-ng speaks, with known times."""

from dataclasses import asdict
from pathlib import Path

import numpy as np

from stressnet.alignment.accuracy import boundary_errors, summarise
from stressnet.alignment.textgrid import read_textgrid
from stressnet.corpus.store import Corpus
from stressnet.demo.corpus import speak_corpus
from stressnet.demo.sentences import target_words
from stressnet.languages import ENGLISH, language
from stressnet.lexicon.stress import WordLengths
from stressnet.models.checkpoint import TrainedNetwork
from stressnet.report.page import ALIGNMENT_FILE
from stressnet.report.run import RelevanceRun
from stressnet.runs import Result, RunFolder, Step
from stressnet.stages.build_corpus import BuildConfig
from stressnet.stages.build_corpus.run import run as build
from stressnet.stages.demo import DemoConfig
from stressnet.stages.explain import ExplainConfig
from stressnet.stages.explain.run import run as explain
from stressnet.stages.explain.text import summary_text
from stressnet.stages.report import ReportConfig
from stressnet.stages.report.run import run as report
from stressnet.stages.train import TrainOptions
from stressnet.stages.train.run import run as train
from stressnet.stages.train.text import trained_text

RECIPES = {ENGLISH: "espeak-demo"}
"""By language; the others have no pairs of words that differ in stress alone."""

EPOCHS = {"full": 10, "tiny": 2}
"""Short training: synthetic speech is easy, and the demo has five minutes."""

EXPLORER_TOKENS = 300  # Enough to try the explorer; each takes some 50 ms to write


def run(config: DemoConfig, folder: RunFolder) -> Result:
    """Speak, build, align, train, explain, report; the result has the report's ``page``."""
    seed, size, code = config.seed, config.size, config.language
    lengths = WordLengths.parse(config.syllables)
    target_words(code, lengths)  # refuses a language that has none
    folder.begin(config, steps=[Step("demo", 1, "runs", 180.0)])
    recordings, truth = folder.path / "recordings", folder.path / "recordings-truth"
    for name in ("recordings", "recordings-truth"):
        folder.tree(f"{name}/**")
    if not (truth / "minimal_pairs.tsv").exists():
        with folder.progress.stage("speak"):
            speak_corpus(
                recordings, seed=seed, size=size, language=code, lengths=lengths, truth_out=truth
            )
    options = BuildConfig(
        recipe=RECIPES.get(code, "espeak"),
        labels=truth / "minimal_pairs.tsv" if code == ENGLISH else None,
        language=code,
        syllables=config.syllables,
        # Three voices are all that the tiny corpus has: one for each set.
        valid_share=0.10 if size == "full" else 0.3,
        test_share=0.22 if size == "full" else 0.3,
        seed=seed,
    )
    with folder.folder("corpus", "corpus") as child:
        built = build(options, recordings, child)
    corpus = Corpus.open(built.path)
    with folder.progress.stage("score"):
        alignment = score_alignment(corpus.path, truth)
        folder.json(f"corpus/{ALIGNMENT_FILE}", alignment)
    with folder.folder("model", "model") as child:
        trained = train(TrainOptions(max_epochs=EPOCHS[size], seed=seed), corpus, child)
    network = TrainedNetwork.of_any_length(folder.path / "model")
    with folder.folder("run", "relevance") as child:
        explained = explain(ExplainConfig(untrained=0, seed=seed), corpus, network, child)
    with folder.folder("report", "report") as child:
        made = report(
            ReportConfig(explorer_tokens=EXPLORER_TOKENS, seed=seed),
            RelevanceRun.open(explained.path),
            child,
        )
    counts = built.manifest["results"]
    text = [
        "SYNTHETIC SPEECH: the figures show that the software works, not how people stress words.",
        "",
        f"{language(code).name}: {counts['n_tokens']} tokens of {counts['n_words']} words by "
        f"{counts['n_speakers']} voices",
        "",
        alignment_text(alignment),
        "",
        trained_text(trained),
        "",
        summary_text(explained),
        f"report: {made.page}",
    ]
    return Result.of(folder, {"n_tokens": counts["n_tokens"]}, page=made.page, text="\n".join(text))


def score_alignment(corpus: Path, truth: Path) -> dict[str, dict[str, float]]:
    """Boundary errors of a corpus's TextGrids against those in ``truth``, of words and phones."""
    errors: dict[str, list[np.ndarray]] = {"word": [], "phone": []}
    for file in sorted((corpus / "textgrids").glob("*.TextGrid")):
        reference = read_textgrid(truth / file.name)
        aligned = read_textgrid(file)
        errors["word"].append(boundary_errors(reference, aligned, "word"))
        errors["phone"].append(boundary_errors(reference, aligned, "phone"))
    return {level: asdict(summarise(np.concatenate(parts))) for level, parts in errors.items()}


def alignment_text(scores: dict[str, dict[str, float]]) -> str:
    """The aligner's error."""
    lines = ["aligner against the engine's own times (absolute difference of boundaries, ms):"]
    for level, s in scores.items():
        lines.append(
            f"  {level:<6} median {s['median_ms']:.1f}, mean {s['mean_ms']:.1f}, "
            f"90th percentile {s['p90_ms']:.1f}, n = {s['n']:.0f}"
        )
    return "\n".join(lines)
