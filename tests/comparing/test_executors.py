"""Executors of others, on one machine: each trains the same comparison. Skipped where missing."""

import contextlib
import warnings

import pytest

import uncollapse as uc
from uncollapse.comparing.executors import named

PACKAGES = {"submitit": "submitit", "ray": "ray", "dask": "distributed"}
NAMES = {"submitit": "submitit:cluster=local,timeout_min=5", "ray": "ray", "dask": "dask"}


@pytest.mark.parametrize("name", PACKAGES)
@pytest.mark.filterwarnings("ignore")
def test_each_trains_the_same(name, tmp_path, tiny):
    pytest.importorskip(PACKAGES[name])
    words = tiny | {"vary": {"objective": ["minimax", "r3gan"]}, "seeds": 2, "checkpoint_every": 20}
    expected = uc.compare("ring8", out=tmp_path / "local", processes=2, budget=20, **words)
    out = tmp_path / name
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs
        found = uc.compare("ring8", out=out, executor=NAMES[name], processes=2, budget=20, **words)
    assert all(row.whole for row in found.rows), found.notes
    assert found.csv() == expected.csv()


@pytest.mark.parametrize("name", PACKAGES)
def test_what_is_not_installed_says_how_to_get_it(name, tmp_path):
    with contextlib.suppress(ImportError):
        __import__(PACKAGES[name])
        pytest.skip("it is installed")
    with pytest.raises(uc.UncollapseError, match=rf"pip install 'uncollapse\[{name}\]'"):
        named(NAMES[name], tmp_path, 1)


def test_names(tmp_path):
    for spec, says in {
        "locl": "Did you mean 'local'",
        "local:x": "settings are written word=value",
        "local:x=1": "has no settings",
    }.items():
        with pytest.raises(uc.UncollapseError, match=says):
            named(spec, tmp_path, 1)
