"""The data dictionary lists exactly what a build writes, with its types."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from conftest import SENTENCES
from documented import columns

from stressnet.corpus import tokens
from stressnet.corpus.splits import PAIR_SPLITS, TEST_SPLITS, VALIDATION_SPLITS
from stressnet.lexicon.dictionary import Reject
from stressnet.runs.tables import write_parquet
from stressnet.stages.build_corpus import BuildConfig, build_corpus

PAGE = Path(__file__).parents[1] / "docs" / "data-dictionary.md"


@pytest.fixture(scope="module")
def corpus(make_corpus, tmp_path_factory) -> Path:
    sentences = [*SENTENCES, "IMPORTANT"]
    source = make_corpus(tmp_path_factory.mktemp("dictionary") / "source", sentences=sentences)
    return build_corpus(source, source.with_name("out"), config=BuildConfig("generic")).path


def documented(table: str) -> list[tuple[str, str]]:
    """Column and type of every row under a table's heading."""
    section = PAGE.read_text(encoding="utf-8").split(f"# {table}\n")[1].split("\n## ")[0]
    return columns(section)


@pytest.mark.parametrize(
    "table",
    [
        "tokens.parquet",
        "phones.parquet",
        "not_tokens.parquet",
        "tracks.parquet",
        "longer_words/tokens.parquet",
    ],
)
def test_columns_and_types(corpus: Path, table: str) -> None:
    schema = pq.read_schema(corpus / table)
    written = [(f.name, str(f.type).removeprefix("large_")) for f in schema]
    assert documented(table) == written


def test_every_reason_why_a_word_is_no_token_is_listed() -> None:
    reasons = {reason.value for reason in Reject}
    reasons |= {value for name, value in vars(tokens).items() if name.startswith("REJECT_")}
    section = PAGE.read_text(encoding="utf-8").split("## not_tokens.parquet\n")[1].split("\n## ")[0]
    row = next(line for line in section.splitlines() if line.startswith("| `reason`"))
    assert set(re.findall(r"`([^`]+)`", row)) == reasons | {"reason"}


def test_every_split_is_explained() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for split in ("train", *VALIDATION_SPLITS, *TEST_SPLITS, *PAIR_SPLITS, "unlabelled"):
        assert f"`{split}`" in text, split


def test_every_file_is_listed(corpus: Path) -> None:
    listing = PAGE.read_text(encoding="utf-8").split("```")[1]
    for path in corpus.iterdir():
        assert f"  {path.name}{'/' if path.is_dir() else ''} " in listing, path.name


def test_types_do_not_depend_on_the_data(tmp_path: Path) -> None:
    frame = pd.DataFrame({"stress": [None, None], "x_s": [float("nan")] * 2, "n": [1, 2]})
    write_parquet(frame, tmp_path / "t.parquet")
    schema = pq.read_schema(tmp_path / "t.parquet")
    assert [str(field.type) for field in schema] == ["string", "double", "int64"]
    again = pd.read_parquet(tmp_path / "t.parquet")
    assert again["stress"].isna().all()
    assert list(again.columns) == list(frame.columns)
