"""What of a moved formant reaches a network's input: a linear reader of its images.

    stressnet manipulate CORPUS STIMULI --measured CUES --cues quality,f1,f2 --save-audio ...
    python benchmarks/formant_reader.py CORPUS CUES STIMULI OUT.csv [--preset stressnet]

Ridge regression reads log F1 and log F2 of a vowel from the mean of its columns (the middle 60 %,
less their mean level), trained on the vowels of speakers who are in no stimulus; formants are those
of ``measure``. Logistic regression tells stressed from unstressed vowels by the same columns, with
and without their tilt. Both then hear the first and the last step of each continuum. Per cue:
``slope``, the difference read between the two vowels' change as a share of the change that
``manipulate`` measured (through zero), and ``share``, how far the stressed vowel's evidence moves
as a share of the distance between the classes. ``reached`` is the same slope for natural vowels of
held-out speakers: what a perfect change could reach.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from stressnet.acoustics.spectrogram import SpectrogramPreset
from stressnet.acoustics.token_image import image_in_recording
from stressnet.audio import read_audio
from stressnet.corpus.store import Corpus
from stressnet.runs.tables import read_table

MIDDLE = 0.2  # Left out at either end of a vowel
FORMANTS = ("f1", "f2")
Columns = NDArray[np.float64]


def vowel_columns(image: NDArray[Any], time_s: Columns, start_s: float, end_s: float) -> Columns:
    """Mean of the columns in the middle of a vowel; at least the one nearest to it."""
    cut = MIDDLE * (end_s - start_s)
    inside = (time_s >= start_s + cut) & (time_s <= end_s - cut)
    if not inside.any():
        inside[np.abs(time_s - (start_s + end_s) / 2).argmin()] = True
    return np.asarray(image[:, inside].mean(axis=1), dtype=np.float64)


def shape(columns: Columns) -> Columns:
    """Spectra without their mean level."""
    return columns - columns.mean(axis=1, keepdims=True)


def without_tilt(frequency_hz: Columns) -> Callable[[Columns], Columns]:
    """Spectra without level and without the slope over log frequency."""
    octaves = np.log2(np.maximum(frequency_hz, 100.0))
    octaves = octaves - octaves.mean()

    def cleaned(columns: Columns) -> Columns:
        flat = shape(columns)
        return flat - np.outer(flat @ octaves / (octaves @ octaves), octaves)

    return cleaned


def natural_vowels(corpus: Corpus, cues: pd.DataFrame, preset: str) -> tuple[Columns, pd.DataFrame]:
    """Columns of every vowel with trustworthy formants, and what is known of it."""
    images = corpus.images(preset)
    time_s = np.asarray(images.axes.time_s)
    known = cues.set_index("token_id")
    columns, rows = [], []
    for index, token in enumerate(corpus.tokens.itertuples()):
        if token.token_id not in known.index or token.stress not in ("INITIAL", "FINAL"):
            continue
        cue = known.loc[token.token_id]
        image = np.asarray(images.values[index])
        for place in (1, 2):
            formants = [float(cue[f"nucleus_{place}_{name}_hz"]) for name in FORMANTS]
            if not np.isfinite(formants).all() or bool(cue[f"nucleus_{place}_formants_suspect"]):
                continue
            limits = [getattr(token, f"nucleus_{place}_{end}_s") for end in ("start", "end")]
            onset = token.start_s
            columns.append(vowel_columns(image, time_s, limits[0] - onset, limits[1] - onset))
            stressed = (token.stress == "INITIAL") == (place == 1)
            rows.append([token.speaker, stressed, *np.log2(formants)])
    return np.array(columns), pd.DataFrame(rows, columns=["speaker", "stressed", *FORMANTS])


def read_stimuli(folder: Path, preset: SpectrogramPreset, time_s: Columns) -> pd.DataFrame:
    """The two ends of every continuum, with the columns of both vowels."""
    stimuli = pd.read_parquet(folder / "stimuli.parquet")
    ends = stimuli[stimuli["position"].isin([0.0, 1.0]) & stimuli["audio_file"].ne("")]
    rows = []
    for stimulus in ends.to_dict("records"):
        start_s = stimulus["word_start_s"]
        audio = read_audio(folder / stimulus["audio_file"])
        image = image_in_recording(preset, audio, start_s, stimulus["word_end_s"]).values
        for place in (1, 2):
            limits = [stimulus[f"nucleus_{place}_{end}_s"] - start_s for end in ("start", "end")]
            stimulus[f"columns_{place}"] = vowel_columns(np.asarray(image), time_s, *limits)
        rows.append(stimulus)
    return pd.DataFrame(rows)


def main() -> None:
    """Train the readers, let them hear the stimuli, write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("corpus", "cues", "stimuli", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--preset", default="stressnet")
    options = parser.parse_args()
    corpus = Corpus.open(options.corpus)
    images = corpus.images(options.preset)
    columns, known = natural_vowels(
        corpus, read_table(options.cues / "cues.parquet"), options.preset
    )
    preset = SpectrogramPreset.from_dict(dict(images.preset))
    stimuli = read_stimuli(options.stimuli, preset, np.asarray(images.axes.time_s))
    train = ~known["speaker"].isin(stimuli["speaker"]).to_numpy()
    groups = known.loc[train, "speaker"]
    folds = GroupKFold(min(5, groups.nunique()))
    print(f"{train.sum()} vowels of {groups.nunique()} speakers")

    readers: list[tuple[str, Any, Callable[[Columns], Columns], float, float]] = []
    for name in FORMANTS:
        truth = known.loc[train, name].to_numpy()
        model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-1, 4, 12)))
        found = cross_val_predict(model, shape(columns[train]), truth, groups=groups, cv=folds)
        reached = float(np.polyfit(truth, found, 1)[0])
        fitted = model.fit(shape(columns[train]), truth)
        readers.append((name, fitted.predict, shape, reached, np.nan))
    stressed = known.loc[train, "stressed"].to_numpy(dtype=bool)
    flat = without_tilt(np.asarray(images.axes.frequency_hz))
    for name, view in (("stress", shape), ("stress without tilt", flat)):
        model = make_pipeline(
            StandardScaler(), LogisticRegression(C=0.01, max_iter=2000, class_weight="balanced")
        )
        seen = view(columns[train])
        how = {"groups": groups, "cv": folds, "method": "decision_function"}
        found = cross_val_predict(model, seen, stressed, **how)
        apart = 2 * (found[stressed].mean() - found[~stressed].mean())  # of two vowels
        reached = float(roc_auc_score(stressed, found))
        fitted = model.fit(seen, stressed)
        readers.append((name, fitted.decision_function, view, reached, apart))

    rows = []
    for cue, part in stimuli.groupby("cue", sort=False):
        ends = [part[part["position"] == place].set_index("token_id") for place in (0.0, 1.0)]
        both = ends[0].index.intersection(ends[1].index)
        first, last = (end.loc[both] for end in ends)
        for name, read, view, reached, apart in readers:
            heard = [
                read(view(np.stack(list(end["columns_1"]))))
                - read(view(np.stack(list(end["columns_2"]))))
                for end in (first, last)
            ]
            moved = heard[0] - heard[1]
            row = {"cue": cue, "reader": name, "n": len(both), "reached": reached}
            if name in FORMANTS:
                asked = (first[f"measured_{name}"] - last[f"measured_{name}"]).to_numpy(float)
                good = np.isfinite(asked) & np.isfinite(moved)
                row["asked_median_octaves"] = float(np.median(np.abs(asked[good])))
                row["slope"] = float(moved[good] @ asked[good] / (asked[good] @ asked[good]))
            else:
                row["share"] = moved.mean() / apart
                row["share_se"] = moved.std(ddof=1) / np.sqrt(len(moved)) / apart
            rows.append(row)
    table = pd.DataFrame(rows)
    table.to_csv(options.out, index=False, float_format="%.4f", lineterminator="\n")
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
