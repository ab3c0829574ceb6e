"""What ``stressnet manipulate`` starts from: tokens, voices, and both ends of every continuum."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stressnet.acoustics.speakers import SpeakerSettings
from stressnet.acoustics.tracks import FormantSettings
from stressnet.corpus.splits import TEST_SPLITS
from stressnet.corpus.store import Corpus
from stressnet.errors import CorpusError
from stressnet.languages import capitals, language_of
from stressnet.manipulation.cues import cues_of, get_cue
from stressnet.manipulation.endpoints import Endpoint, Reference
from stressnet.runs import Problem, Severity, read_manifest, read_table
from stressnet.runs.held import FAILURES
from stressnet.stages.manipulate import ManipulateConfig
from stressnet.stages.measure.run import TABLE as CUE_TABLE
from stressnet.stages.measure.speakers import first_pass


def fingerprint_of(measured: Path, corpus: Corpus) -> str:
    """Hash of the cue table in a folder, if it is of this corpus."""
    manifest = read_manifest(measured, "cues")
    if manifest["inputs"].get("corpus") != corpus.fingerprint:
        raise CorpusError(
            f"{measured}: cues of another corpus ({manifest['parameters'].get('corpus_name')}); "
            f"run 'stressnet measure {corpus.path} CUES' and give that folder"
        )
    return str(manifest["outputs"][CUE_TABLE])


def voices_of(measured: Path) -> dict[str, SpeakerSettings]:
    """The settings with which ``stressnet measure`` measured each speaker."""
    parameters = read_manifest(measured, "cues")["parameters"]
    wide = first_pass(parameters["pitch_method"])
    table = read_table(measured / "speakers.csv", ["speaker"], dtype={"speaker": str})
    return {
        str(row["speaker"]): SpeakerSettings(
            pitch=replace(
                wide,
                floor_hz=float(row["pitch_floor_hz"]),
                ceiling_hz=float(row["pitch_ceiling_hz"]),
                high_pass_hz=float(row["pitch_high_pass_hz"]),
            ),
            formants=FormantSettings(ceiling_hz=float(row["formant_ceiling_hz"])),
            f0_median_hz=float(row["f0_median_hz"]),
            n_voiced_frames=int(row["n_voiced_frames"]),
            pitch_source=str(row["pitch_source"]),
            ceiling_source=str(row["formant_ceiling_source"]),
        )
        for row in table.to_dict("records")
    }


def chosen_tokens(corpus: Corpus, config: ManipulateConfig) -> pd.DataFrame:
    """The tokens to change, in corpus order."""
    if not config.words:
        splits = config.splits or TEST_SPLITS
        return corpus.select(splits, config.max_tokens, config.seed).tokens
    words = {capitals(word) for word in config.words}
    tokens = corpus.tokens
    tokens = tokens[tokens["word"].map(capitals).isin(words) & tokens["stress"].notna()]
    if config.splits:
        tokens = tokens[tokens["split"].isin(config.splits)]
    missing = words - set(tokens["word"].map(capitals))
    if missing:
        raise CorpusError(
            f"{corpus.path}: no labelled token of {', '.join(sorted(missing))}; see "
            f"'stressnet corpus show {corpus.path}'"
        )
    if config.max_tokens is not None and config.max_tokens < len(tokens):
        rng = np.random.default_rng([config.seed, 2])
        kept = np.sort(rng.choice(len(tokens), config.max_tokens, replace=False))
        tokens = tokens.iloc[kept]
    return tokens.reset_index(drop=True)


def endpoints_of(
    cues: Path, tokens: pd.DataFrame, config: ManipulateConfig, problems: list[Problem]
) -> dict[str, dict[str, Endpoint]]:
    """Ends of every cue that has some, by token; missing ones that are needed become problems."""
    table = read_table(cues / CUE_TABLE, ["token_id"])
    reference = Reference(table, config.min_tokens, language_of(tokens))
    rows = {str(row["token_id"]): row for row in table.to_dict("records")}
    kind: Any = config.endpoints
    paired = [cue for pair in config.pair_list for cue in pair]
    wanted = cues_of([*config.cues, *paired])
    # Ends of cues that do not move only say how far apart the classes are.
    needed = cues_of(paired) if config.no_single and not config.together else wanted
    found: dict[str, dict[str, Endpoint]] = {}
    for token_id in map(str, tokens["token_id"]):
        found[token_id] = {}
        if token_id not in rows:
            reason = f"not among the measured tokens, see {cues / FAILURES}"
            problems.append(Problem(token_id, "endpoints", Severity.ERROR, reason))
            continue
        ends, missing = reference.endpoints(rows[token_id], wanted, kind)
        found[token_id] = ends
        problems += [
            Problem(f"{token_id}/{cue}", "endpoints", Severity.ERROR, reason)
            for cue, reason in missing.items()
            if cue in needed
        ]
    return found


def endpoint_table(found: dict[str, dict[str, Endpoint]], ids: Sequence[str]) -> pd.DataFrame:
    """One row per token and cue."""
    rows = [
        {
            "token_id": token_id,
            "cue": cue,
            "unit": get_cue(cue).unit,
            **{f"natural_{k + 1}": end.natural[k] for k in (0, 1)},
            **{f"initial_{k + 1}": end.initial[k] for k in (0, 1)},
            **{f"final_{k + 1}": end.final[k] for k in (0, 1)},
            "range": end.range,
            "source": end.source,
            "n_initial": end.n_initial,
            "n_final": end.n_final,
        }
        for token_id in ids
        for cue, end in found[token_id].items()
    ]
    columns = ["token_id", "cue", "unit", "range", "source"]
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=columns)
