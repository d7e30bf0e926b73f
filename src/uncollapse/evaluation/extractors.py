"""Features by name, and a reference's classifier, trained once and kept beside it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from uncollapse.data import Dataset, fetch, load
from uncollapse.data.stacked import Stacked
from uncollapse.errors import ConfigError, RunFolderError, unknown
from uncollapse.evaluation.comparison import Comparison
from uncollapse.files import write_atomically
from uncollapse.metrics.classifier import Classifier, train_classifier
from uncollapse.metrics.efficientnet import CHANNELS, EfficientNetLite0
from uncollapse.metrics.features import (
    DIMENSIONS,
    PCA,
    ClassifierFeatures,
    Extractor,
    Own,
    Raw,
    StackedFeatures,
)

Progress = Callable[[Iterable[int], str], Iterable[int]]
"""Wraps a count of what is done, with a title."""
PHOTOGRAPHS = EfficientNetLite0.name
NAMES = ("raw", "pca", "classifier", PHOTOGRAPHS)
STUDIED = 10_000
RECIPE = "4"
"""Of the classifier; another one is trained anew."""


def make(spec: str, sets: Comparison, cache: Path | None, progress: Progress) -> Extractor:
    """The features that ``spec`` names.

    Args:
        spec: auto, raw, pca or pca:DIMENSIONS, classifier, efficientnet-lite0, or
            package.module:function. ``auto`` is the numbers themselves for points, series and
            tables, and efficientnet-lite0 for images. That looks at images of 1 or 3 channels;
            those of others are looked at by a PCA, stacked digits by their classifier.
        sets: what is compared.
        cache: where the reference's classifier is kept; None keeps none.
        progress: wraps what takes long.

    Raises:
        ConfigError: an unknown name, or features that the reference does not allow.
        MissingExtraError: a package is missing.
    """
    name, _, setting = resolve(spec, sets.kind, sets.reference).partition(":")
    if name == "raw":
        return Raw()
    if name == "pca":
        return PCA(_studied(sets), int(setting or DIMENSIONS), seed=sets.seed)
    if name == "classifier":
        assert sets.reference is not None
        return of_reference(sets.reference, sets.study, cache, progress)
    if name == PHOTOGRAPHS:
        return EfficientNetLite0(lambda batches: progress(batches, "features"))
    if ":" in spec:
        return Own(spec)
    raise unknown("features", spec, ["auto", *NAMES, "package.module:function"])


def resolve(spec: str, kind: str, reference: Dataset | None) -> str:
    """The features that ``spec`` means for such data: never auto, except for text, which has none.

    Raises:
        ConfigError: features that do not suit the data, or an unknown setting.
    """
    labelled = reference is not None and bool(reference.classes)
    name, colon, setting = spec.partition(":")
    if kind == "text":
        if spec != "auto":
            raise ConfigError(f"features are of points, images and tables, not of text: '{spec}'")
    elif spec == "auto":
        if kind != "images":
            return "raw"
        if labelled and reference is not None and isinstance(reference.store, Stacked):
            return "classifier"  # digits as colours are no photographs
        return PHOTOGRAPHS if _coloured(reference) else "pca"
    elif name == "pca" and colon and not (setting.isdecimal() and int(setting)):
        raise ConfigError(f"features '{spec}': a number of dimensions is needed, such as pca:64")
    elif kind == "table" and (name == "pca" or spec in ("classifier", PHOTOGRAPHS)):
        raise ConfigError(f"features of tables are raw or package.module:function, not '{spec}'")
    elif spec == "classifier" and not labelled:
        raise ConfigError(
            "features classifier need a labelled reference: a named data set, an .npz with an "
            "array 'labels', or a folder of images with a folder for each class"
        )
    elif colon and name in ("raw", "classifier", PHOTOGRAPHS):
        raise ConfigError(f"features '{spec}': {name} has no settings")
    return spec


def substituted(spec: str, kind: str, reference: Dataset | None) -> str | None:
    """Why ``auto`` is not what it usually is for such data, in words; None where it is."""
    if spec == "auto" and kind == "images" and resolve(spec, kind, reference) == "pca":
        assert reference is not None
        return (
            f"features are a PCA, which hardly sees blur and smears: {PHOTOGRAPHS} looks at images "
            f"of 1 or 3 channels, and these have {reference.shape[0]}"
        )
    return None


def _coloured(reference: Dataset | None) -> bool:
    return reference is not None and reference.shape[0] in CHANNELS


def are_learned(spec: str) -> bool:
    """Whether features that :func:`resolve` gave are learned from the reference."""
    return spec.partition(":")[0] in ("pca", "classifier")


def _studied(sets: Comparison) -> Tensor:
    """At most 10,000 samples that features may be learned from."""
    assert sets.study is not None
    assert sets.reference is not None
    return sets.reference.take(sets.study[:STUDIED])


def of_reference(
    reference: Dataset, study: Tensor | None, cache: Path | None, progress: Progress
) -> ClassifierFeatures | StackedFeatures:
    """The classifier of a labelled data set: from its cache, or trained now and kept there.

    Stacked digits are looked at channel by channel, by the digits' own classifier.

    Args:
        reference: the data set.
        study: which of its samples the classifier learns from; None for all.
        cache: where it is kept; None keeps none.
        progress: wraps what takes long.
    """
    if isinstance(reference.store, Stacked):
        digits = load("mnist")
        found = of_reference(digits, None, beside("mnist", digits, "all"), progress)
        assert isinstance(found, ClassifierFeatures)
        return StackedFeatures(found)
    known = _read(cache, reference) if cache is not None else None
    if known is not None:
        return known
    which = torch.arange(len(reference)) if study is None else study
    labels = reference.labels(which)
    assert labels is not None
    trained = train_classifier(
        lambda index: reference.take(which[index]),
        labels,
        len(reference.classes),
        watch=lambda steps: progress(steps, "training a classifier of the reference"),
    )
    if cache is not None:
        _keep(cache, reference, trained.network, trained.accuracy)
    return ClassifierFeatures(trained.network, trained.accuracy)


def beside(spec: object, reference: Dataset, part: str = "third") -> Path | None:
    """Where the classifier of a reference is kept: beside its file, or with the named data sets.

    Args:
        spec: the reference as it was given.
        reference: what it is.
        part: how much of it the classifier learns from.
    """
    if not isinstance(spec, (str, os.PathLike)):
        return None
    text = os.fspath(spec)
    path = Path(text.partition(":")[2] or text).expanduser()
    if path.exists():
        return path.parent / f".{path.name}.classifier.safetensors"
    name = "".join(c if c.isalnum() or c in "-." else "-" for c in reference.name)
    return fetch.data_home() / "classifiers" / f"{name}-{part}.safetensors"


def _read(cache: Path, reference: Dataset) -> ClassifierFeatures | None:
    """The kept classifier, if it is whole and of just this data."""
    try:
        with safe_open(cache, "pt") as file:
            facts = json.loads((file.metadata() or {}).get("uncollapse", "{}"))
            if (facts.get("data"), facts.get("recipe")) != (reference.fingerprint, RECIPE):
                return None
            network = Classifier(reference.shape, len(reference.classes))
            network.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    except (OSError, SafetensorError, ValueError, RuntimeError):
        return None  # none there, or damaged: it is trained anew
    return ClassifierFeatures(network.eval().requires_grad_(False), facts["accuracy"])


def _keep(cache: Path, reference: Dataset, network: Classifier, accuracy: float) -> None:
    facts = {"data": reference.fingerprint, "recipe": RECIPE, "accuracy": accuracy}
    content = save(dict(network.state_dict()), {"uncollapse": json.dumps(facts)})
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(cache, content)
    except (OSError, RunFolderError):
        return  # a folder that only others may write: trained again the next time
