"""Commands that evaluate networks and put them to use."""

from __future__ import annotations

from pathlib import Path

import click

from stressnet.cli.commands import command_of
from stressnet.cli.options import MODEL, PATH, quiet_option, seed_option
from stressnet.stages.evaluate import evaluate_models
from stressnet.stages.predict import predict

evaluate_command = command_of(evaluate_models)


predict_command = command_of(predict)


@click.command("export")
@click.argument("model", type=MODEL)
@click.argument("out", type=PATH)
def export_command(model: Path, out: Path) -> None:
    """Write MODEL as the ONNX file OUT, and check it in onnxruntime.

    The file says of itself what it takes and gives: classes, preset with all parameters, axes in
    seconds and hertz, temperature, and hashes of corpus and weights.
    """
    from stressnet.training.onnx_export import export_onnx

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
