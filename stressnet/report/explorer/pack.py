"""Numbers in few bytes: one text per token that a page reads back without asking a server.

Layout
------
``base64(zlib(length, header, arrays))``: ``length`` is the header's length as a little-endian
unsigned 32-bit integer, ``header`` JSON in UTF-8, padded with spaces so that the arrays begin at a
multiple of four, ``arrays`` their bytes one after the other, each padded to a multiple of four.
``header["arrays"]`` names each array with type, shape and place. Browsers undo it with
``DecompressionStream``, which needs no network and no library.
"""

import base64
import json
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TYPES = {"uint8": "<u1", "int8": "<i1", "uint16": "<u2", "int16": "<i2", "float32": "<f4"}
COMPANDED_LEVELS = 63  # Steps on each side of zero in `compand`


def pack(header: Mapping[str, Any], arrays: Mapping[str, NDArray]) -> str:
    """A token's data as ASCII text.

    ``header``: anything JSON holds; NaN is not allowed, use None. ``arrays``: of 8 or 16 bit
    integers or 32 bit floats.
    """
    places, blobs, offset = {}, [], 0
    for name, values in arrays.items():
        blob = np.ascontiguousarray(values).astype(_TYPES[values.dtype.name]).tobytes()
        places[name] = {"type": values.dtype.name, "shape": values.shape, "at": offset}
        blob += b"\0" * (-len(blob) % 4)
        blobs.append(blob)
        offset += len(blob)
    text = json.dumps(
        {**header, "arrays": places}, ensure_ascii=False, separators=(",", ":"), allow_nan=False
    ).encode()
    text += b" " * (-(len(text) + 4) % 4)
    raw = struct.pack("<I", len(text)) + text + b"".join(blobs)
    return base64.b64encode(zlib.compress(raw, 9)).decode("ascii")


def compand(values: NDArray[np.floating]) -> tuple[NDArray[np.int8], float]:
    """Signed values in 127 steps that are finer near zero: the root of the magnitude is linear.

    Returns the steps s = sign(v) · round(63 · sqrt(|v| / peak)), which undone are off by at most
    peak · (s + 1/4) / 63², and the peak, the largest magnitude; 0 for an empty map.
    """
    values = np.asarray(values, dtype=np.float64)
    peak = float(np.abs(values).max(initial=0.0))
    if peak == 0:
        return np.zeros(values.shape, np.int8), 0.0
    steps = np.sign(values) * np.round(COMPANDED_LEVELS * np.sqrt(np.abs(values) / peak))
    return steps.astype(np.int8), peak


def runs_of(mask: NDArray[np.bool_]) -> NDArray[np.uint16]:
    """A mask as stretches: rows of (frame, first bin, last bin + 1), shape (n, 3)."""
    padded = np.pad(mask.astype(np.int8), ((1, 1), (0, 0)))
    change = np.diff(padded, axis=0).T  # (n_frames, n_bins + 1)
    frame, first = np.nonzero(change == 1)
    _, last = np.nonzero(change == -1)
    return np.stack([frame, first, last], axis=1).astype(np.uint16)


def rounded(value: float | None, digits: int = 4) -> float | None:
    """A number with so many significant digits; None where there is none."""
    if value is None or not np.isfinite(value):
        return None
    return float(f"{value:.{digits}g}")
