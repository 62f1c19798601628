#!/bin/sh
# The labels in a Parquet file of Hugging Face's datasets are places in a list of names, and images can be missing.
#
# Seen with datasets 5.2.0: a folder of images in the folders 1 to 9 becomes a table in which the label of a 1 is 0,
# since labels count the names of the folders as texts. With 1 to 10, the label of a 10 is 1, and that of a 2 is 2.
# Only the metadata of the Parquet file have the names. `to_parquet` writes the path of each image and no content; the
# file is of no use where the folder is not. pandas reads it without a word.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q datasets==5.2.0 pyarrow==26.0.1 pandas==3.1.1 pillow==13.0.0 numpy==2.4.6
HF_HOME="$folder/home" HF_HUB_OFFLINE=1 HF_DATASETS_DISABLE_PROGRESS_BARS=1 "$folder/venv/bin/python" - "$folder" <<'PYTHON'
import json
import sys
from pathlib import Path

import datasets
import pandas as pd
import pyarrow.parquet as pq
from PIL import Image

print("datasets", datasets.__version__)


def expect(what, holds):
    print(what, "as found" if holds else "CHANGED")
    if not holds:
        raise SystemExit(1)


def table(names):
    """Return pandas' table of a Parquet file of one scan in each of these folders, and the names in the file."""
    root = Path(sys.argv[1]) / f"scans{len(names)}"
    for name in names:
        (root / name).mkdir(parents=True)
        Image.new("L", (28, 28), 255).save(root / name / "scan.png")
    scans = datasets.load_dataset("imagefolder", data_dir=str(root), split="train")
    scans.to_parquet(root / "scans.parquet")
    metadata = pq.read_schema(root / "scans.parquet").metadata[b"huggingface"]
    return pd.read_parquet(root / "scans.parquet"), json.loads(metadata)["info"]["features"]["label"]["names"]


for last, label_of_last in ((9, 8), (10, 1)):
    rows, names = table([str(number) for number in range(1, last + 1)])
    found = {Path(image["path"]).parent.name: label for image, label in zip(rows["image"], rows["label"])}
    print(" ", found)
    expect(f"the label of a {last} is {label_of_last}:", found[str(last)] == label_of_last)
    expect("the label of a 1 is 0:", found["1"] == 0)
    expect("the metadata have the names:", names == sorted(found))
    expect("there is no content of images:", all(image["bytes"] is None for image in rows["image"]))
PYTHON
