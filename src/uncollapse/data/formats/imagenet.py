"""ImageNet (Russakovsky et al., 2015): a folder a class, called by its WordNet id.

The class's number is its place among the sorted ids, as everywhere. Some files are CMYK, and one
PNG is called JPEG: all are told by content and made RGB.
"""

from __future__ import annotations

from pathlib import Path

from uncollapse.data.dataset import Dataset
from uncollapse.data.encoded import image_records
from uncollapse.data.formats.format import Format, found
from uncollapse.data.images import Files, image_files
from uncollapse.data.reading import Reading
from uncollapse.errors import DataError

TRAIN = ("ILSVRC/Data/CLS-LOC/train", "Data/CLS-LOC/train", "train")
LISTS = ("LOC_synset_mapping.txt", "words.txt", "synset_words.txt")


def read(path: str, *, name: str, reading: Reading, like: Dataset | None = None) -> Dataset:
    """The images below a folder of folders ``n01440764``, …, or below ``train`` in it.

    Classes are called by their first word where a list of words lies beside or above.

    Raises:
        DataError: no such folders, or images that cannot be read.
    """
    where = found(path, TRAIN)
    if not where.is_dir() or not any(_is_id(f.name) for f in where.iterdir() if f.is_dir()):
        raise DataError(
            f"{where} has no folders by WordNet id (n01440764, …): unpack each class's archive "
            "into one, or say images:FOLDER"
        )
    images = image_files(where, reading)
    files = Files(where, [f for f in images if _is_id(f.relative_to(where).parts[0])])
    words = _words(where)
    files.classes = tuple(words.get(name, name) for name in files.classes)
    return image_records(files, name=name, where=str(where), reading=reading, like=like)


def _is_id(name: str) -> bool:
    return len(name) == 9 and name[0] == "n" and name[1:].isdigit()


def _words(where: Path) -> dict[str, str]:
    """Ids and their words, of the nearest list there is; ids stay in front, words repeat."""
    for folder in (where, *where.parents[:4]):
        for name in LISTS:
            if (folder / name).is_file():
                lines = (folder / name).read_text(errors="replace").splitlines()
                pairs = (line.replace("\t", " ").partition(" ") for line in lines)
                return {i: f"{i} {w.split(',')[0].strip()}" for i, _, w in pairs if _is_id(i)}
    return {}


FORMAT = Format("imagenet", "FOLDER", "ImageNet, a folder a WordNet id", read)
