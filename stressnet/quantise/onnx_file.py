"""A network as an ONNX file that runs in 8 bits, judged by its answers on words of a corpus.

onnxruntime has kernels for 8-bit convolutions and matrix products; fewer bits would be stored and
computed in 8 all the same, so other plans stay simulated. Its quantiser is used as it is,
restricted to these operators: with its default ones a transformer gives other answers.
"""

import json
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stressnet.corpus.store import Corpus
from stressnet.errors import CheckpointError
from stressnet.evaluation.sets import TestSets, class_indices
from stressnet.lexicon.stress import Stress, logit_difference
from stressnet.models.checkpoint import TrainedNetwork
from stressnet.quantise.simulate import Simulation
from stressnet.runs.held import check_file
from stressnet.training.onnx_export import INPUT, export_onnx, quiet, require_onnx

OPERATORS = ["Conv", "MatMul", "Gemm"]
LEAST_AGREEMENT = 0.95  # Test words with the float network's answer; else no file is written

N_CALIBRATION, N_TESTED = 64, 600


def export_quantised(model_path: Path, corpus_path: Path, out: Path) -> dict[str, Any]:
    """Write a network as ONNX in 8 bits.

    Returns ``n`` test words, ``agreement`` (the share with the float network's answer), and for the
    file and (``float_``) that in float32 ``bytes``, ``ms`` (median time of a word on one thread)
    and balanced ``accuracy``.
    """
    require_onnx()
    import onnx
    from onnxruntime.quantization import QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    network, corpus = TrainedNetwork.load(model_path), Corpus.checked(corpus_path)
    check_file(out, [network.path, corpus.path])
    tests, values = TestSets.of(corpus, [network]), corpus.images(network.info.preset).values
    chosen = corpus.select(("train",), N_CALIBRATION)
    words = np.stack([values[row] for row in chosen.image_index])[:, None]
    tested = np.any(list(tests.masks.values()), axis=0)
    tested &= ~tests.tokens["row"].isin(chosen.image_index).to_numpy()
    rows = np.random.default_rng(0).permutation(np.flatnonzero(tested))[:N_TESTED]
    tokens = tests.tokens.iloc[rows]
    images = np.stack([values[row] for row in tokens["row"]])[:, None]
    with TemporaryDirectory() as folder:
        plain, ready, small = (Path(folder) / f"{n}.onnx" for n in ("plain", "ready", "small"))
        export_onnx(model_path, plain, Simulation(network.model, torch.tensor(words)).folded())
        each = iter([{INPUT: word[None]} for word in words])
        with quiet():
            quant_pre_process(str(plain), str(ready), skip_symbolic_shape=True)
            quantize_static(
                str(ready),
                str(small),
                SimpleNamespace(get_next=lambda: next(each, None)),
                op_types_to_quantize=OPERATORS,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
        proto = onnx.load(str(small))
        about = {entry.key: entry.value for entry in onnx.load(str(plain)).metadata_props}
        about["quantised"] = json.dumps({"bits": 8, "operators": OPERATORS})
        onnx.helper.set_model_props(proto, about)
        onnx.save(proto, str(small))
        is_initial = class_indices(tokens) == Stress.INITIAL.class_index
        before, answers = _tested(plain, images, is_initial)
        after, same = _tested(small, images, is_initial)
        agreement = float((answers == same).mean())
        if agreement < LEAST_AGREEMENT:
            raise CheckpointError(
                f"{network.path}: in 8 bits {1 - agreement:.0%} of {len(rows)} test words get "
                f"another answer, more than {1 - LEAST_AGREEMENT:.0%}; nothing was written"
            )
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(small.read_bytes())
    before = {f"float_{name}": value for name, value in before.items()}
    return {"n": len(rows), "agreement": agreement, **after, **before}


def _tested(
    path: Path, images: NDArray[np.float32], is_initial: NDArray[np.bool_]
) -> tuple[dict[str, float], NDArray[np.bool_]]:
    """Size, time and balanced accuracy of a file, and its answers."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    taken, logits = [], []
    for image in images:
        start = time.perf_counter()
        logits.append(session.run(None, {INPUT: image[None]})[0])
        taken.append(time.perf_counter() - start)
    answers = logit_difference(np.concatenate(logits).astype(np.float64)) >= 0
    hits = [(answers == is_initial)[side] for side in (is_initial, ~is_initial) if side.any()]
    accuracy = float(np.mean([part.mean() for part in hits]))
    measured = {"bytes": path.stat().st_size, "ms": 1000 * float(np.median(taken))}
    return measured | {"accuracy": accuracy}, answers
