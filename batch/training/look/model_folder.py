"""The folder of a model with looks, from trained networks."""

from __future__ import annotations

from pathlib import Path

from batch.inference.look_networks import Networks, names
from batch.records import CLASSES_OF, SPECS, Input, Manifest
from batch.training import model_card, model_writer, versions
from batch.training.data.datasets import MNIST_LICENCE, NO_LICENCE
from batch.training.look import weigh
from batch.training.look.sources import Packed

# By network.
KERAS_FILES = dict(zip(Networks._fields, names("tensorflow"), strict=True))
LITERT_FILES = dict(zip(Networks._fields, names("litert"), strict=True))
DATASETS = (
    {"name": "MNIST training images", "licence": MNIST_LICENCE},
    {"name": "USPS training images", "licence": NO_LICENCE},
    {
        "name": "UNIPEN digits, letters and signs, as pen strokes (International Unipen Foundation, doi "
        "10.5281/zenodo.1195803)",
        "licence": "CC BY 4.0",
    },
    {"name": "Swiss scans (github.com/kensanata/numbers)", "licence": "CC0"},
    {"name": "scenes drawn by digitbox", "licence": "MIT"},
)
FASHION = {"name": "Fashion-MNIST training images", "licence": "MIT"}


def write(
    folder: Path, files: dict[str, bytes], packed: Packed, seed: int, training: str, scenes: int
) -> Path:
    """Write the folder of a model, and fit its weights and thresholds. A folder of this name is replaced.

    Args:
        folder: The folder; its name becomes the model's.
        files: Content of the networks by file name.
        packed: The packed data sets.
        seed: Seed of the training.
        training: How the networks were trained, in words.
        scenes: Held-out scenes to fit weights and thresholds on.

    Returns:
        The folder.

    Raises:
        ModelError: The folder cannot be written.
    """
    manifest = Manifest(
        name=folder.name,
        version=model_writer.version_of(folder.name, files),
        network="cnn",
        classes=CLASSES_OF[Input.SCAN],
        output="softmax",
        preprocess=SPECS[Input.SCAN],
        temperature=1.0,
        review_below=1.0,
        files=model_writer.digests(files),
        datasets=(*DATASETS, FASHION) if len(packed["fashion"]) else DATASETS,
        seed=seed,
        look_training=training,
        versions=versions.made_with(),
    )
    manifest = weigh.fitted(manifest, files, packed, scenes)
    files = files | {"card.md": model_card.text(manifest).encode()}
    return model_writer.save(folder.parent, manifest, files, overwrite=True)
