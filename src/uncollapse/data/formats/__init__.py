"""What is read by path: a file a format, and the one list of them."""

from uncollapse.data.formats import (
    celeba,
    cifar,
    downsampled,
    hub,
    imagenet,
    lmdb,
    lsun,
    own,
    parquet,
    shards,
    stl10,
    svhn,
    zips,
)
from uncollapse.data.formats.format import Format

__all__ = ["FORMATS", "Format"]

FORMATS = {
    known.name: known
    for known in (
        *own.FORMATS,
        *cifar.FORMATS,
        stl10.FORMAT,
        svhn.FORMAT,
        celeba.FORMAT,
        imagenet.FORMAT,
        downsampled.FORMAT,
        lsun.FORMAT,
        lmdb.FORMAT,
        shards.FORMAT,
        parquet.FORMAT,
        zips.FORMAT,
        hub.FORMAT,
    )
}
"""By the name that stands before the path."""
