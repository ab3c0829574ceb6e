"""What the manifest of a merged corpus says of its parts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from stressnet.corpus.merge_parts import are_shards, version_of
from stressnet.corpus.merging import Part
from stressnet.corpus.store import TOKENS

if TYPE_CHECKING:
    import pandas as pd


def common_presets(parts: Sequence[Part]) -> list[str]:
    """Presets that all corpora hold with the same settings."""
    common = set.intersection(*(set(part.corpus.presets()) for part in parts))
    return sorted(
        name
        for name in common
        if len({part.corpus.images(name).fingerprint for part in parts}) == 1
    )


def merged_parameters(parts: Sequence[Part], splits: Any) -> dict[str, Any]:
    """What the manifest says of the corpora."""
    shards = are_shards([part.corpus for part in parts])
    sources = [p["parameters"] for p in (part.corpus.manifest for part in parts)]
    flat = [inner for p in sources for inner in (p.get("sources") or [p])]
    if shards:
        flat = flat[:1]
    keys = ("recipe", "title", "licence", "citation", "synthetic", "source", "request")
    kept = [{k: p.get(k) for k in keys if p.get(k) is not None} for p in flat]
    versions = sorted({version_of(part.corpus) for part in parts})
    licences = list(dict.fromkeys(str(p["licence"]) for p in kept))
    title = f"{len(kept)} corpora merged"
    if len(kept) == 1:
        title = str(kept[0].get("title", kept[0]["recipe"]))
    return {
        "recipe": kept[0]["recipe"] if len(kept) == 1 else "merged",
        "title": title,
        "licence": "; ".join(licences),
        "citation": " ".join(dict.fromkeys(str(p["citation"]) for p in kept)),
        "synthetic": all(bool(p["synthetic"]) for p in kept),
        "source": [str(part.corpus.path) for part in parts],
        "prefixed": bool(parts[0].prefix),
        "splits": splits,
        "sources": kept,
        "built_by": [f"stressnet {version}" for version in versions],
    }


def merged_results(parts: Sequence[Part], tokens: pd.DataFrame) -> dict[str, Any]:
    each = [part.corpus.manifest["results"] for part in parts]

    def summed(key: str) -> dict[str, int]:
        total: Counter[str] = Counter()
        for results in each:
            total.update(results.get(key, {}))
        return dict(total)

    presets = common_presets(parts)
    truncated: Mapping[str, int] = {
        preset: sum(r["words_longer_than_image"].get(preset, 0) for r in each) for preset in presets
    }
    return {
        "n_tokens": len(tokens),
        "n_stretches_of_longer_words": sum(len(part.corpus.stretches) for part in parts),
        "n_utterances": int(tokens["utterance_id"].nunique()),
        "n_recordings_found": sum(int(r["n_recordings_found"]) for r in each),
        "audio_hours": round(sum(float(r["audio_hours"]) for r in each), 3),
        "n_speakers": int(tokens["speaker"].nunique()),
        "n_words": int(tokens["word"].nunique()),
        "stress": {str(k): int(v) for k, v in tokens["stress"].value_counts(dropna=False).items()},
        "splits": {str(k): int(v) for k, v in tokens["split"].value_counts().items()},
        "rejected_words": summed("rejected_words"),
        "readings": summed("readings"),
        "problems": summed("problems"),
        "n_errors": sum(int(r["n_errors"]) for r in each),
        "presets": presets,
        "words_longer_than_image": dict(truncated),
        "token_table": TOKENS,
    }
