"""``stressnet corpus export`` and ``corpus folds``: a corpus for other programs and other runs."""

from dataclasses import dataclass

from stressnet.runs import ANY_CORPUS, Stage, option, seed_option


@dataclass(frozen=True)
class ExportConfig:
    """What is exported; without a choice, CSV, WAVs and TextGrids."""

    csv: bool = option(False, help="Tables as CSV, with a script for R.")
    wav: bool = option(False, help="A WAV per token.")
    textgrid: bool = option(False, help="A TextGrid per token that fits its WAV.")
    huggingface: bool = option(False, help="Parquet with the sound, for 'datasets'.")
    spreadsheet: bool = option(
        False,
        help="In CSV, ' before text that a spreadsheet would take for a formula (=, +, -, @).",
    )
    no_context: bool = option(False, help="WAVs of the words alone, without sound around them.")

    @property
    def what(self) -> list[str]:
        """Kinds of export."""
        kinds = ("csv", "wav", "textgrid", "huggingface")
        return [kind for kind in kinds if getattr(self, kind)] or ["csv", "wav", "textgrid"]


@dataclass(frozen=True)
class FoldsConfig:
    """How many splits are dealt."""

    folds: int = option(5, flag="-k,--folds", minimum=3, help="Number of folds.")
    rotations: int = option(1, minimum=1, help="Number of ways in which folds are combined.")
    seed: int = seed_option()


export_corpus = Stage(
    "corpus export",
    config=ExportConfig,
    kind="export",
    inputs=(ANY_CORPUS,),
    run="stressnet.stages.corpus_export.run:export",
    text="stressnet.stages.corpus_export.run:export_text",
    help="""Write CORPUS for other programs into OUT; without a choice, CSV, WAVs and TextGrids.""",
)

write_folds = Stage(
    "corpus folds",
    config=FoldsConfig,
    kind="export",
    inputs=(ANY_CORPUS,),
    run="stressnet.stages.corpus_export.run:write_folds",
    text="stressnet.stages.corpus_export.run:folds_text",
    done="splits",
    help="""Write k splits of CORPUS into OUT, one file like splits.csv per run.

    Each run tests new words of new speakers. Over k folds a k-th of the tokens is tested once;
    with k rotations, every token is.
    """,
)
