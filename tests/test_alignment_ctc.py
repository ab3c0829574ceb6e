"""CTC alignment: known best paths, a tiny network of the real architecture, missing weights."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stressnet.alignment.aligner import AlignmentFailure, Utterance
from stressnet.errors import AlignmentError, MissingPartError
from stressnet.intervals import Alignment

torchaudio = pytest.importorskip("torchaudio")

from stressnet.alignment.ctc import CtcAligner, forced_spans, load_network  # noqa: E402

TINY = {
    "extractor_mode": "group_norm",
    "extractor_conv_layer_config": [[16, 10, 5], [16, 8, 8], [16, 8, 8]],
    "extractor_conv_bias": False,
    "encoder_embed_dim": 16,
    "encoder_projection_dropout": 0.0,
    "encoder_pos_conv_kernel": 8,
    "encoder_pos_conv_groups": 2,
    "encoder_num_layers": 1,
    "encoder_num_heads": 2,
    "encoder_attention_dropout": 0.0,
    "encoder_ff_interm_features": 16,
    "encoder_ff_interm_dropout": 0.0,
    "encoder_dropout": 0.0,
    "encoder_layer_norm_first": False,
    "encoder_layer_drop": 0.0,
}
LETTERS = ["<blank>", *"abcdefghijklmnopqrstuvwxyz'"]
PHONES = ["<blank>", *"DH AH R EH K ER D W AO T IY IH AE M N L S Z P B".split()]
SAYS = {"THE": (("DH", "AH0"),), "RECORD": (("R", "EH1", "K", "ER0", "D"),)}


def log_probs(path: list[int], n_tokens: int, sure: float = 0.9) -> np.ndarray:
    """Emissions that prefer one token per frame."""
    rest = (1 - sure) / (n_tokens - 1)
    values = np.full((len(path), n_tokens), rest)
    values[np.arange(len(path)), path] = sure
    return np.log(values).astype(np.float32)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory) -> dict[str, Path]:
    """Small random networks of the real architecture, for letters and for phones."""
    import torch
    from safetensors.torch import save_file

    folders = {}
    for name, tokens in (("letters", LETTERS), ("phones", PHONES)):
        torch.manual_seed(1)
        folder = tmp_path_factory.mktemp(name)
        config = {**TINY, "aux_num_out": len(tokens)}
        state = torchaudio.models.wav2vec2_model(**config).state_dict()
        save_file({k: v.contiguous() for k, v in state.items()}, folder / "model.safetensors")
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "tokens.txt").write_text("\n".join(tokens))
        folders[name] = folder
    return folders


# --- paths ---------------------------------------------------------------------------------------


def test_a_known_best_path() -> None:
    path = [0, 1, 1, 0, 2, 2, 2, 0, 0, 2, 0]
    spans = forced_spans(log_probs(path, 4), [1, 2, 2])
    assert [(s.start, s.end) for s in spans] == [(1, 3), (4, 7), (9, 10)]
    assert all(s.score == pytest.approx(0.9, abs=1e-3) or s.score < 0 for s in spans)


@pytest.mark.parametrize("seed", range(8))
def test_it_is_the_best_of_all_paths(seed: int) -> None:
    rng = np.random.default_rng(seed)
    targets = [1, 2, 1] if seed % 2 else [1, 1]
    values = rng.standard_normal((6, 3)).astype(np.float32)
    values -= np.log(np.exp(values).sum(axis=1, keepdims=True))

    def collapsed(path: tuple[int, ...]) -> list[int]:
        kept = [p for k, p in enumerate(path) if k == 0 or p != path[k - 1]]
        return [p for p in kept if p != 0]

    paths = [p for p in product(range(3), repeat=6) if collapsed(p) == targets]
    best = max(paths, key=lambda p: sum(values[k, t] for k, t in enumerate(p)))
    expected = []
    for k, token in enumerate(best):
        if token and (k == 0 or best[k - 1] != token):
            expected.append([k, k])
        if token:
            expected[-1][1] = k + 1
    spans = forced_spans(values, targets)
    assert [[s.start, s.end] for s in spans] == expected


@pytest.mark.parametrize(("n_frames", "targets"), [(1, [1, 2]), (2, [1, 1]), (3, [])])
def test_too_few_frames(n_frames: int, targets: list[int]) -> None:
    with pytest.raises(AlignmentError, match="cannot hold"):
        forced_spans(log_probs([0] * n_frames, 3), targets)


# --- networks ------------------------------------------------------------------------------------


def test_letters_give_words_at_the_known_times(checkpoints, monkeypatch, tmp_path: Path) -> None:
    aligner = CtcAligner(checkpoints["letters"])
    assert not aligner.knows_phones
    t, h, e = (LETTERS.index(c) for c in "the")
    a, b = LETTERS.index("a"), LETTERS.index("b")
    path = [0] * 10 + [t, t, h, 0, e] + [0] * 5 + [a, a, 0, b] + [0] * 26  # 50 frames for 1 s
    monkeypatch.setattr(aligner, "emissions", lambda audio: log_probs(path, len(LETTERS)))
    soundfile.write(tmp_path / "u.wav", 0.1 * np.ones(16_000), 16_000)
    utterance = Utterance("u", "s", tmp_path / "u.wav", ("THE", "A-B"))
    ((_, found),) = aligner.align([utterance], lambda word: SAYS[word])
    assert isinstance(found, Alignment) and found.phones == () and found.source == "ctc"
    assert [(w.label, round(w.start_s, 6), round(w.end_s, 6)) for w in found.words] == [
        ("", 0.0, 0.2), ("THE", 0.2, 0.3), ("", 0.3, 0.4), ("A-B", 0.4, 0.48), ("", 0.48, 1.0)
    ]  # fmt: skip
    assert found.confidence is not None and len(found.confidence) == 2


def test_phones_give_both_tiers(checkpoints, monkeypatch, tmp_path: Path) -> None:
    aligner = CtcAligner(checkpoints["phones"])
    assert aligner.knows_phones
    dh, ah, r, eh, k, er, d = (PHONES.index(p) for p in "DH AH R EH K ER D".split())
    path = [0] * 5 + [dh, 0, ah, ah, 0] + [r, r, eh, 0, 0, k, er, d, d, 0] + [0] * 30
    monkeypatch.setattr(aligner, "emissions", lambda audio: log_probs(path, len(PHONES)))
    soundfile.write(tmp_path / "u.wav", 0.1 * np.ones(16_000), 16_000)
    utterance = Utterance("u", "s", tmp_path / "u.wav", ("THE", "RECORD"))
    ((_, found),) = aligner.align([utterance], lambda word: SAYS[word])
    assert isinstance(found, Alignment)
    phones = [(p.label, round(p.start_s, 6), round(p.end_s, 6)) for p in found.spoken_phones()]
    assert phones == [
        ("DH", 0.1, 0.13), ("AH0", 0.13, 0.18), ("R", 0.2, 0.24), ("EH1", 0.24, 0.28),
        ("K", 0.28, 0.32), ("ER0", 0.32, 0.34), ("D", 0.34, 0.38),
    ]  # fmt: skip


def test_the_real_architecture_runs(checkpoints, tmp_path: Path) -> None:
    aligner = CtcAligner(checkpoints["phones"])
    noise = 0.1 * np.random.default_rng(0).standard_normal(16_000)
    soundfile.write(tmp_path / "u.wav", noise, 16_000)
    (tmp_path / "bad.wav").write_bytes(b"")
    utterances = [
        Utterance("u", "s", tmp_path / "u.wav", ("THE", "RECORD")),
        Utterance("bad", "s", tmp_path / "bad.wav", ("THE",)),
        Utterance("none", "s", tmp_path / "u.wav", ()),
    ]
    results = dict(aligner.align(utterances, lambda word: SAYS[word]))
    found = results["u"]
    assert isinstance(found, Alignment)
    assert [w.label for w in found.spoken_words()] == ["THE", "RECORD"]
    assert found.words[-1].end_s <= 1.0
    reasons = [r.reason for r in results.values() if isinstance(r, AlignmentFailure)]
    assert reasons == ["unreadable audio", "no words"]


def test_weights_that_are_not_there(checkpoints, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(MissingPartError, match=r"weights of MMS_FA are not at .*get https://"):
        load_network("MMS_FA")
    with pytest.raises(MissingPartError, match="weights of WAV2VEC2_ASR_BASE_960H are not at"):
        load_network("WAV2VEC2_ASR_BASE_960H")
    with pytest.raises(MissingPartError, match="neither a folder nor a torchaudio bundle"):
        load_network("WHISPER")
    with pytest.raises(MissingPartError, match=r"cannot be read.*a checkpoint is config\.json"):
        load_network(tmp_path)
    folder = tmp_path / "short"
    folder.mkdir()
    for file in checkpoints["phones"].iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "tokens.txt").write_text("<blank> a b")
    with pytest.raises(MissingPartError, match="3 tokens, but the network has 21 outputs"):
        load_network(folder)
    (folder / "config.json").write_text("{}")
    with pytest.raises(MissingPartError, match="not a checkpoint of Wav2Vec2"):
        load_network(folder)
