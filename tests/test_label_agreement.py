"""Agreement of the sources of labels, against kappas computed by hand."""

import pandas as pd
import pytest

from stressnet.corpus.agreement import agreement_of_sources, agreement_text, readings


def pairs() -> pd.DataFrame:
    """Cohen's own kind of table: 20 and 15 agree, 5 and 10 do not."""
    cells = {("INITIAL", "INITIAL"): 20, ("INITIAL", "FINAL"): 5}
    cells |= {("FINAL", "INITIAL"): 10, ("FINAL", "FINAL"): 15}
    rows = [said for said, n in cells.items() for _ in range(n)]
    table = pd.DataFrame(rows, columns=["table_stress", "aligner_stress"])
    words = ["OBJECT", "PERMIT", "RECORD", "PRESENT", "INSULT", "CONFLICT"]
    table = table.assign(
        pos_stress=table["table_stress"],
        is_minimal_pair=True,
        speaker=[f"s{i % 7}" for i in range(len(table))],
        word=[words[i % 6] for i in range(len(table))],
    )
    other = {"table_stress": "FINAL", "aligner_stress": "INITIAL", "word": "MONEY"}
    table.loc[len(table)] = other | {"is_minimal_pair": False}
    table.loc[len(table)] = other | {"is_minimal_pair": True, "word": "OBJECT", "speaker": "s1"}
    table.loc[len(table) - 1, "table_stress"] = "VARIES"
    return table.assign(family=table["word"])


def test_kappa_by_hand() -> None:
    table = agreement_of_sources(pairs()).set_index("sources")
    row = table.loc["table, aligner"]
    assert row["n"] == 50  # neither the word with one reading nor the one that varies
    assert row["agree"] == pytest.approx(0.7)
    assert row["kappa"] == pytest.approx((0.7 - 0.5) / (1 - 0.5))
    assert -1 <= row["kappa_low"] < row["kappa"] < row["kappa_high"] <= 1
    assert table.loc["table, part of speech", "kappa"] == pytest.approx(1.0)
    assert "table, part of speech, aligner, dictionary" in table.index


def test_the_dictionary_says_one_thing_of_a_word() -> None:
    said = readings(pairs())
    assert len(said) == 51
    assert said["table"].isna().sum() == 1
    assert (said.groupby(pairs()["word"])["dictionary"].nunique() == 1).all()


def test_nothing_is_said_without_pairs() -> None:
    assert agreement_text(pairs().assign(is_minimal_pair=False)) == []
    assert "| table, aligner | 50 | 0.700 | 0.40 [" in "\n".join(agreement_text(pairs()))
