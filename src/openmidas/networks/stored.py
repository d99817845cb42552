"""Files of PyTorch weights: read without ever running what is in them."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import Any

import torch

from openmidas.files.errors import FilePath, file_error, system_error


def read_stored(path: FilePath) -> Mapping[str, Any]:
    """The named entries of a file that `torch.save` wrote; FileError for any other file."""
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise system_error(path, error) from error
    except pickle.UnpicklingError as error:
        problem = "holds more than weights, or is damaged: it was not loaded, since it could run code"
        raise file_error(path, problem) from error
    except Exception as error:  # a damaged file can fail in any way
        raise file_error(path, "is no whole file of PyTorch weights: fetch it again") from error
    if not isinstance(stored, Mapping):
        raise file_error(path, f"holds {type(stored).__name__}, not named weights")
    return stored
