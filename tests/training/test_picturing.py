"""Who judges the plane below samples: a discriminator that judges each point by itself."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import uncollapse as uc
from uncollapse.data.plot import HIGH


@pytest.mark.parametrize(
    ("remedies", "shaded"),
    [([], True), (["spectral-norm"], True), (["minibatch-discrimination"], False)],
)
def test_only_who_judges_points_alone_shades_the_plane(tmp_path, tiny, remedies, shaded):
    words = tiny | {"remedies": remedies, "sample_every": 2}
    uc.train("ring8", **words, steps=2, replicas=2, out=tmp_path)
    for replica in range(2):
        path = tmp_path / "samples" / f"replica-{replica}" / "step-0000002.png"
        ground = (np.asarray(Image.open(path)) == HIGH).all(2)
        assert (ground.mean() > 0.02) == shaded
        assert ground.any() == shaded
