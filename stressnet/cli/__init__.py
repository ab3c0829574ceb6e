"""The command line: parses, calls, prints. Everything heavy is imported inside the commands.

Each module here holds the commands of one part of the study; :data:`COMMANDS` lists them in the
order of the help page. Exit codes: 0 all good, 1 failed, 2 wrong usage, 3 done but some items
failed (see the table named in the output), 130 interrupted (run the same command to continue).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from stressnet import __version__
from stressnet.cli import (
    causal,
    corpus,
    corpus_tools,
    evaluating,
    explaining,
    manipulating,
    measuring,
    reporting,
    statistics,
    training,
    trying,
    validating,
)
from stressnet.cli.options import EXIT_FAILED, EXIT_INTERRUPTED
from stressnet.errors import StressnetError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="stressnet")
def cli() -> None:
    """How a neural network hears lexical stress.

    From recordings to a corpus of disyllabic words, a network that predicts their stress, and
    tables and figures that say which parts of the sound decided.

    \b
      stressnet demo                                   try everything, no data needed
      stressnet validate RECORDINGS                    what is wrong with files and alignments
      stressnet build-corpus RECORDINGS CORPUS         words, phones, spectrograms
      stressnet corpus show|export|merge               cards, exports, several corpora as one
      stressnet measure CORPUS CUES                    acoustic cues of every syllable and vowel
      stressnet manipulate CORPUS OUT                  one cue at a time changed in real words
      stressnet psychometrics STIMULI OUT              how networks answer, beside listeners
      stressnet train CORPUS MODEL                     a network and its test figures
      stressnet evaluate CORPUS MODEL... OUT           every test set, leak audits, errors to hear
      stressnet predict FILE...                        stress of the words in recordings
      stressnet explain CORPUS MODEL RUN               relevance by syllable, vowel, formant, F0
      stressnet stats RUN OUT                          claims, contrasts, nulls, mixed models
      stressnet report RUN REPORT                      figures, a page, an explorer
      stressnet export-praat RUN OUT                   TextGrids, Formants for Praat
      stressnet assess CORPUS MODEL OUT                which maps can be believed
      stressnet validate-methods OUT                   do maps find a cue that is known?
      stressnet causal-agreement CORPUS MODEL OUT      do maps predict what changed cues do?
      stressnet findings CORPUS STATS STIMULI OUT      the paper's claims, tested three ways
      stressnet sensitivity CORPUS MODEL OUT           how much choices matter
    """


COMMANDS = (
    corpus.validate_command,
    corpus.build_corpus_command,
    corpus_tools.corpus_group,
    corpus.fetch_command,
    corpus.recipes_command,
    measuring.measure_command,
    measuring.cue_baselines_command,
    manipulating.manipulate_command,
    causal.psychometrics_command,
    training.train_command,
    training.search_command,
    training.models_command,
    evaluating.evaluate_command,
    evaluating.card_command,
    evaluating.predict_command,
    evaluating.export_command,
    explaining.explain_command,
    explaining.assess_command,
    validating.validate_methods_command,
    causal.causal_agreement_command,
    causal.findings_command,
    explaining.regions_command,
    explaining.sensitivity_command,
    statistics.stats_command,
    reporting.report_command,
    reporting.word_command,
    reporting.export_praat_command,
    trying.demo_command,
    trying.doctor_command,
)
for command in COMMANDS:
    cli.add_command(command)


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
