"""Commands that are no stages: they look at something, fetch, draw or write one file."""

import sys
import warnings
from pathlib import Path
from typing import Any

import click

from stressnet.cli.commands import EXIT_FAILED, PATH, echo, quiet_option, seed_option


@click.command("fetch")
@click.argument("name")
@click.option("--out", type=PATH, help="Folder to unpack into.  [default: the recipe's name]")
@click.option("--keep-archive", is_flag=True, help="Keep the archive after unpacking.")
@quiet_option
def fetch_command(name: str, out: Path | None, keep_archive: bool, quiet: bool) -> None:
    """Download NAME, e.g. librispeech:dev-clean, check it and unpack it.

    Continues a download that broke off. 'stressnet recipes' lists what can be fetched.
    """
    from stressnet.corpus.fetch import fetch

    folder = out or Path(name.split(":")[0])
    fetch(name, folder, progress=not quiet, keep_archive=keep_archive)
    recipe = name.split(":")[0]
    echo(f"recordings: {folder}")
    echo(f"next: stressnet build-corpus {folder} {folder}-corpus --recipe {recipe}")


@click.command("recipes")
def recipes_command() -> None:
    """List the corpus recipes, their licences and what can be fetched."""
    from stressnet.corpus.recipe import available_recipes, load_recipe

    for name in available_recipes():
        recipe = load_recipe(name)
        echo(f"{name:<14} {recipe.title} (licence: {recipe.licence})")
        for part, source in recipe.parts.items():
            echo(f"{'':<14}   stressnet fetch {name}:{part}   {source.size}")


@click.command("languages")
def languages_command() -> None:
    """List the languages, where their stress labels come from and how far they were checked."""
    from importlib.util import find_spec

    from stressnet.languages import available_languages, language
    from stressnet.languages.phones import bare

    for code in available_languages():
        one = language(code)
        echo(f"{code:<4} {one.name}")
        own = [v for v in one.reduced if bare(v) == v or bare(v) not in one.reduced]
        reduced = ", ".join(own) or "none"
        rows = {"labels": one.labels, "checked": one.checked, "reduced vowels": reduced}
        if package := one.lexicon_package:
            there = "installed" if find_spec(package) else f"pip install {package}"
            rows["lexicon"] = f"{package} ({there.replace('_', '-')})"
        for title, text in rows.items():
            echo(f"{'':<4}   {title}: {text}")


@click.command("corpus show")
@click.argument("corpus", type=PATH)
def show_command(corpus: Path) -> None:
    """Print the card of CORPUS: sources, licences, counts, durations."""
    from stressnet.corpus.card import show_corpus

    echo(show_corpus(corpus))


@click.command("models")
@click.option("--preset", help="Describe all for images of this preset, not each for its own.")
@click.option("--layers", metavar="NETWORK", help="List the layers of one network instead.")
def models_command(preset: str | None, layers: str | None) -> None:
    """List the networks: size, cost, reach, and the presets, recipes and rules that suit them."""
    from stressnet.report.models_text import layers_text, models_text

    echo(models_text(preset) if layers is None else layers_text(layers, preset))


@click.command("export")
@click.argument("model", type=PATH)
@click.argument("out", type=PATH)
@click.option(
    "--quantised",
    type=PATH,
    metavar="CORPUS",
    help="In 8 bits, calibrated on training words of CORPUS and tested on its test words.",
)
def export_command(model: Path, out: Path, quantised: Path | None) -> None:
    """Write MODEL as the ONNX file OUT, and check it in onnxruntime.

    The file says of itself what it takes and gives: classes, preset with all parameters, axes in
    seconds and hertz, temperature, and hashes of corpus and weights.
    """
    from stressnet.training.onnx_export import export_onnx

    if quantised is not None:
        from stressnet.quantise.onnx_file import export_quantised

        found = export_quantised(model, quantised, out)
        for before, title in (("", "in 8 bits"), ("float_", "in float32")):
            size, ms, accuracy = (found[before + name] for name in ("bytes", "ms", "accuracy"))
            echo(f"{title:<11}{size:>10} bytes  {ms:.2f} ms  balanced accuracy {accuracy:.3f}")
        echo(f"{out}: same answer on {found['agreement']:.1%} of {found['n']} test words")
        return
    echo(f"{out}: logits as the network's to {export_onnx(model, out):.1e}")


@click.command("card")
@click.argument("corpus", type=PATH)
@click.argument("model", type=PATH)
@click.option("--out", type=PATH, help="File to write.  [default: MODEL_CARD.md in MODEL]")
@click.option(
    "--measured",
    type=PATH,
    help="The same network without --all-tokens, to measure for a MODEL trained on all tokens.",
)
@seed_option
@quiet_option
def card_command(
    corpus: Path, model: Path, out: Path | None, measured: Path | None, seed: int, quiet: bool
) -> None:
    """Write the model card of MODEL, which was trained on CORPUS, and its temperature.

    The card says what the network was trained on, how well it does for which group, its limits and
    how to make it again. The temperature goes into MODEL/calibration.json, which predict uses.
    """
    from stressnet.report.model_card import write_card
    from stressnet.runs.work import Progress

    path, temperature = write_card(
        corpus, model, measured_path=measured, out=out, seed=seed, progress=Progress(not quiet)
    )
    echo(f"{path}; temperature {temperature:.3f}")


@click.command("regions")
@click.argument("corpus", type=PATH, required=False)
@click.option("--figure", type=PATH, help="Draw every region of a token of CORPUS into this file.")
@click.option("--token", default="", help="Part of the token's id.  [default: one that has most]")
@click.option("--preset", help="Spectrogram preset.  [default: the first that CORPUS has]")
@click.option(
    "--bands",
    default="fixed-hz",
    show_default=True,
    help="Half-width of formant bands: fixed-hz[:HZ,HZ,HZ,HZ or :*FACTOR], fixed-bins[:BINS], "
    "bandwidth[:LARGEST_HZ].",
)
@click.option(
    "--regions-file",
    "region_files",
    type=PATH,
    multiple=True,
    help="Python file with regions of your own; may be repeated.",
)
@click.option(
    "--region", "names", multiple=True, help="A region to draw; may be repeated.  [default: all]"
)
def regions_command(
    corpus: Path | None,
    figure: Path | None,
    token: str,
    preset: str | None,
    bands: str,
    region_files: tuple[Path, ...],
    names: tuple[str, ...],
) -> None:
    """List the regions, or draw them on a token of CORPUS."""
    from stressnet.report.region_sheet import draw_regions, regions_text

    if figure is None or corpus is None:
        if figure is not None:
            raise click.UsageError("--figure needs a CORPUS to take a token from")
        echo(regions_text(region_files))
        return
    drawn = draw_regions(
        corpus,
        figure,
        token=token,
        preset=preset,
        bands=bands,
        region_files=region_files,
        names=names,
    )
    echo(f"{drawn}: {figure}")


@click.command("word")
@click.argument("run", type=PATH)
@click.argument("token_id")
@click.argument("figure", type=PATH)
def word_command(run: Path, token_id: str, figure: Path) -> None:
    """Draw one word of RUN: sound, spectrogram, formants, pitch, relevance, phones.

    FIGURE ends in .png, .pdf or .svg. Token ids are in RUN/tokens.parquet; a part that only one
    token has is enough.
    """
    from stressnet.report.word import draw_word

    echo(f"figure: {draw_word(run, token_id, figure)}")


@click.command("look")
@click.argument("recording", type=PATH)
@click.argument("figure", type=PATH)
@click.option("--word", help="The word; it is all that is said, if nothing else is known of it.")
@click.option("--textgrid", type=PATH, help="Words and phones of RECORDING.")
@click.option("--transcript", type=PATH, help="Text of RECORDING.")
@click.option("--occurrence", default=1, show_default=True, help="Which, if said several times.")
@click.option("--model", default="pretrained", show_default=True, help="Checkpoint folder.")
def look_command(
    recording: Path,
    figure: Path,
    word: str | None,
    textgrid: Path | None,
    transcript: Path | None,
    occurrence: int,
    model: str,
) -> None:
    """Draw one word of RECORDING, the network's answer and where in the sound it comes from.

    FIGURE ends in .png, .pdf or .svg. No corpus is needed; from Python it is
    stressnet.load_network().explain(stressnet.load_word(...)).plot().
    """
    from stressnet.listen import load_network, load_word
    from stressnet.report.style import save_figure
    from stressnet.runs.held import check_file

    check_file(figure, [recording, textgrid, transcript])
    suffix = figure.suffix.lstrip(".").lower() or "png"
    network = load_network(model)
    given: dict[str, Any] = {
        "textgrid": textgrid,
        "transcript": transcript,
        "occurrence": occurrence,
    }
    with warnings.catch_warnings(record=True) as doubts:
        warnings.simplefilter("always", UserWarning)
        loaded = load_word(recording, word, **given, language=network.network.language)
    for doubt in doubts:
        echo(f"warning: {doubt.message}", err=True)
    why = network.explain(loaded)
    (path,) = save_figure(why.plot(), figure.with_suffix(""), [suffix])
    echo(f"{loaded.label}: {why.answer.stress}, probability {why.answer.probability:.3f}")
    echo(f"figure: {path}")


@click.command("doctor")
def doctor_command() -> None:
    """Show versions, devices, and which optional parts are there or missing."""
    from stressnet.report.doctor import examine

    text, healthy = examine()
    echo(text)
    if not healthy:
        sys.exit(EXIT_FAILED)


def _print_example(context: click.Context, _: click.Parameter, wanted: bool) -> Any:
    if wanted:
        from stressnet.statistics.analysis import EXAMPLE

        click.echo(EXAMPLE, nl=False)
        context.exit()


EXAMPLE_OPTION = click.Option(  # `stressnet stats --example`
    ["--example"],
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_example,
    help="Print a commented CONFIG.toml and stop.",
)
