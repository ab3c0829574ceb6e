"""Results as TextGrids, Formants and PitchTiers for Praat.

Per token: its sound, ``.TextGrid`` (tiers ``words``, ``phones``, ``syllables``, ``network``,
``relevance``), ``.Formant`` and ``.PitchTier``. Per utterance: the TextGrid of the whole recording
with the tiers ``network`` and ``relevance`` where tokens were explained.
"""

import numpy as np
import pandas as pd

from stressnet.errors import ConfigError, StressnetError
from stressnet.languages import capitals
from stressnet.report.explorer.writing import open_methods
from stressnet.report.praat import PraatWriter
from stressnet.report.run import RelevanceRun
from stressnet.runs import Problem, Result, RunFolder, Severity, Step
from stressnet.stages.export_praat import PraatConfig


def run(config: PraatConfig, opened: RelevanceRun, folder: RunFolder) -> Result:
    """Write Praat objects for some tokens of a run."""
    corpus = opened.open_corpus()
    runs = [opened, *(RelevanceRun.find(other) for other in config.others)]
    methods = open_methods(runs, corpus)
    ids = [str(token_id) for token_id in chosen_tokens(config, opened)["token_id"]]
    folder.begin(
        config,
        {f"run {i}": one for i, one in enumerate(runs, 1)},
        inputs=opened.manifest["inputs"],
        steps=[Step("write", len(ids), seconds_each=0.05)],
    )
    for suffix in ("TextGrid", "flac", "PitchTier", "Formant"):
        folder.tree(f"*.{suffix}")
    writer = PraatWriter(corpus, methods, config.measure, folder.path)
    groups: dict[str, list[str]] = {}
    for token_id in ids:
        name = writer.utterance(token_id) if config.utterances else token_id
        groups.setdefault(name, []).append(token_id)
    n_files = 0
    with folder.progress.stage("praat", len(groups), "file") as bar:
        for name, members in groups.items():
            try:
                if config.utterances:
                    writer.write_utterance(name, members)
                else:
                    folder.problems += writer.write_token(name)
                n_files += 1
            except (StressnetError, OSError) as error:
                folder.problems.append(Problem(name, "praat", Severity.ERROR, str(error)))
            bar.update(1)
    text = f"{len(ids)} tokens, {n_files} TextGrids in {folder.path}"
    return Result.of(folder, {"n_tokens": len(ids), "n_files": n_files}, text=text)


def chosen_tokens(config: PraatConfig, run: RelevanceRun) -> pd.DataFrame:
    """The chosen rows of a run's tokens, in its order."""
    tokens = run.tokens
    keep = np.ones(len(tokens), dtype=bool)
    if config.texts:
        ids = tokens["token_id"].astype(str)
        keep &= np.any([ids.str.contains(t, regex=False) for t in config.texts], axis=0)
    if config.words:
        wanted = {capitals(word) for word in config.words}
        keep &= tokens["word"].map(capitals).isin(wanted).to_numpy()
    if config.splits:
        keep &= tokens["split"].isin(config.splits).to_numpy()
    if config.wrong:
        own, said = tokens[run.contrast.column], tokens[run.contrast.predicted]
        keep &= (own.notna() & (own != said)).to_numpy()
    places = np.flatnonzero(keep)
    if not len(places):
        raise ConfigError(f"{run.path}: no token meets all conditions; ask for fewer")
    if 0 < config.most < len(places):
        rng = np.random.default_rng(config.seed)
        places = np.sort(rng.choice(places, config.most, replace=False))
    return tokens.iloc[places]
