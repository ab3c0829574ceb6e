"""Tables of a finished folder of ``stressnet manipulate``, and what they say of one network."""

from pathlib import Path

import numpy as np
import pandas as pd

from stressnet.corpus.store import Corpus
from stressnet.errors import CorpusError
from stressnet.lexicon.stress import Stress
from stressnet.manipulation.causal import effects_from_responses
from stressnet.models.checkpoint import TrainedNetwork
from stressnet.runs import read_manifest, read_table

STIMULI, RESPONSES, CROSSTALK = "stimuli.parquet", "responses.parquet", "crosstalk.csv"
FILES = {n: f"{n}.parquet" for n in ("stimuli", "measures", "endpoints", "responses")}
"""Tables of :func:`read_manipulation`; the last is there if a network answered."""


def read_manipulation(folder: Path) -> dict[str, pd.DataFrame]:
    """The tables of a finished run: ``stimuli``, ``measures``, ``endpoints``, ``responses``."""
    read_manifest(folder, "manipulation")
    return {
        name: read_table(folder / file)
        for name, file in FILES.items()
        if file != RESPONSES or (folder / file).is_file()
    }


def responses_of(folder: Path, corpus: Corpus, network: TrainedNetwork) -> pd.DataFrame:
    """A network's responses in a folder of ``stressnet manipulate`` made of the corpus."""
    manifest = read_manifest(folder, "manipulation")
    if manifest["inputs"].get("corpus") != corpus.fingerprint:
        raise CorpusError(
            f"{folder}: stimuli of another corpus than {corpus.path}; run 'stressnet manipulate'"
        )
    tables = read_manipulation(folder)
    if manifest["inputs"].get(network.name) != network.digest or "responses" not in tables:
        raise CorpusError(
            f"{folder}: no responses of {network.path}; run 'stressnet manipulate' with "
            f"--model {network.path}"
        )
    responses = tables["responses"]
    return responses[responses["model"] == network.name].reset_index(drop=True)


def effects_and_tokens(
    responses: pd.DataFrame, corpus: Corpus
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Effects of one network's responses (``token_id, cue, effect, swing``), and their tokens."""
    effects = effects_from_responses(responses)
    natural = responses[responses["kind"] == "natural"].set_index("token_id")["logit_difference"]
    tokens = corpus.tokens[corpus.tokens["token_id"].isin(natural.index)].reset_index(drop=True)
    tokens = tokens.assign(logit_difference=tokens["token_id"].map(natural))
    initial = tokens["logit_difference"] > 0
    predicted = np.where(initial, Stress.INITIAL.value, Stress.FINAL.value)
    return effects, tokens.assign(stress_predicted=predicted)
