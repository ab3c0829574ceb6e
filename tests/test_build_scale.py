"""Other executors, shards: the same corpus whoever computes it."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from test_build_corpus import content

from stressnet.cli import cli
from stressnet.corpus.store import Corpus
from stressnet.errors import ConfigError, CorpusError, StressnetError
from stressnet.runs.parallel import dask_executor
from stressnet.runs.work import Progress
from stressnet.stages.build_corpus import BuildConfig, build_corpus
from stressnet.stages.corpus_merge import merge_corpora

CONFIG = BuildConfig("generic")


@pytest.fixture(scope="module")
def source(make_corpus, tmp_path_factory) -> Path:
    return make_corpus(tmp_path_factory.mktemp("scale") / "corpus")


@pytest.fixture(scope="module")
def straight(source: Path, tmp_path_factory) -> Path:
    return build_corpus(source, tmp_path_factory.mktemp("straight") / "corpus", config=CONFIG).path


def test_any_executor_gives_the_same_bytes(source: Path, straight: Path, tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        build_corpus(source, tmp_path / "threads", config=CONFIG, executor=pool)
    assert content(tmp_path / "threads") == content(straight)


def test_a_dask_cluster_gives_the_same_bytes(source: Path, straight: Path, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
        ) as cluster,
        dask_executor(cluster.scheduler_address) as (executor, workers),
    ):
        assert workers == 1
        build_corpus(source, tmp_path / "dask", config=CONFIG, executor=executor)
    assert content(tmp_path / "dask") == content(straight)


def test_the_command_uses_a_scheduler(source: Path, straight: Path, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    out = tmp_path / "dask"
    with distributed.LocalCluster(
        n_workers=1,
        threads_per_worker=1,
        processes=False,
        protocol="tcp",
        host="127.0.0.1",
        dashboard_address=None,
    ) as cluster:
        address = cluster.scheduler_address
        assert address.startswith("tcp://")
        arguments = ["build-corpus", str(source), str(out), "-q", "--scheduler", address]
        done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 0, done.output
    assert content(out) == content(straight)


def test_the_script_for_slurm_with_workers_here(
    source: Path, straight: Path, tmp_path: Path
) -> None:
    pytest.importorskip("distributed")
    script = Path(__file__).parents[1] / "scripts/build-on-slurm"
    out = tmp_path / "slurm"
    command = [sys.executable, str(script), str(source), str(out), "--workers", "1", "--local"]
    done = subprocess.run([*command, "--", "-q"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert content(out) == content(straight)


def test_a_scheduler_that_is_not_there(monkeypatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr("stressnet.runs.parallel._ANSWER_WITHIN_S", 1)
    with (
        pytest.raises(StressnetError, match=r"tcp://127\.0\.0\.1:9: no Dask scheduler answers"),
        dask_executor("tcp://127.0.0.1:9"),
    ):
        pass


def test_shards_merge_to_the_undivided_corpus(source: Path, straight: Path, tmp_path: Path) -> None:
    shards = []
    for index in (1, 2):
        out = tmp_path / f"shard{index}"
        arguments = ["build-corpus", str(source), str(out), "-q", "-j", "1"]
        done = CliRunner().invoke(cli, [*arguments, "--shard", f"{index}/2"])
        assert done.exit_code == 0, done.output
        shards.append(out)
    first, second = (set(Corpus.open(path).tokens["speaker"]) for path in shards)
    assert first == {"anna", "carl"} and second == {"bo", "dan"}
    merge_corpora(shards, tmp_path / "all", splits="redraw", progress=Progress(verbose=False))
    merged, whole = Corpus.open(tmp_path / "all"), Corpus.open(straight)
    assert merged.name == "generic"
    by_id = merged.tokens.set_index("token_id").loc[whole.tokens["token_id"]].reset_index()
    pd.testing.assert_frame_equal(by_id[whole.tokens.columns], whole.tokens)
    tracks = [c.tracks.sort_values(["token_id", "track", "time_s"]) for c in (merged, whole)]
    pd.testing.assert_frame_equal(*(t.reset_index(drop=True) for t in tracks))
    with pytest.raises(CorpusError, match="hold the same tokens; give each once"):
        merge_corpora([shards[0], shards[0]], tmp_path / "x", progress=Progress(verbose=False))


@pytest.mark.parametrize("shard", ["0/2", "3/2"])
def test_impossible_shards(shard: str) -> None:
    with pytest.raises(ConfigError, match="from 1 to the second"):
        BuildConfig("generic", shard=shard)


def test_more_shards_than_speakers(source: Path, tmp_path: Path) -> None:
    config = BuildConfig("generic", shard="1/9")
    with pytest.raises(CorpusError, match="4 speakers cannot be divided into 9 shards"):
        build_corpus(source, tmp_path / "x", config=config)
    done = CliRunner().invoke(cli, ["build-corpus", "a", "b", "--shard", "three"])
    assert done.exit_code == 2 and "expected i/n" in done.output
