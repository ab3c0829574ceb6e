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


@pytest.mark.long
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


def run_notebook(name: str) -> nbformat.NotebookNode:
    """Execute a notebook where it lies; the environment says on what."""
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        resources={"metadata": {"path": str(NOTEBOOKS)}},
    ).execute()
    return notebook


def pictures(notebook: nbformat.NotebookNode) -> int:
    outputs = [o for cell in notebook.cells for o in cell.get("outputs", [])]
    return sum("image/png" in output.get("data", {}) for output in outputs)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_your_own_corpus_and_its_cues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One after the other, as a reader would: the second looks at the first one's corpus."""
    study = tmp_path / "study"
    monkeypatch.setenv("STRESSNET_STUDY", str(study))
    monkeypatch.delenv("STRESSNET_RECORDINGS", raising=False)
    own = run_notebook("your_own_corpus")
    assert len(list((study / "recordings").rglob("*.wav"))) > 20
    assert pictures(own) >= 6
    assert (study / "report" / "explorer.html").is_file()
    monkeypatch.setenv("STRESSNET_CORPUS", str(study / "corpus"))
    cues = run_notebook("acoustic_cues")
    assert pictures(cues) >= 2
    table = pd.read_csv(study / "cues" / "cues.csv")
    assert set(table["stress"].dropna()) == {"INITIAL", "FINAL"}
    monkeypatch.setenv("STRESSNET_TOKENS", "6")
    monkeypatch.setenv("STRESSNET_STEPS", "3")
    truth = run_notebook("is_it_true")
    assert pictures(truth) >= 2
    assert pictures(run_notebook("circuit_of_stress")) >= 4
    findings = pd.read_csv(study / "findings" / "findings.csv")
    assert {"relevance", "deletion", "causal", "verdict"} <= set(findings.columns)


def test_rendered_copies_belong_to_the_notebooks() -> None:
    """docs/notebooks is made by scripts/render-notebooks; every cell's code must be in it."""
    for path in NOTEBOOKS.glob("*.ipynb"):
        rendered = NOTEBOOKS.parent / "docs" / "notebooks" / f"{path.stem}.md"
        text = rendered.read_text(encoding="utf-8")
        for cell in nbformat.read(path, as_version=4).cells:
            assert cell.source.strip() in text, f"{rendered} is old; run scripts/render-notebooks"
