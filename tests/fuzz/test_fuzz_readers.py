"""Whatever a file holds: a result or one line, soon. `make fuzz` tries ten thousand of each kind.

A reader of another kind of file is one more line in ``READERS``: the end of the file's name, and a
strategy that draws its bytes.
"""

import os
from datetime import timedelta

import pytest
from fuzz_files import CSV_FILES, JSON_FILES, TEXT_FILES
from hypothesis import HealthCheck, given, settings

from uncollapse.errors import UncollapseError
from uncollapse.evaluation import evaluate

FILES = int(os.environ.get("UNCOLLAPSE_FUZZ_FILES", "30"))
EVERY_TIME = FILES <= 30
"""The few files of the usual tests are always the same ones."""

READERS = {
    "csv": (".csv", CSV_FILES),
    "tsv": (".tsv", CSV_FILES),
    "text": (".txt", TEXT_FILES),
    "jsonl": (".jsonl", JSON_FILES),
}


@pytest.mark.parametrize("reader", READERS)
def test_any_file_gives_a_result_or_one_line(reader, tmp_path):
    suffix, files = READERS[reader]
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
    def check(raw):
        path.write_bytes(raw)
        said = ""
        try:
            found = evaluate(path, path, resamples=2, count=30)
        except UncollapseError as error:
            said = str(error)
            assert said
        else:
            assert found.lost == []  # of a file against itself
            assert found.rows or found.notes
        assert "\n" not in said
        said.encode()

    check()
