"""NumPy files from folders that may be damaged, or somebody else's."""

from __future__ import annotations

from pathlib import Path
from tokenize import TokenError
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from stressnet.errors import CorpusError


def open_array(path: Path) -> NDArray:
    """An array that stays on disk until it is used.

    Raises
    ------
    CorpusError
        If the file is missing, shorter than its header says, no array, or of Python objects.
    """
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
