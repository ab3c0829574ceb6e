"""Commands that evaluate networks and put them to use."""

from __future__ import annotations

from pathlib import Path

import click

from stressnet.cli.commands import command_of
from stressnet.cli.options import MODEL, PATH, quiet_option, seed_option
from stressnet.stages.evaluate import evaluate_models

evaluate_command = command_of(evaluate_models)


@click.command("predict")
@click.argument("files", type=PATH, nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--textgrid",
    type=PATH,
    help="Words and phones of the FILE (TextGrid or another alignment), or a folder of TextGrids "
    "named like the FILEs.",
)
@click.option(
    "--transcript",
    type=PATH,
    help="Text of the FILE, or a folder of .txt, .lab or .trans.txt files; or a .trans.txt.",
)
@click.option("--word", "text", help="The word (or words) said in the one FILE.")
@click.option("--model", type=PATH, help="Checkpoint folder.  [default: the network in stressnet]")
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "csv", "json", "textgrid"]),
    default="text",
    show_default=True,
)
@click.option("--out", type=PATH, help="File to write; for TextGrids a folder.  [default: print]")
@click.option(
    "--aligner",
    default="pocketsphinx",
    show_default=True,
    help="For transcripts. kaldi-gmm trains itself on the FILEs and needs a minute of speech.",
)
@click.option("--dictionary", type=PATH, help="Further pronunciations in CMUdict's format.")
@click.option("--function-words", is_flag=True, help="Predict words such as 'into' too.")
@quiet_option
def predict_command(
    files: tuple[Path, ...],
    textgrid: Path | None,
    transcript: Path | None,
    text: str | None,
    model: Path | None,
    style: str,
    out: Path | None,
    aligner: str,
    dictionary: Path | None,
    function_words: bool,
    quiet: bool,
) -> None:
    """Predict the stress of the disyllabic words in recordings.

    A FILE without TextGrid or transcript must hold one word of two syllables and nothing else.
    Running speech needs a TextGrid with words and ARPAbet phones, or a transcript, with which it is
    aligned first; a TextGrid, .txt or .lab of the same name beside the FILE is found by itself.
    Words that do not have two syllables are listed as skipped.
    """
    import sys

    from stressnet.cli.options import EXIT_FAILED, EXIT_SOME_FAILED
    from stressnet.errors import ConfigError
    from stressnet.runs.progress import Progress
    from stressnet.workflows.predict import predict_words, sources_of
    from stressnet.workflows.predict_output import as_csv, as_json, as_text, write_textgrids

    if style == "textgrid" and out is None:
        raise ConfigError("TextGrids need a folder to be written into; give it with --out")
    result = predict_words(
        sources_of(files, textgrid, transcript, text),
        model,
        aligner=aligner,
        dictionary=dictionary,
        function_words=function_words,
        progress=Progress(not quiet and sys.stderr.isatty()),
    )
    for problem in result.problems:
        click.echo(f"stressnet: {problem.reason}", err=True)
    if style == "textgrid" and out is not None:
        for path in write_textgrids(result, out):
            click.echo(str(path))
    elif style != "textgrid":
        written = {
            "text": lambda: as_text(result) + "\n",
            "csv": lambda: as_csv(result.words),
            "json": lambda: as_json(result) + "\n",
        }[style]()
        if out is None:
            click.echo(written, nl=False)
        else:
            try:
                out.write_text(written, encoding="utf-8")
            except OSError as error:
                raise ConfigError(
                    f"{out}: cannot be written ({error.strerror}); choose another file"
                ) from error
    if result.problems:
        sys.exit(EXIT_SOME_FAILED if result.alignments else EXIT_FAILED)


@click.command("export")
@click.argument("model", type=MODEL)
@click.argument("out", type=PATH)
def export_command(model: Path, out: Path) -> None:
    """Write MODEL as the ONNX file OUT, and check it in onnxruntime.

    The file says of itself what it takes and gives: classes, preset with all parameters, axes in
    seconds and hertz, temperature, and hashes of corpus and weights.
    """
    from stressnet.workflows.export import export_onnx

    result = export_onnx(model, out)
    click.echo(f"{result.path}: logits as the network's to {result.largest_difference:.1e}")


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
    from stressnet.runs.progress import Progress

    card = write_card(
        corpus, model, measured_path=measured, out=out, seed=seed, progress=Progress(not quiet)
    )
    click.echo(f"{card.path}; temperature {card.temperature:.3f}")
