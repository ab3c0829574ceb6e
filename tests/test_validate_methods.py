"""``stressnet validate-methods``: from words to the board, on sets small enough for a test."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from stressnet.cli import main
from stressnet.errors import ConfigError, ExplainError
from stressnet.lab import set_run as validate_methods_sets
from stressnet.lab.board_plan import DEFAULT_PLAN, SMALL_PLAN, Plan
from stressnet.lab.maps import Explainer
from stressnet.lab.set_run import SetTask, run_set
from stressnet.stages.validate_methods import ValidateMethodsConfig, validate_methods
from stressnet.stages.validate_methods.run import TABLES

PLANTED = Plan(
    sets=("planted",),
    n_words=180,
    n_scored=24,
    effect=2.0,
    networks=("compact",),
    n_seeds=1,
    methods=("epsilon-gamma", "random"),
    all_methods=False,
    seeds=("logit-difference",),
    max_epochs=10,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("board") / "out"
    validate_methods(out, base=PLANTED)
    return out


def test_the_board_is_whole(folder: Path) -> None:
    for name in TABLES:
        assert (folder / f"{name}.csv").is_file(), name
    assert (folder / "board.png").is_file() and (folder / "cues" / "planted.png").is_file()
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["kind"] == "validation" and manifest["results"]["n_solved"] == 1
    assert not (folder / "state").exists()
    assert "epsilon-gamma" in (folder / "recommendation.md").read_text()


def test_the_default_method_finds_what_was_planted(folder: Path) -> None:
    table = pd.read_csv(folder / "methods.csv")
    best = table.iloc[0]
    assert best["method"] == "epsilon-gamma" and best["first"] == 1.0
    assert best["false_positive"] <= 0.05
    random = table[(table["method"] == "random") & (table["part"] == "positive")].iloc[0]
    assert random["rank"] < 0.05 < best["rank"]


def test_broken_maps_do_not_beat_chance(folder: Path) -> None:
    scores = pd.read_csv(folder / "scores.csv")
    broken = scores[scores["kind"] == "control"]
    assert broken["method"].nunique() >= 3
    above = broken[(broken["gain_low"] > 0) & (broken["gain"] > 0.05)]
    assert not len(above), above[["method", "measure", "gain"]]


def test_a_finished_board_is_not_overwritten(folder: Path) -> None:
    from stressnet.errors import FolderError

    with pytest.raises(FolderError, match="already holds a validation"):
        validate_methods(folder, base=PLANTED)


def task(state: Path) -> SetTask:
    methods = ("epsilon-gamma", "input-times-gradient")
    return SetTask("planted", replace(PLANTED, n_scored=16, methods=methods), state)


def test_an_interrupted_set_goes_on_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    maps = Explainer.maps

    def counted(self: Explainer, *arguments: object, **options: object) -> object:
        calls.append(self.method)
        if self.method == "input-times-gradient" and calls.count(self.method) == 1:
            raise KeyboardInterrupt
        return maps(self, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Explainer, "maps", counted)
    with pytest.raises(KeyboardInterrupt):
        run_set(task(tmp_path))
    monkeypatch.setattr(
        validate_methods_sets, "make_set", lambda *_: pytest.fail("the words were drawn again")
    )
    result = run_set(task(tmp_path))
    assert not result.problems and len(result.networks) == 1
    methods = {(e["method"], e["part"]) for e in result.entries if e["kind"] == "method"}
    assert len(methods) == 4
    again = run_set(task(tmp_path))
    assert again.entries == result.entries


def test_a_method_that_fails_is_reported_and_the_rest_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maps = Explainer.maps

    def broken(self: Explainer, *arguments: object, **options: object) -> object:
        if self.method == "input-times-gradient":
            raise ExplainError("cannot be explained")
        return maps(self, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Explainer, "maps", broken)
    result = run_set(task(tmp_path))
    assert [problem.stage for problem in result.problems] == ["explain"]
    assert {e["method"] for e in result.entries if e["kind"] == "method"} == {"epsilon-gamma"}


def test_a_set_that_cannot_be_made_is_a_failure_and_exit_3(tmp_path: Path) -> None:
    arguments = ["validate-methods", str(tmp_path / "out"), "--set", "folder:/nowhere", "-q"]
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 3
    failures = pd.read_csv(tmp_path / "out" / "failures.csv")
    assert failures["stage"].tolist() == ["set"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "f9"], "f9"),
        (["--network", "ear"], "no network 'ear'"),
        (["--method", "magic"], "no method 'magic'"),
        (["--set", "natural:nucleus_1_f1_hz"], "--corpus and --cues"),
        (["--set", "natural:nucleus_1_f1_hz:wide"], "no number of standard deviations"),
        (["--set", "natural:nucleus_1_f9_hz:0.5"], "nucleus_1_f9_hz"),
    ],
)
def test_what_does_not_exist_is_told_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["validate-methods", str(tmp_path / "out"), *arguments])
    assert ended.value.code == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_plans_change_field_by_field() -> None:
    changed = ValidateMethodsConfig(small=True, n_words=100).plan
    assert changed.n_words == 100 and changed.networks == SMALL_PLAN.networks
    assert DEFAULT_PLAN.trainings[:2] == (("compact", 0), ("lenet", 0))
    with pytest.raises(ConfigError, match="no option 'n_cats'"):
        validate_methods("out", n_cats=3)
    with pytest.raises(ConfigError, match="at least one set"):
        SMALL_PLAN.__class__(sets=())


@pytest.mark.long
def test_the_recommended_methods_find_a_synthesised_f1(tmp_path: Path) -> None:
    """The regression gate: words through Praat, a network, the default and the best method."""
    found = validate_methods(
        tmp_path / "gate",
        base=Plan(
            sets=("f1",),
            n_words=144,
            n_scored=24,
            effect=2.0,
            networks=("compact",),
            n_seeds=1,
            methods=("epsilon-gamma", "integrated-gradients-mean"),
            all_methods=False,
            seeds=("logit-difference",),
            max_epochs=20,
            batch_size=8,
        ),
    )
    assert found.tables["networks"]["solved"].all(), found.tables["networks"]
    units = found.tables["units"]
    mine = units[(units["kind"] == "method") & (units["part"] == "positive")]
    assert set(mine["method"]) == {"epsilon-gamma", "integrated-gradients-mean"}
    for method, rows in mine.groupby("method"):
        seen = rows[["voice", "top", "density", "rival"]]
        assert (rows["place"] == 1).mean() >= 0.75, (method, seen)


def leaky(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lab words whose FINAL members are measured with more tilt than they have."""
    from stressnet.lab import drawn
    from stressnet.lexicon.stress import Stress

    draw = drawn.draw_words

    def tilted(*arguments: object, **options: object) -> list:
        words = draw(*arguments, **options)  # type: ignore[arg-type]
        for word in words:
            word.measured["tilt_db_2"] += 3.0 * (word.stress is Stress.FINAL)
        return words

    monkeypatch.setattr(drawn, "draw_words", tilted)


LEAKY = ["--set", "f1", "--words", "48", "--network", "compact", "--trainings", "1"]
LEAKY += ["-j", "1", "--method", "random", "--epochs", "1", "--scored", "8", "-q"]


def test_a_set_with_a_second_cue_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    leaky(monkeypatch)
    with pytest.raises(SystemExit) as ended:
        main(["validate-methods", str(tmp_path / "out"), *LEAKY])
    assert ended.value.code == 3
    (line,) = [one for one in capsys.readouterr().err.splitlines() if one.startswith("f1:")]
    assert "tilt_db_2 0." in line and "(other)" in line and "refused" in line
    assert pd.read_csv(tmp_path / "out" / "failures.csv")["stage"].tolist() == ["set"]
    assert not len(pd.read_csv(tmp_path / "out" / "networks.csv"))


def test_a_set_with_a_second_cue_is_kept_on_demand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaky(monkeypatch)
    main(["validate-methods", str(tmp_path / "out"), *LEAKY, "--allow-leaks"])
    failures = pd.read_csv(tmp_path / "out" / "failures.csv")
    assert failures[["stage", "severity"]].values.tolist() == [["separation", "warning"]]
    assert "tilt_db_2" in failures["reason"][0] and "refused" not in failures["reason"][0]
    assert len(pd.read_csv(tmp_path / "out" / "networks.csv")) == 1
