"""What the explorer's files hold: numbers that come back, masks that are regions."""

from __future__ import annotations

import base64
import json
import shutil
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from report_runs import make_run

from stressnet.cli import cli
from stressnet.errors import ConfigError
from stressnet.regions.registry import REGIONS
from stressnet.report.choose import choose_words
from stressnet.report.explorer.pack import COMPANDED_LEVELS, compand, pack, runs_of
from stressnet.report.explorer.tokens import Method, TokenReader, method_labels
from stressnet.report.explorer.writing import (
    ASSETS,
    choose_tokens,
    open_methods,
    prepare,
    write_page,
)
from stressnet.report.names import region_group
from stressnet.report.run import RelevanceRun
from stressnet.runs.manifest import read_manifest, write_manifest


def unpack(text: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What :func:`pack` was given, read as the page does."""
    raw = zlib.decompress(base64.b64decode(text))
    (length,) = struct.unpack_from("<I", raw)
    header = json.loads(raw[4 : 4 + length])
    found = {}
    for name, place in header.pop("arrays").items():
        kind, at = np.dtype(place["type"]).newbyteorder("<"), 4 + length + place["at"]
        values = np.frombuffer(raw, kind, count=int(np.prod(place["shape"])), offset=at)
        found[name] = values.reshape(place["shape"])
    return header, found


def expand(steps: np.ndarray, peak: float) -> np.ndarray:
    """Values that :func:`compand` turned into steps; off by at most peak · (s + 1/4) / 63²."""
    part = np.asarray(steps, dtype=np.float64) / COMPANDED_LEVELS
    return np.sign(part) * part**2 * peak


@pytest.fixture(scope="module")
def run(make_corpus, tmp_path_factory) -> Path:
    return make_run(make_corpus, tmp_path_factory.getbasetemp() / "report-run")


@pytest.fixture(scope="module")
def opened(run: Path) -> RelevanceRun:
    return RelevanceRun.open(run)


@pytest.fixture(scope="module")
def reader(opened: RelevanceRun) -> TokenReader:
    return TokenReader(opened.open_corpus(), [Method("by hand", opened)])


def test_packed_data_come_back() -> None:
    header = {"word": "ˈɹɛkɚd </script>", "none": None, "list": [1, 2.5]}
    values = {
        "odd": np.arange(5, dtype=np.uint8),
        "grid": np.arange(-6, 6, dtype=np.int16).reshape(3, 4),
        "real": np.array([0.5, -2.0], dtype=np.float32),
    }
    text = pack(header, values)
    assert text.isascii()
    found, arrays_found = unpack(text)
    assert found == header
    for name, expected in values.items():
        np.testing.assert_array_equal(arrays_found[name], expected)


def test_missing_numbers_must_be_none() -> None:
    with pytest.raises(ValueError, match=r"JSON|nan"):
        pack({"p": float("nan")}, {})


@settings(max_examples=50, deadline=None)
@given(arrays(np.float64, (4, 6), elements=st.floats(-1e3, 1e3)))
def test_companded_values_come_back_within_the_documented_error(values: np.ndarray) -> None:
    steps, peak = compand(values)
    back = expand(steps, peak)
    bound = peak * (np.abs(steps) + 0.25) / 63**2
    assert np.all(np.abs(back - values) <= bound * (1 + 1e-9) + 1e-300)
    assert np.all(np.sign(back) * np.sign(values) >= 0)


@settings(max_examples=50, deadline=None)
@given(arrays(np.bool_, (7, 5)))
def test_runs_are_the_mask(mask: np.ndarray) -> None:
    again = np.zeros_like(mask)
    for frame, first, last in runs_of(mask):
        assert not again[first:last, frame].any()
        again[first:last, frame] = True
    np.testing.assert_array_equal(again, mask)


def test_token_holds_map_outlines_and_measures(reader: TokenReader, opened: RelevanceRun) -> None:
    token_id = str(opened.tokens["token_id"].iloc[3])
    header, found = unpack(pack(*reader.token(token_id)))
    expected = opened.map_of(token_id)
    back = expand(found["relevance0"], header["runs"][0]["peak"])
    np.testing.assert_allclose(back.T, expected, atol=np.abs(expected).max() / 60)
    scene = reader._scenes(token_id)[0]
    outlined = [name for name in found if name.startswith("outline0:")]
    assert {"outline0:nucleus_1", "outline0:syllable_2"} <= set(outlined)
    for name in outlined:
        mask = np.zeros(scene.axes.shape, dtype=bool)
        for frame, first, last in found[name]:
            mask[first:last, frame] = True
        np.testing.assert_array_equal(mask, REGIONS[name.split(":")[1]].mask(scene) >= 0.5)
    assert len(header["phones"]) == len(scene.times.phones)
    shares = [s for s in header["runs"][0]["phones"] if s is not None]
    # The known map lies inside the word, so the phones share all of it.
    assert sum(shares) == pytest.approx(expected.sum() / np.abs(expected).sum(), abs=0.05)
    table = opened.relevance
    row = table[(table["token_id"] == token_id) & (table["region"] == "nucleus_1")].iloc[0]
    at = header["runs"][0]["measures"].index("density")
    assert header["runs"][0]["regions"]["nucleus_1"][at] == pytest.approx(row["density"], rel=0.01)


def test_formants_and_pitch_are_whole_hertz_of_the_tracks(
    reader: TokenReader, opened: RelevanceRun
) -> None:
    token_id = str(opened.tokens["token_id"].iloc[0])
    header, found = unpack(pack(*reader.token(token_id)))
    tracks = reader._scenes(token_id)[0].tracks
    grid = header["tracks"]["f0"]
    times = grid["start_s"] + grid["step_s"] * np.arange(len(found["f0"]))
    expected = tracks.pitch.at(times + 1e-7)
    voiced = (found["f0"] > 0) & np.isfinite(expected)
    assert voiced.sum() > 10
    np.testing.assert_allclose(
        grid["scale"] * found["f0"][voiced], expected[voiced], atol=0.2, rtol=1e-3
    )


def test_a_sample_is_a_sample_and_keeps_the_order(opened: RelevanceRun) -> None:
    ids = [str(t) for t in opened.tokens["token_id"]]
    some = choose_tokens([Method("m", opened)], 7)
    assert len(some) == 7
    assert [t for t in ids if t in some] == some
    assert choose_tokens([Method("m", opened)], 7) == some
    assert choose_tokens([Method("m", opened)], 1000) == ids


def test_labels_tell_runs_apart(opened: RelevanceRun) -> None:
    networks = [{"parameters": {"architecture": a}} for a in ("lenet", "compact")]
    assert method_labels([opened], [None]) == ["by hand"]
    assert method_labels([opened, opened], networks) == ["lenet, by hand", "compact, by hand"]
    assert len(set(method_labels([opened] * 3, [None] * 3))) == 3


def test_runs_of_different_corpora_are_refused(run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(run, other)
    manifest = read_manifest(run, "relevance")
    parameters = {**manifest["parameters"], "composite": "else"}
    write_manifest(other, "relevance", parameters=parameters, inputs={"corpus": "0" * 64})
    first = RelevanceRun.open(run)
    corpus = first.open_corpus()
    with pytest.raises(ConfigError, match="explains another corpus"):
        open_methods([first, RelevanceRun.open(other)], corpus)
    with pytest.raises(ConfigError, match="given twice"):
        open_methods([first, first], corpus)
    with pytest.raises(ConfigError, match="at least one run"):
        TokenReader(corpus, [])


def test_texts_of_a_corpus_cannot_break_the_page(reader: TokenReader, tmp_path: Path) -> None:
    (tmp_path / "explorer").mkdir()
    token_id = next(iter(reader._rows))
    kept = reader._rows[token_id]
    reader._rows[token_id] = {**kept, "word": "</script><script>alert(1)</script>\u2028"}
    try:
        page = write_page(tmp_path, reader, [(0, token_id)], notice="<b>&")
    finally:
        reader._rows[token_id] = kept
    index = (tmp_path / "explorer" / "index.js").read_text(encoding="utf-8")
    assert "</script" not in index
    assert "\u2028" not in index
    text = index.split("Stressnet.index=", 1)[1].rstrip().rstrip(";").replace("<\\/", "</")
    assert json.loads(text)["tokens"]["word"] == ["</script><script>alert(1)</script>\u2028"]
    html = page.read_text(encoding="utf-8")
    assert "<b>&" not in html
    assert "{{" not in html


def test_assets_are_package_files_and_name_no_network(tmp_path: Path) -> None:
    prepare(tmp_path)
    for name in ASSETS:
        text = (tmp_path / "explorer" / name).read_text(encoding="utf-8")
        assert "http:" not in text
        assert "https:" not in text
        assert "fetch(" not in text


def test_region_groups() -> None:
    assert region_group("F2_stressed") == "formants"
    assert region_group("F0") == region_group("H3") == "F0 and harmonics"
    assert region_group("syllable_1") == "syllables"
    assert region_group("band_0_500_hz") == "bands of frequency"
    assert region_group("coda_2") == "consonants"
    assert region_group("my_own") == "other"


def test_command_writes_report_and_explorer_and_reports_what_is_missing(
    run: Path, tmp_path: Path
) -> None:
    study, out = tmp_path / "study", tmp_path / "report"
    shutil.copytree(run.parent / "corpus", study / "corpus")
    shutil.copytree(run, study / "run")
    manifest = read_manifest(study / "run", "relevance")
    manifest["parameters"]["corpus"] = str(study / "corpus")
    (study / "run" / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    shown = {c.token_id for c in choose_words(RelevanceRun.open(run).tokens)}
    excerpts = sorted((study / "corpus" / "excerpts").rglob("*.flac"))
    lost = next(excerpt for excerpt in excerpts if excerpt.stem not in shown)
    lost.unlink()
    result = CliRunner().invoke(
        cli, ["report", str(study / "run"), str(out), "-q", "-j", "1", "--explorer-tokens", "49"]
    )
    sampled = choose_tokens([Method("m", RelevanceRun.open(run))], 49)
    assert result.exit_code == (3 if lost.stem in sampled else 0), result.output
    assert "explorer.html" in result.output
    failures = pd.read_csv(out / "failures.csv")
    assert failures["item"].tolist() == [t for t in sampled if t == lost.stem]
    n_written = len(sampled) - len(failures)
    assert len(list((out / "explorer" / "sounds").glob("*.flac"))) == n_written
    index = (out / "explorer" / "index.js").read_text(encoding="utf-8")
    assert f'"{lost.stem}"' not in index
    manifest = read_manifest(out, "report")
    assert manifest["results"]["n_tokens_in_explorer"] == n_written
    assert "explorer/index.js" in manifest["outputs"]
    assert not any("tokens/" in name for name in manifest["outputs"])
    assert "explorer.html" in (out / "index.html").read_text(encoding="utf-8")
    html = (out / "explorer.html").read_text(encoding="utf-8")
    assert "random sample of 49 tokens of 50" in html
    assert not (out / "state").exists()
