"""Predictions for recordings, written as they were asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from stressnet.errors import ConfigError
from stressnet.models.checkpoint import TrainedNetwork
from stressnet.runs.held import check_file
from stressnet.runs.problems import Problem
from stressnet.runs.work import Work
from stressnet.stages.predict import PredictConfig
from stressnet.stages.predict.sources import sources_of, sources_one_by_one
from stressnet.stages.predict.text import (
    as_csv,
    as_json,
    as_text,
    closing_line,
    write_textgrids,
)
from stressnet.stages.predict.words import Predicted, predict_words

MOST_TOLD = 20
"""Problems that are told on stderr."""


@dataclass(frozen=True)
class Prediction:
    """Predictions, and what the terminal shows.

    Parameters
    ----------
    predicted : Predicted
        All words.
    text : str
        What is printed; empty if it was written into a file.
    lists_reasons : bool
        Whether what is printed says why recordings could not be used.
    """

    predicted: Predicted
    text: str
    lists_reasons: bool = False

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Recordings that could not be used, or are doubtful."""
        return self.predicted.problems

    @property
    def n_failed(self) -> int:
        """Recordings that could not be used; at least 1 if no word was predicted."""
        return self.predicted.n_unused or int(not self.predicted.n_predicted)

    @property
    def messages(self) -> tuple[str, ...]:
        """What is told on stderr at the end: each problem once, then a count."""
        told = () if self.lists_reasons else self.problems
        lines = [f"stressnet: {problem.reason}" for problem in told[:MOST_TOLD]]
        if len(told) > MOST_TOLD:
            lines.append(f"... and {len(told) - MOST_TOLD} more; --format csv lists all")
        return (*lines, closing_line(self.predicted)) if self.n_failed else tuple(lines)

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
    places = config.textgrid, config.transcript
    if config.word is None and None in places:
        sources = sources_one_by_one(files, *places)
    else:
        sources = sources_of(files, *places, config.word)
    result = predict_words(
        [replace(s, speaker=config.speaker, channel=config.channel) for s in sources],
        TrainedNetwork.load(config.model, work.device),
        aligner=config.aligner,
        dictionary=config.dictionary,
        function_words=config.function_words,
        progress=work.progress,
    )
    if result.n_predicted and not result.n_unused:
        work.progress.say(closing_line(result))
    if config.format == "textgrid" and config.out is not None:
        written = write_textgrids(result, config.out, [path for path in given if path])
        return Prediction(result, "\n".join(str(path) for path in written))

    def csv_text(result: Predicted) -> str:
        return as_csv(result.words, config.spreadsheet).removesuffix("\n")

    text = {"text": as_text, "csv": csv_text, "json": as_json}[config.format](result)
    if config.out is None:
        return Prediction(result, text, lists_reasons=config.format in ("csv", "json"))
    try:
        config.out.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"{config.out}: cannot be written ({error.strerror}); choose another file"
        ) from error
    return Prediction(result, "")
