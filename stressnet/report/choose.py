"""Which words a report shows: chosen by rule from the network's verdicts, so that nobody picks."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from stressnet.lexicon.contrast import STRESS, Contrast


@dataclass(frozen=True)
class Chosen:
    """A token and why it is shown."""

    token_id: str
    reason: str


def choose_words(tokens: pd.DataFrame, contrast: Contrast = STRESS) -> list[Chosen]:
    """Three to six tokens that show what went right and wrong.

    ``tokens``: ``token_id``, ``word``, ``speaker``, ``stress``, ``stress_predicted``,
    ``p_initial``; ``output`` (logit difference) if there is one. Returns the most certain right
    token of each class, the most certain wrong one, both readings of one word that were told apart
    (by one speaker if possible), and the least certain one; what does not exist is left out, no
    token comes twice. Ties go to the first in the order of ids.
    """
    classes = contrast.among(tokens[contrast.column])
    known = tokens[tokens[contrast.column].isin(list(classes))].sort_values("token_id")
    known = known.assign(certainty=_certainty(known, contrast))
    right = known[contrast.column] == known[contrast.predicted]
    chosen: list[Chosen] = []

    def take(rows: pd.DataFrame, reason: str, *, least: bool = False) -> None:
        rows = rows[~rows["token_id"].isin([c.token_id for c in chosen])]
        if len(rows):
            at = rows["certainty"].argmin() if least else rows["certainty"].argmax()
            chosen.append(Chosen(str(rows["token_id"].iloc[int(at)]), reason))

    for one in classes:
        of_class = known[right & (known[contrast.column] == one)]
        take(of_class, f"the most certain right answer for {contrast.say(one)}")
    take(known[~right], "the most certain wrong answer")
    chosen += [
        c for c in _pair(known[right], contrast) if c.token_id not in {d.token_id for d in chosen}
    ]
    take(known, "the least certain answer", least=True)
    return chosen


def _certainty(tokens: pd.DataFrame, contrast: Contrast) -> np.ndarray:
    """Absolute logit difference."""
    if "output" in tokens.columns:
        return tokens["output"].abs().to_numpy(np.float64)
    p = np.clip(tokens[contrast.p].to_numpy(np.float64), 1e-12, 1 - 1e-12)
    return np.abs(np.log(p / (1 - p)))


def _pair(right: pd.DataFrame, contrast: Contrast) -> list[Chosen]:
    """Two tokens of a disyllable of different classes, the pair whose weaker member is surest."""
    surest = right.sort_values("certainty", ascending=False, kind="stable")
    for keys, who in ((["word", "speaker"], "one speaker"), (["word"], "two speakers")):
        tops = surest.drop_duplicates([*keys, contrast.column])
        ends = contrast.classes[0], contrast.classes[-1]
        first, second = (tops[tops[contrast.column] == one] for one in ends)
        pairs = first.merge(second, on=keys).sort_values(keys)
        if len(pairs):
            weaker = pairs[["certainty_x", "certainty_y"]].min(axis=1)
            best = pairs.iloc[int(weaker.argmax())]
            both = "both readings" if contrast.is_stress else "both classes"
            reason = f"one word told apart in {both}, {who}"
            return [Chosen(str(best[name]), reason) for name in ("token_id_x", "token_id_y")]
    return []
