"""NumPy files: read from folders that may be damaged or somebody else's, and written in parts."""

from pathlib import Path
from tokenize import TokenError
from typing import Self
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from stressnet.errors import CorpusError


def open_array(path: Path) -> NDArray:
    """An array that stays on disk until it is used."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        raise CorpusError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (ValueError, TypeError, EOFError, OverflowError, RecursionError, MemoryError) as error:
        raise _damaged(path) from error
    except (SyntaxError, TokenError, BadZipFile) as error:  # the header is text for Python's parser
        raise _damaged(path) from error
    if not isinstance(array, np.ndarray):
        raise _damaged(path)
    return array


def _damaged(path: Path) -> CorpusError:
    return CorpusError(f"{path}: damaged, or not written by stressnet; make the folder again")


class ArrayFile:
    """A ``.npy`` file of float32 written block by block in any order.

    Unlike a memory map it takes no memory for what is written, and a full disk is an error that can
    be reported instead of a signal that ends the process. ``shape`` is that of the whole array;
    with ``keep`` a file of this shape is gone on with, if there is one.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], *, keep: bool = False) -> None:
        self._shape = shape
        self._row_bytes = int(np.prod(shape[1:])) * np.dtype(np.float32).itemsize
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        if not keep or not path.exists():
            with path.open("wb") as file:
                np.lib.format.write_array_header_1_0(file, header)
                file.truncate(file.tell() + shape[0] * self._row_bytes)
        self._file = path.open("r+b")
        np.lib.format.read_magic(self._file)
        np.lib.format.read_array_header_1_0(self._file)
        self._data_start = self._file.tell()

    def write(self, first: int, block: NDArray[np.float32]) -> None:
        """Write rows from ``first`` on; they are in the file when this returns."""
        if block.shape[1:] != self._shape[1:] or first + len(block) > self._shape[0]:
            raise ValueError(f"rows {block.shape} from {first} on do not fit into {self._shape}")
        self._file.seek(self._data_start + first * self._row_bytes)
        self._file.write(np.ascontiguousarray(block, dtype="<f4").data)
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
