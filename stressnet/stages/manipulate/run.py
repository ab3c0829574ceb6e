"""Words with one cue changed at a time, and networks' answers to them.

Networks answer in this process while workers make the next stimuli, so the tables do not depend on
the number of workers.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stressnet.corpus.store import Corpus
from stressnet.errors import CorpusError
from stressnet.evaluation.heard import with_splits_of
from stressnet.languages import capitals
from stressnet.manipulation.check import crosstalk
from stressnet.manipulation.continua import plan_steps
from stressnet.manipulation.cues import in_order
from stressnet.manipulation.responses import preset_of, presets_of, responses
from stressnet.manipulation.token_stimuli import AUDIO_FOLDER, TokenTask, make_token, part_of
from stressnet.models.checkpoint import TrainedNetwork, load_networks
from stressnet.runs import Problem, Result, RunFolder, Severity, Step
from stressnet.runs.problems import count_problems
from stressnet.runs.tables import write_parquet
from stressnet.stages.manipulate import ManipulateConfig
from stressnet.stages.manipulate.inputs import (
    chosen_tokens,
    endpoint_table,
    endpoints_of,
    fingerprint_of,
    voices_of,
)
from stressnet.stages.manipulate.results import CROSSTALK, FILES, RESPONSES, STIMULI
from stressnet.stages.measure.run import measured


def run(config: ManipulateConfig, corpus: Corpus, folder: RunFolder) -> Result:
    """Make continua of a corpus's words."""
    words = tuple(map(capitals, config.words))
    config = replace(config, cues=in_order(config.cues), words=words)
    plan = plan_steps(
        config.cues,
        config.n_steps,
        single=not config.no_single,
        pairs=config.pair_list,
        subsets=config.subsets,
        together=config.together,
    )
    networks = load_networks(config.models, folder.work.device)
    presets_of(networks)  # refuses other presets of one name
    inputs = {"cues": fingerprint_of(config.measured, corpus)} if config.measured else {}
    tokens = chosen_tokens(with_splits_of(corpus, networks), config)
    folder.begin(
        config,
        {"corpus": corpus, **{one.name: one for one in networks}},
        inputs=inputs,
        notes={
            "corpus_name": corpus.name,
            "language": corpus.language,
            "measured": str(config.measured or folder.path / "cues"),
        },
        steps=[Step("make", len(tokens) * len(plan), "stimuli", 0.4)],
    )
    cues = config.measured or measured(corpus, folder)
    tables = _make(config, corpus, networks, cues, tokens, tuple(plan), folder)
    with folder.progress.stage("tables"):
        summary = crosstalk(tables["stimuli"], tables["measures"], tables["endpoints"])
        for name, table in tables.items():
            folder.table(FILES[name], table)
        folder.table(CROSSTALK, summary, lineterminator="\n")
    stimuli = tables["stimuli"]
    counts = {
        "n_tokens": int(stimuli["token_id"].nunique()),
        "n_stimuli": len(stimuli),
        "n_per_kind": {str(k): int(v) for k, v in stimuli["kind"].value_counts().items()},
        "n_limited": int((stimuli["limited"] != "").sum()),
        "n_scaled": int((stimuli["scaled_db"] != 0).sum()),
        "problems": count_problems(folder.problems),
    }
    return Result.of(folder, counts, summary=summary, **{"responses": None, **tables})


def _make(
    config: ManipulateConfig,
    corpus: Corpus,
    networks: Sequence[TrainedNetwork],
    cues: Path,
    tokens: pd.DataFrame,
    plan: tuple[Any, ...],
    folder: RunFolder,
) -> dict[str, pd.DataFrame]:
    """All tables, token by token."""
    parts = folder.state / "tokens"
    parts.mkdir(exist_ok=True)
    if config.save_audio:
        folder.tree(f"{AUDIO_FOLDER}/**/*.wav")
        folder.tree(f"{AUDIO_FOLDER}/**/*.TextGrid")
    ends = endpoints_of(cues, tokens, config, folder.problems)
    voices, presets = voices_of(cues), presets_of(networks)
    ids = [str(token_id) for token_id in tokens["token_id"]]
    files = [parts / f"{index:06d}" for index in range(len(ids))]

    def task(index: int) -> TokenTask:
        row = {str(key): value for key, value in tokens.iloc[index].to_dict().items()}
        return TokenTask(
            corpus=corpus.path,
            out=folder.path,
            row=row,
            phones=corpus.phone_intervals(ids[index], row["excerpt_start_s"]),
            voice=voices[str(row["speaker"])],
            plan=plan,
            endpoints=ends[ids[index]],
            file=files[index],
            presets=presets,
            save_audio=config.save_audio,
        )

    tasks = ((token_id, task(index)) for index, token_id in enumerate(ids))
    made = folder.chunks("manipulate", tasks, make_token, total=len(ids))
    for file, (_, failures) in zip(files, made, strict=True):
        _answer(networks, file)
        folder.problems += [
            Problem(item, stage, Severity.ERROR, reason) for item, stage, reason in failures
        ]
    tables = {"endpoints": endpoint_table(ends, ids)}
    for name in ("stimuli", "measures", *(["responses"] if networks else [])):
        written = [part_of(file, FILES[name]) for file in files]
        read = [pd.read_parquet(file) for file in written if file.exists()]
        if not read:
            reason = folder.problems[0].reason if folder.problems else "there are no tokens"
            raise CorpusError(f"{corpus.path}: no stimulus could be made; {reason}")
        tables[name] = pd.concat(read, ignore_index=True)
    return tables


def _answer(networks: Sequence[TrainedNetwork], file: Path) -> None:
    """Networks' answers to a token's stimuli; the images are deleted afterwards."""
    stimuli_file, out = part_of(file, STIMULI), part_of(file, RESPONSES)
    images = {one.name: part_of(file, f"{preset_of(one).name}.npy") for one in networks}
    if networks and stimuli_file.exists() and not out.exists():
        stimuli = pd.read_parquet(stimuli_file)
        tables = [responses(one, stimuli, np.load(images[one.name])) for one in networks]
        write_parquet(pd.concat(tables, ignore_index=True), out)
    for image_file in images.values():
        image_file.unlink(missing_ok=True)
