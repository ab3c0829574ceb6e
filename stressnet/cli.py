"""The command line: parses, calls, prints. Everything heavy is imported inside the commands.

Exit codes: 0 all good, 1 failed, 2 wrong usage, 3 done but some items failed (see the table named
in the output), 130 interrupted (run the same command to continue).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from stressnet import __version__
from stressnet.errors import StressnetError

EXIT_FAILED = 1
EXIT_SOME_FAILED = 3
EXIT_INTERRUPTED = 130

_PATH = click.Path(path_type=Path)
_DEFAULT_JOBS = max(1, min(os.cpu_count() or 1, 8))


def _quiet_option(function: Any) -> Any:
    return click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")(function)


def _jobs_option(function: Any) -> Any:
    return click.option(
        "-j",
        "--jobs",
        type=click.IntRange(1),
        default=_DEFAULT_JOBS,
        show_default="number of cores, at most 8",
        help="Worker processes. The result does not depend on it.",
    )(function)


def _seed_option(function: Any) -> Any:
    return click.option(
        "--seed", type=click.IntRange(0), default=0, show_default=True, help="For all chance."
    )(function)


def _overwrite_option(function: Any) -> Any:
    return click.option(
        "--overwrite", is_flag=True, help="Replace what stressnet wrote into the output folder."
    )(function)


def _presets_option(function: Any) -> Any:
    return click.option(
        "--preset",
        "presets",
        multiple=True,
        default=("stressnet",),
        show_default=True,
        help="Spectrogram preset; may be repeated (stressnet, allouche2025).",
    )(function)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="stressnet")
def cli() -> None:
    """How a neural network hears lexical stress.

    From recordings to a corpus of disyllabic words, a network that predicts their stress, and
    tables and figures that say which parts of the sound decided.

    \b
      stressnet demo                                   try everything, no data needed
      stressnet build-corpus RECORDINGS CORPUS         words, phones, spectrograms
      stressnet train CORPUS MODEL                     a network and its test figures
      stressnet explain CORPUS MODEL RUN               relevance by syllable, vowel, formant, F0
      stressnet report RUN REPORT                      figures and a page
      stressnet assess CORPUS MODEL OUT                which maps can be believed
    """


@cli.command("build-corpus")
@click.argument("recordings", type=_PATH)
@click.argument("corpus", type=_PATH)
@click.option(
    "--recipe",
    default="generic",
    show_default=True,
    help="How the recordings are laid out: a name (see 'stressnet recipes') or a TOML file.",
)
@_presets_option
@click.option(
    "--aligner", default="auto", show_default=True, help="Used where there is no TextGrid."
)
@click.option(
    "--labels",
    type=_PATH,
    help="Table of stress decided by a person: utterance_id, word_index, stress (TSV or CSV).",
)
@click.option("--dictionary", type=_PATH, help="Further pronunciations in CMUdict's format.")
@click.option("--function-words", type=_PATH, help="List of words to leave out, one per line.")
@click.option(
    "--context", default=0.25, show_default=True, help="Seconds of sound kept around each word."
)
@click.option(
    "--valid-share",
    default=0.10,
    show_default=True,
    help="Of speakers and of words, for validation.",
)
@click.option(
    "--test-share", default=0.22, show_default=True, help="Of speakers and words, to test."
)
@click.option("--no-splits", is_flag=True, help="Build without training and test sets.")
@_seed_option
@_jobs_option
@_overwrite_option
@_quiet_option
def build_corpus_command(
    recordings: Path,
    corpus: Path,
    recipe: str,
    presets: tuple[str, ...],
    aligner: str,
    labels: Path | None,
    dictionary: Path | None,
    function_words: Path | None,
    context: float,
    valid_share: float,
    test_share: float,
    no_splits: bool,
    seed: int,
    jobs: int,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Build CORPUS, a folder of disyllabic word tokens, from RECORDINGS.

    Finds every disyllabic content word, aligns words and phones where no TextGrid is given, labels
    stress from CMUdict, and writes tables, excerpts, spectrograms, formant and pitch tracks, and
    TextGrids. Interrupted, it continues with the same command; repeated, it does nothing.
    """
    from stressnet.corpus.splits import SplitConfig
    from stressnet.progress import Progress
    from stressnet.workflows.build import BuildConfig, build_corpus

    splits = None if no_splits else SplitConfig(valid_share, test_share, seed)
    config = BuildConfig(
        recipe=recipe,
        presets=presets,
        aligner=aligner,
        context_s=context,
        dictionary=dictionary,
        function_words=function_words,
        labels=labels,
        splits=splits,
        seed=seed,
    )
    summary = build_corpus(
        recordings, corpus, config, jobs=jobs, overwrite=overwrite, progress=Progress(not quiet)
    )
    if summary.up_to_date:
        click.echo(f"{corpus}: up to date")
    else:
        click.echo((corpus / "corpus-card.md").read_text(encoding="utf-8"))
    click.echo(f"corpus: {corpus}")
    if summary.n_errors:
        click.echo(
            f"{summary.n_errors} items failed, the rest was built; reasons are in "
            f"{corpus / 'failures.csv'}",
            err=True,
        )
        sys.exit(EXIT_SOME_FAILED)


@cli.command("train")
@click.argument("corpus", type=_PATH)
@click.argument("model", type=_PATH)
@click.option("--model", "architecture", default="compact", show_default=True, help="Network.")
@click.option("--preset", help="Spectrogram preset.  [default: the network's usual one]")
@click.option("--recipe", help="Training recipe.  [default: the network's usual one]")
@click.option("--max-epochs", type=click.IntRange(1), help="Instead of the recipe's.")
@click.option("--patience", type=click.IntRange(1), help="Instead of the recipe's.")
@click.option("--max-minutes", type=float, help="Stop after the epoch that passes this limit.")
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, or auto.")
@_seed_option
@_overwrite_option
@_quiet_option
def train_command(
    corpus: Path,
    model: Path,
    architecture: str,
    preset: str | None,
    recipe: str | None,
    max_epochs: int | None,
    patience: int | None,
    max_minutes: float | None,
    device: str,
    seed: int,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Train a network on CORPUS, test it, and save it in the folder MODEL.

    Networks: lenet, vgg11, vgg13, vgg16, vgg19 (as in the paper) and compact. Prints the figures of
    every test set with 95 % intervals.
    """
    from stressnet.progress import Progress
    from stressnet.workflows.train import metrics_text, train_model

    changes: dict[str, Any] = {"max_epochs": max_epochs, "patience": patience}
    changes["max_minutes"] = max_minutes
    result = train_model(
        corpus,
        model,
        architecture=architecture,
        preset=preset,
        recipe=recipe,
        changes={k: v for k, v in changes.items() if v is not None},
        device=device,
        seed=seed,
        overwrite=overwrite,
        progress=Progress(not quiet),
    )
    click.echo(metrics_text(result))
    click.echo(f"model: {model}")


@cli.command("explain")
@click.argument("corpus", type=_PATH)
@click.argument("model", type=_PATH)
@click.argument("run", type=_PATH)
@click.option("--composite", default="epsilon-plus", show_default=True, help="LRP rules.")
@click.option(
    "--seed-output",
    type=click.Choice(["logit-difference", "logit", "log-odds"]),
    default="logit-difference",
    show_default=True,
    help="What is explained; the difference is INITIAL minus FINAL.",
)
@click.option(
    "--split",
    "splits",
    multiple=True,
    help="Which tokens; may be repeated.  [default: all test sets]",
)
@click.option("--max-tokens", type=click.IntRange(1), help="A random sample of this size.")
@_seed_option
@_jobs_option
@_overwrite_option
@_quiet_option
def explain_command(
    corpus: Path,
    model: Path,
    run: Path,
    composite: str,
    seed_output: str,
    splits: tuple[str, ...],
    max_tokens: int | None,
    seed: int,
    jobs: int,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Explain what MODEL hears in the tokens of CORPUS; write maps and tables into RUN.

    Computes signed relevance by layer-wise relevance propagation, checks its conservation, projects
    it onto syllables, nuclei, consonants, context, padding, F1 to F4 and F0, and compares with a
    null in which the tokens' tracks are exchanged.
    """
    from stressnet.progress import Progress
    from stressnet.workflows.explain import explain_corpus, summary_text

    result = explain_corpus(
        corpus,
        model,
        run,
        composite=composite,
        seed_output=seed_output,
        splits=splits or None,
        max_tokens=max_tokens,
        seed=seed,
        jobs=jobs,
        overwrite=overwrite,
        progress=Progress(not quiet),
    )
    click.echo(summary_text(result))
    click.echo(f"run: {run}")


@cli.command("assess")
@click.argument("corpus", type=_PATH)
@click.argument("model", type=_PATH)
@click.argument("out", type=_PATH)
@click.option(
    "--composite",
    "composites",
    multiple=True,
    help="LRP rules to assess; may be repeated. The first is what others are compared with.",
)
@click.option(
    "--method",
    "methods",
    multiple=True,
    help="Other methods to assess; may be repeated.  [default: five, see docs/faithfulness.md]",
)
@click.option("--metric", "metrics", multiple=True, help="May be repeated.  [default: all]")
@click.option(
    "--baseline",
    "baselines",
    multiple=True,
    default=("fill", "noise", "local"),
    show_default=True,
    help="What removed cells become: fill, mean, noise, local, linear; may be repeated.",
)
@click.option(
    "--region",
    "regions",
    multiple=True,
    default=("word", "nucleus_stressed", "nucleus_unstressed", "F1", "F2"),
    show_default=True,
    help="Where relevance is looked for; may be repeated.",
)
@click.option(
    "--score",
    type=click.Choice(["probability", "log-odds", "logit"]),
    default="probability",
    show_default=True,
    help="Of the predicted class; what removal is measured by.",
)
@click.option(
    "--other-model",
    "other_models",
    type=_PATH,
    multiple=True,
    help="The network trained with another seed, for agreement; may be repeated.",
)
@click.option(
    "--split",
    "splits",
    multiple=True,
    help="Which tokens; may be repeated.  [default: all test sets]",
)
@click.option(
    "--max-tokens",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    help="A random sample of this size.",
)
@_seed_option
@_overwrite_option
@_quiet_option
def assess_command(
    corpus: Path,
    model: Path,
    out: Path,
    composites: tuple[str, ...],
    methods: tuple[str, ...],
    metrics: tuple[str, ...],
    baselines: tuple[str, ...],
    regions: tuple[str, ...],
    score: str,
    other_models: tuple[Path, ...],
    splits: tuple[str, ...],
    max_tokens: int,
    seed: int,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Measure how faithful attribution methods are to MODEL on tokens of CORPUS; write into OUT.

    Removes or keeps what each map calls important (cells, phones, formant bands), randomises the
    network, moves the input, and compares maps with regions and with each other. Every figure comes
    with its chance level. Interrupted, it continues with the same command.
    """
    from stressnet.progress import Progress
    from stressnet.workflows.assess import assess, summary_text

    result = assess(
        corpus,
        model,
        out,
        methods=[*composites, *methods] or None,
        metrics=metrics or None,
        baselines=baselines,
        regions=regions,
        score=score,
        other_models=other_models,
        splits=splits or None,
        max_tokens=max_tokens,
        seed=seed,
        overwrite=overwrite,
        progress=Progress(not quiet),
    )
    click.echo(summary_text(result))
    click.echo(f"assessment: {out}")


@cli.command("report")
@click.argument("run", type=_PATH)
@click.argument("report", type=_PATH)
@_overwrite_option
@_quiet_option
def report_command(run: Path, report: Path, overwrite: bool, quiet: bool) -> None:
    """Write figures (PNG, PDF) and a page that opens in a browser from RUN into REPORT."""
    from stressnet.progress import Progress
    from stressnet.workflows.report import report_run

    page = report_run(run, report, overwrite=overwrite, progress=Progress(not quiet))
    click.echo(f"report: {page}")


@cli.command("word")
@click.argument("run", type=_PATH)
@click.argument("token_id")
@click.argument("figure", type=_PATH)
def word_command(run: Path, token_id: str, figure: Path) -> None:
    """Draw one word of RUN: sound, spectrogram, formants, pitch, relevance, phones.

    FIGURE ends in .png, .pdf or .svg. Token ids are in RUN/tokens.parquet; a part that only one
    token has is enough.
    """
    from stressnet.workflows.report import draw_word

    click.echo(f"figure: {draw_word(run, token_id, figure)}")


@cli.command("demo")
@click.option(
    "--out", type=_PATH, default=Path("stressnet-demo"), show_default=True, help="Folder to write."
)
@click.option(
    "--size",
    type=click.Choice(["full", "tiny"]),
    default="full",
    show_default=True,
    help="tiny takes seconds and proves only that everything runs.",
)
@_seed_option
@_jobs_option
@_overwrite_option
@_quiet_option
def demo_command(out: Path, size: str, seed: int, jobs: int, overwrite: bool, quiet: bool) -> None:
    """The whole study on synthetic speech, without data or network.

    Speaks a corpus with espeak-ng, builds, aligns, trains, explains and reports. Since the engine's
    own times are known, the aligner's error is printed too. Synthetic speech is far more regular
    than people: its figures say that the software works, not how people stress words.
    """
    from stressnet.progress import Progress
    from stressnet.workflows.demo import run_demo

    result = run_demo(
        out, size=size, seed=seed, jobs=jobs, overwrite=overwrite, progress=Progress(not quiet)
    )
    click.echo(result.text)
    click.echo(f"report: {result.page}")


@cli.command("fetch")
@click.argument("name")
@click.option("--out", type=_PATH, help="Folder to unpack into.  [default: the recipe's name]")
@click.option("--keep-archive", is_flag=True, help="Keep the archive after unpacking.")
@_quiet_option
def fetch_command(name: str, out: Path | None, keep_archive: bool, quiet: bool) -> None:
    """Download NAME, e.g. librispeech:dev-clean, check it and unpack it.

    Continues a download that broke off. 'stressnet recipes' lists what can be fetched.
    """
    from stressnet.corpus.fetch import fetch

    folder = out or Path(name.split(":")[0])
    fetch(name, folder, progress=not quiet, keep_archive=keep_archive)
    recipe = name.split(":")[0]
    click.echo(f"recordings: {folder}")
    click.echo(f"next: stressnet build-corpus {folder} {folder}-corpus --recipe {recipe}")


@cli.command("recipes")
def recipes_command() -> None:
    """List the corpus recipes, their licences and what can be fetched."""
    from stressnet.corpus.recipe import available_recipes, load_recipe

    for name in available_recipes():
        recipe = load_recipe(name)
        click.echo(f"{name:<14} {recipe.title} (licence: {recipe.licence})")
        for part, source in recipe.parts.items():
            click.echo(f"{'':<14}   stressnet fetch {name}:{part}   {source.size}")


@cli.command("doctor")
def doctor_command() -> None:
    """Show versions, devices, and which optional parts are there or missing."""
    from stressnet.workflows.doctor import examine

    text, healthy = examine()
    click.echo(text)
    if not healthy:
        sys.exit(EXIT_FAILED)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: errors become one line on stderr and an exit code."""
    try:
        cli.main(args=list(arguments) if arguments is not None else None, standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("interrupted; run the same command again to continue", err=True)
        sys.exit(EXIT_INTERRUPTED)
    except KeyboardInterrupt:
        click.echo("interrupted; run the same command again to continue", err=True)
        sys.exit(EXIT_INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except StressnetError as error:
        click.echo(f"stressnet: {error}", err=True)
        sys.exit(EXIT_FAILED)


if __name__ == "__main__":
    main()
