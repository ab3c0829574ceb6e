"""Natural ends: vowels cut from the other member of a pair, beside resynthesis.

    python benchmarks/splicing.py CORPUS OUT.csv MODEL [MODEL ...] [--seed 0]

A token of a noun/verb pair gets vowel 1, vowel 2 or both from a recording of the same word with the
other stress (OBJECT the noun, OBJECT the verb), by the same speaker if possible, else of the same
sex; as a control from one with the *same* stress. Vowels are cut at the corpus's boundaries and put
in whole, with their own length, pitch and spectrum, raised or lowered by what their word is softer
or louder than the other as a whole, with cross-fades of 5 ms. Tokens are those of
``minimal_pairs``, whose words no network is trained on. ``share`` is the mean move of the logit
difference towards the donors' class, both classes weighing the same, as a share of the distance
between the classes; ``beyond_control`` is that minus the control's, over tokens that have both.
Intervals are over speakers and words; several networks are averaged. One cue of a vowel is
exchanged by ``stressnet manipulate --endpoints pair``.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from stressnet.acoustics.spectrogram import SpectrogramPreset
from stressnet.acoustics.token_image import image_in_recording
from stressnet.audio import Audio
from stressnet.axes import FloatArray
from stressnet.corpus.store import Corpus
from stressnet.evaluation.sets import load_models
from stressnet.inference.bootstrap import Estimate, bootstrapped
from stressnet.lexicon.stress import CLASSES, logit_difference

FADE_S = 0.005
PARTS = {"vowel 1": (1,), "vowel 2": (2,), "both vowels": (1, 2)}
OTHER, SAME = "other stress", "same stress"
MANNERS = ("same speaker", "same sex")


def donors(tokens: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """A donor of either kind for each token, where there is one."""
    rows = []
    for index, token in tokens.iterrows():
        word = tokens[(tokens["word"] == token["word"]) & (tokens.index != index)]
        for kind in (OTHER, SAME):
            fit = word[(word["stress"] == token["stress"]) == (kind == SAME)]
            own = fit[fit["speaker"] == token["speaker"]]
            manner = MANNERS[not len(own)]
            fit = own if len(own) else fit[fit["sex"] == token["sex"]]
            if len(fit):
                rows.append([index, fit.index[rng.integers(len(fit))], kind, manner])
    return pd.DataFrame(rows, columns=["token", "donor", "kind", "manner"])


def sound(corpus: Corpus, token: pd.Series) -> tuple[FloatArray, int, dict[str, float]]:
    """A token's excerpt, its rate, and the times of the word and vowels in it."""
    audio = corpus.excerpt(token["token_id"])
    names = [
        "start_s",
        "end_s",
        *(f"nucleus_{k}_{end}_s" for k in (1, 2) for end in ("start", "end")),
    ]
    times = {name: token[name] - token["excerpt_start_s"] for name in names}
    return np.asarray(audio.samples, dtype=np.float64), audio.rate_hz, times


def level(samples: FloatArray, rate_hz: int, times: dict[str, float]) -> float:
    """Root mean square of the word."""
    word = samples[round(times["start_s"] * rate_hz) : round(times["end_s"] * rate_hz)]
    return float(np.sqrt(np.mean(word**2)) + 1e-12)


def spliced(
    host: tuple[FloatArray, int, dict[str, float]],
    donor: tuple[FloatArray, int, dict[str, float]],
    places: tuple[int, ...],
) -> tuple[Audio, float, float]:
    """The host with vowels of the donor, and the times of its word."""
    (samples, rate_hz, times), (other, other_rate, theirs) = host, donor
    if rate_hz != other_rate:
        raise SystemExit(f"recordings of {rate_hz} and {other_rate} Hz cannot be spliced")
    gain = level(samples, rate_hz, times) / level(other, rate_hz, theirs)
    fade, out, end_s = round(FADE_S * rate_hz), samples, times["end_s"]
    for place in sorted(places, reverse=True):  # from the end, so that earlier times stay
        limits = [f"nucleus_{place}_{end}_s" for end in ("start", "end")]
        first, last = (round(times[name] * rate_hz) for name in limits)
        begin, stop = (round(theirs[name] * rate_hz) for name in limits)
        new = gain * other[begin - fade : stop + fade]
        ramp = np.linspace(0, 1, 2 * fade)
        new[: 2 * fade] = ramp * new[: 2 * fade] + (1 - ramp) * out[first - fade : first + fade]
        tail = out[last - fade : last + fade]
        new[-2 * fade :] = ramp[::-1] * new[-2 * fade :] + ramp * tail
        out = np.concatenate([out[: first - fade], new, out[last + fade :]])
        end_s += ((stop - begin) - (last - first)) / rate_hz
    return Audio(out.astype(np.float32), rate_hz), times["start_s"], end_s


def moved(
    weights: FloatArray, own: FloatArray, move: FloatArray, initial: FloatArray
) -> FloatArray:
    """Mean move, both classes weighing the same, as a share of the distance between them."""
    sides = [weights * side for side in (initial, 1 - initial)]
    with np.errstate(divide="ignore", invalid="ignore"):
        means = [[(side @ x) / side.sum(axis=1) for x in (own, move)] for side in sides]
    return (means[0][1] + means[1][1]) / 2 / (means[0][0] - means[1][0])


def share_of(table: pd.DataFrame, name: str) -> Estimate:
    """The share of a column of moves with its interval over speakers and words."""
    initial = (table["stress"] == str(CLASSES[0])).to_numpy(np.float64)
    columns = [table[one].to_numpy(np.float64) for one in ("own", name)]
    figure = partial(moved, own=columns[0], move=columns[1], initial=initial)
    return bootstrapped(figure, table["speaker"], table["family"])


def main() -> None:
    """Splice, ask the networks, write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    networks = load_models(options.models)
    corpus = Corpus.open(options.corpus)
    tokens = corpus.tokens[corpus.tokens["split"] == "minimal_pairs"]
    given = donors(tokens, np.random.default_rng(options.seed))
    preset = SpectrogramPreset.from_dict(dict(corpus.images(networks[0].info.preset).preset))

    def asked(audio: Audio, start_s: float, end_s: float) -> float:
        image = image_in_recording(preset, audio, start_s, end_s).values[None]
        return float(np.mean([logit_difference(one.logits(image))[0] for one in networks]))

    rows = []
    for index, mine in given.groupby("token", sort=False):
        token = tokens.loc[index]
        host = sound(corpus, token)
        sign = 1.0 if token["stress"] == CLASSES[0] else -1.0
        row = {name: token[name] for name in ("token_id", "speaker", "family", "stress")}
        plain = Audio(host[0].astype(np.float32), host[1])
        row["own"] = asked(plain, host[2]["start_s"], host[2]["end_s"])
        for donor in mine.itertuples():
            row[f"manner, {donor.kind}"] = donor.manner
            for part, places in PARTS.items():
                said = asked(*spliced(host, sound(corpus, tokens.loc[donor.donor]), places))
                row[f"{part}, {donor.kind}"] = sign * (row["own"] - said)
        rows.append(row)
    table = pd.DataFrame(rows)
    out = []
    for part in PARTS:
        names = [f"{part}, {OTHER}", f"{part}, {SAME}"]
        both = table.dropna(subset=names).assign(beyond=lambda t, n=names: t[n[0]] - t[n[1]])
        row = {
            "part": part,
            "n_tokens": len(both),
            "n_final": int((both["stress"] == "FINAL").sum()),
        }
        row |= {"n_words": both["family"].nunique(), "n_speakers": both["speaker"].nunique()}
        row["n_same_speaker"] = int((both[f"manner, {OTHER}"] == MANNERS[0]).sum())
        for name, column in zip(
            ("share", "control", "beyond_control"), [*names, "beyond"], strict=True
        ):
            row |= share_of(both, column).columns(name)
        out.append(row)
    result = pd.DataFrame(out)
    result.to_csv(options.out, index=False, float_format="%.4f", lineterminator="\n")
    print(result.T.to_string())


if __name__ == "__main__":
    main()
