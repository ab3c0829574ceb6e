"""Notebooks run from top to bottom and are kept without outputs."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient
from report_runs import make_run

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda p: p.stem)
def test_notebooks_are_kept_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert not cell.outputs
            assert cell.execution_count is None


def test_formant_relevance_runs_on_a_run_folder(
    make_corpus, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, monkeypatch
) -> None:
    run = make_run(make_corpus, tmp_path_factory.getbasetemp() / "report-run")
    monkeypatch.setenv("STRESSNET_RUN", str(run))
    monkeypatch.setenv("STRESSNET_EXPORT", str(tmp_path / "export"))
    notebook = nbformat.read(NOTEBOOKS / "formant_relevance.ipynb", as_version=4)
    NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        resources={"metadata": {"path": str(NOTEBOOKS)}},
    ).execute()
    data = [
        output["data"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "data" in output
    ]
    assert sum("image/png" in d for d in data) >= 5
    assert sum("audio" in d.get("text/html", "") for d in data) >= 2
    table = pd.read_csv(tmp_path / "export" / "relevance.csv")
    assert {"token_id", "region", "density", "null_density"} <= set(table.columns)
    assert table["token_id"].nunique() == 50
    assert (tmp_path / "export" / "word.pdf").stat().st_size > 0
