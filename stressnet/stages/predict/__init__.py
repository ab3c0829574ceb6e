"""Predict the stress of the disyllabic words in recordings.

A FILE without TextGrid or transcript must hold one word of two syllables and nothing else.
Running speech needs a TextGrid with words and ARPAbet phones, or a transcript, with which it is
aligned first, text with times (subtitles, what recognisers write) where it stands; what lies
beside the FILE under its name is found by itself.
Words that do not have two syllables are listed as skipped.
"""

from dataclasses import dataclass
from pathlib import Path

from stressnet.errors import ConfigError
from stressnet.runs import Input, Stage, option
from stressnet.runs.options import check_sure, sure_option


@dataclass(frozen=True)
class PredictConfig:
    """What is known of the words, which network predicts, and how the answer is written."""

    textgrid: Path | None = option(
        None,
        help="Words and phones of the FILE (TextGrid or another alignment), or a folder of "
        "TextGrids named like the FILEs.",
    )
    transcript: Path | None = option(
        None,
        help="Text of the FILE (.txt, .lab; with times .srt, .vtt, .eaf, .cha or a recogniser's "
        ".json), or a folder of such files or of .trans.txt; or a .trans.txt.",
    )
    speaker: str | None = option(
        None, help="Whose words to take of an alignment with several speakers."
    )
    channel: int | None = option(
        None,
        minimum=1,
        help="Channel of the recordings to take, counted from 1.",
        default_text="the mean of all",
    )
    language: str | None = option(
        None,
        help="Language of the speech (see 'stressnet languages').",
        default_text="the network's",
    )
    word: str | None = option(None, help="The word (or words) said in the one FILE.")
    model: Path = option(
        Path("pretrained"),
        help="Checkpoint folder, or an ONNX file of 'stressnet export'.",
        default_text="the network in stressnet",
    )
    sure: float = sure_option()
    format: str = option(
        "text", choices=("text", "csv", "json", "textgrid"), help="How predictions are written."
    )
    spreadsheet: bool = option(
        False,
        help="In CSV, ' before text that a spreadsheet would take for a formula (=, +, -, @).",
    )
    out: Path | None = option(
        None, help="File to write, or a folder for TextGrids.", default_text="the terminal"
    )
    aligner: str | None = option(
        None,
        help="Aligner for recordings with a transcript.",
        default_text="pocketsphinx in English, else kaldi-gmm",
    )
    dictionary: Path | None = option(None, help="Further pronunciations in CMUdict's format.")
    function_words: bool = option(False, help="Predict words such as 'into' too.")

    def __post_init__(self) -> None:
        check_sure(self.sure)
        if self.format == "textgrid" and self.out is None:
            raise ConfigError("TextGrids need a folder to be written into; give it with --out")


predict = Stage(
    "predict", config=PredictConfig, inputs=(Input("file", several=True),), has_device=True
)
