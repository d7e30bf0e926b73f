"""Whatever a file holds: a result or one line, soon. `make fuzz` tries ten thousand of each kind.

A reader of another kind of file is one more line in ``READERS``: the end of the file's name, a
strategy that draws its bytes (of a folder, those of its files by name), and under what form
``uncollapse.data.load`` reads it, if it does.
"""

import os
import shutil
from datetime import timedelta

import pytest
import torch
from fuzz_files import (
    CSV_FILES,
    IDX_FOLDERS,
    IMAGE_FOLDERS,
    JSON_FILES,
    NPY_FILES,
    NPZ_FILES,
    TEXT_FILES,
)
from hypothesis import HealthCheck, given, settings

from uncollapse import data
from uncollapse.errors import UncollapseError
from uncollapse.evaluation import evaluate

FILES = int(os.environ.get("UNCOLLAPSE_FUZZ_FILES", "30"))
EVERY_TIME = FILES <= 30
"""The few files of the usual tests are always the same ones."""

READERS = {
    "csv": (".csv", CSV_FILES, None),
    "tsv": (".tsv", CSV_FILES, None),
    "text": (".txt", TEXT_FILES, None),
    "jsonl": (".jsonl", JSON_FILES, None),
    "npy": (".npy", NPY_FILES, "array"),
    "npz": (".npz", NPZ_FILES, "array"),
    "images": ("", IMAGE_FOLDERS, "images"),
    "idx": ("", IDX_FOLDERS, "idx"),
}


def write(path, content):
    """A file's bytes, or a folder's files; what was there is gone."""
    if isinstance(content, bytes):
        path.write_bytes(content)
        return
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()
    for name, raw in content.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(raw)


def opened(form, path):
    """What the library makes of it, and all that it says; None after one line."""
    dataset, said = None, ""
    try:
        dataset = data.load(f"{form}:{path}")
    except UncollapseError as error:
        said = str(error)
        assert said
    else:
        said = dataset.described
    assert "\n" not in said
    if dataset is None:
        return None
    seen = dataset.take(torch.arange(min(len(dataset), 3)))
    assert seen.isfinite().all()
    assert dataset.restore(seen).isfinite().all()
    return dataset


@pytest.mark.parametrize("reader", READERS)
def test_any_file_gives_a_result_or_one_line(reader, tmp_path):
    suffix, files, form = READERS[reader]
    features = "auto" if form is None else "raw"  # which need neither a download nor training
    path = tmp_path / f"file{suffix}"
    every = settings(
        max_examples=FILES,
        deadline=timedelta(seconds=20),  # no hang
        derandomize=EVERY_TIME,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )

    @every
    @given(files)
    def check(content):
        write(path, content)
        dataset = None if form is None else opened(form, path)
        said = ""
        try:
            found = evaluate(path, path, resamples=2, count=30, features=features)
        except UncollapseError as error:
            said = str(error)
            assert said
        else:
            assert found.lost == []  # of a file against itself
            assert found.rows or found.notes
            assert form is None or dataset is not None
        assert "\n" not in said
        said.encode()

    check()
