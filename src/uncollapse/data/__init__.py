"""What is learned: mixtures, images and arrays, by name, path, or as they are in memory."""

from uncollapse.data import fetch
from uncollapse.data.arrays import array_file
from uncollapse.data.catalogue import CATALOGUE, FORMS, Entry, names
from uncollapse.data.classics import digits, fashion_mnist, mnist, stacked_mnist
from uncollapse.data.dataset import Dataset, Modes
from uncollapse.data.idx import folder as idx_folder
from uncollapse.data.images import image_folder
from uncollapse.data.loaders import concatenated, lazy
from uncollapse.data.loading import Data, load
from uncollapse.data.mixtures import grid25, ring8, ring10, swiss_roll, temperatures
from uncollapse.data.sampler import Sampler
from uncollapse.data.tensors import from_tensor
from uncollapse.data.text_files import billion_words, text_file

__all__ = [
    "CATALOGUE",
    "FORMS",
    "Data",
    "Dataset",
    "Entry",
    "Modes",
    "Sampler",
    "array_file",
    "billion_words",
    "concatenated",
    "digits",
    "fashion_mnist",
    "fetch",
    "from_tensor",
    "grid25",
    "idx_folder",
    "image_folder",
    "lazy",
    "load",
    "mnist",
    "names",
    "ring8",
    "ring10",
    "stacked_mnist",
    "swiss_roll",
    "temperatures",
    "text_file",
]
