"""Predictions for recordings, written as they were asked for."""

from dataclasses import replace
from pathlib import Path

from stressnet.errors import ConfigError
from stressnet.runs.held import check_file
from stressnet.runs.work import Work
from stressnet.stages.predict import PredictConfig
from stressnet.stages.predict.sources import sources_of, sources_one_by_one
from stressnet.stages.predict.text import as_csv, as_json, as_text, write_textgrids
from stressnet.stages.predict.words import Predicted, predict_words
from stressnet.training.onnx_export import read_network


def run(config: PredictConfig, files: list[Path], work: Work) -> Predicted:
    """Predict the stress of every disyllabic word of some recordings."""
    given = [*files, config.textgrid, config.transcript, config.model, config.dictionary]
    if config.out is not None and config.format != "textgrid":
        check_file(config.out, given)
    places = config.textgrid, config.transcript
    network = read_network(config.model, work.device)
    code = config.language or network.language
    if config.word is None and None in places:
        sources = sources_one_by_one(files, *places, code=code)
    else:
        sources = sources_of(files, *places, config.word, code)
    result = predict_words(
        [replace(s, speaker=config.speaker, channel=config.channel) for s in sources],
        network,
        aligner=config.aligner,
        dictionary=config.dictionary,
        function_words=config.function_words,
        sure=config.sure,
        progress=work.progress,
    )
    if not result.n_failed:
        work.progress.say(result.closing_line)
    if config.format == "textgrid" and config.out is not None:
        written = write_textgrids(result, config.out, [path for path in given if path])
        return replace(result, text="\n".join(str(path) for path in written))
    if config.format == "csv":
        text = as_csv(result.words, config.spreadsheet, network.info.contrast).removesuffix("\n")
    else:
        text = as_json(result) if config.format == "json" else as_text(result)
    if config.out is None:
        return replace(result, text=text, lists_reasons=config.format in ("csv", "json"))
    try:
        config.out.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"{config.out}: cannot be written ({error.strerror}); choose another file"
        ) from error
    return result
