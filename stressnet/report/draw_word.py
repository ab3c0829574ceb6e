"""One token of a run as a figure."""

from __future__ import annotations

from pathlib import Path

from stressnet.errors import CorpusError
from stressnet.report.run import RelevanceRun


def draw_word(run: Path, token_id: str, figure: Path) -> Path:
    """Draw one token of a run.

    Parameters
    ----------
    token_id : str
        A token's id or a part of it that only one token has.
    figure : Path
        File to write; the suffix decides the format.

    Raises
    ------
    CorpusError
        If no token or more than one matches.
    """
    from stressnet.report.style import save_figure
    from stressnet.report.word import plot_word, word_data

    opened = RelevanceRun.find(run)
    ids = opened.tokens["token_id"]
    matches = [i for i in ids if i == token_id] or [i for i in ids if token_id in i]
    if len(matches) != 1:
        some = f" ({', '.join(matches[:5])} ...)" if matches else ""
        raise CorpusError(
            f"{run}: {len(matches)} tokens match '{token_id}'{some}; give the id of one"
        )
    drawing = plot_word(word_data(opened.open_corpus(), opened, matches[0]))
    suffix = figure.suffix.lstrip(".").lower() or "png"
    return save_figure(drawing, figure.with_suffix(""), [suffix])[0]
