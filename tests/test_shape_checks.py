"""That conftest.py's checks do see a wrong shape."""

from __future__ import annotations

import numpy as np
import pytest
from jaxtyping import TypeCheckError

from openmidas.models.preprocess import to_network
from openmidas.models.presets import preset_named


@pytest.mark.parametrize("shape", [(40, 48), (40, 48, 4), (1, 40, 48, 3)])
def test_a_shape_that_the_signature_excludes_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(TypeCheckError, match="image"):
        to_network(np.zeros(shape, np.uint8), (32, 32), preset_named("tiny"))
    assert to_network(np.zeros((40, 48, 3), np.uint8), (32, 64), preset_named("tiny")).shape == (1, 3, 32, 64)
