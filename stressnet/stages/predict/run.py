"""Predictions for recordings, written as they were asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from stressnet.errors import ConfigError
from stressnet.models.checkpoint import TrainedNetwork
from stressnet.runs.held import check_file
from stressnet.runs.problems import Problem
from stressnet.runs.work import Work
from stressnet.stages.predict.config import PredictConfig
from stressnet.stages.predict.sources import sources_of
from stressnet.stages.predict.text import as_csv, as_json, as_text, write_textgrids
from stressnet.stages.predict.words import Predicted, predict_words


@dataclass(frozen=True)
class Prediction:
    """Predictions, and what the terminal shows.

    Parameters
    ----------
    predicted : Predicted
        All words.
    text : str
        What is printed; empty if it was written into a file.
    """

    predicted: Predicted
    text: str

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Recordings that could not be used."""
        return self.predicted.problems

    @property
    def is_empty(self) -> bool:
        """Whether no recording could be used."""
        return not self.predicted.alignments


def run(config: PredictConfig, files: list[Path], work: Work) -> Prediction:
    """Predict the stress of every disyllabic word of some recordings.

    Raises
    ------
    ConfigError
        If the answer cannot be written.
    """
    given = [*files, config.textgrid, config.transcript, config.model, config.dictionary]
    if config.out is not None and config.format != "textgrid":
        check_file(config.out, given)
    sources = sources_of(files, config.textgrid, config.transcript, config.word)
    result = predict_words(
        [replace(s, speaker=config.speaker, channel=config.channel) for s in sources],
        TrainedNetwork.load(config.model, work.device),
        aligner=config.aligner,
        dictionary=config.dictionary,
        function_words=config.function_words,
        progress=work.progress,
    )
    if config.format == "textgrid" and config.out is not None:
        written = write_textgrids(result, config.out, [path for path in given if path])
        return Prediction(result, "\n".join(str(path) for path in written))

    def csv_text(result: Predicted) -> str:
        return as_csv(result.words, config.spreadsheet).removesuffix("\n")

    text = {"text": as_text, "csv": csv_text, "json": as_json}[config.format](result)
    if config.out is None:
        return Prediction(result, text)
    try:
        config.out.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"{config.out}: cannot be written ({error.strerror}); choose another file"
        ) from error
    return Prediction(result, "")


def printed(prediction: Prediction) -> str:
    """What the terminal shows."""
    return prediction.text
