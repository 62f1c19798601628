"""The same digits, written in all the layouts in which people have labelled images."""

import bz2
import csv
import functools
import gzip
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from sheets import Sheets

Pixels = npt.NDArray[np.uint8]
COUNT = 12


def digits(first: int, count: int = COUNT) -> tuple[Pixels, Pixels]:
    with np.load(Path(__file__).parent / "data" / "mnist_test.npz", allow_pickle=False) as archive:
        return archive["x"][first : first + count], archive["y"][first : first + count]


IMAGES, LABELS = digits(0)
OTHERS, OTHER_LABELS = digits(100)  # of the other part
SCALED = IMAGES.reshape(COUNT, -1) / 127.5 - 1
SHEETS = Sheets(IMAGES, LABELS)


def png(image: Pixels) -> bytes:
    return bytes(cv2.imencode(".png", image)[1])


def idx(array: npt.NDArray[np.generic]) -> bytes:
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    kind = {"uint8": 8, "int8": 9, "int16": 11, "int32": 12, "float32": 13, "float64": 14}[array.dtype.name]
    return bytes([0, 0, kind, array.ndim]) + sizes + array.tobytes()


def class_folders(folder: Path, images: Pixels, labels: Pixels) -> None:
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        (folder / str(label)).mkdir(parents=True, exist_ok=True)
        (folder / str(label) / f"{number:02d}.png").write_bytes(png(image))


def divided_folders(folder: Path) -> Path:
    class_folders(folder / "test", IMAGES, LABELS)
    class_folders(folder / "train", OTHERS, OTHER_LABELS)
    return folder


def label_list(folder: Path, header: str = "Filename;Digit", name: str = "labels.csv") -> Path:
    lines = [header]
    for number, (image, label) in enumerate(zip(IMAGES, LABELS, strict=True)):
        (folder / f"{number:02d}.png").write_bytes(png(image))
        lines.append(f"{number:02d}.png;{label}" if ";" in header else f"{label},{number:02d}.png,x")
    (folder / name).write_text("\ufeff" + "\n".join(lines) + "\n", encoding="utf-8")
    return folder


def named_list(folder: Path) -> Path:
    return label_list(folder, "class,image_path,note", "annotations.csv") / "annotations.csv"


def idx_files(folder: Path, prefix: str = "", compress: bool = True) -> Path:
    suffix, pack = (".gz", gzip.compress) if compress else ("", bytes)
    for name, images, labels in (("t10k", IMAGES, LABELS), ("train", OTHERS, OTHER_LABELS)):
        (folder / f"{prefix}{name}-images-idx3-ubyte{suffix}").write_bytes(pack(idx(images)))
        (folder / f"{prefix}{name}-labels-idx1-ubyte{suffix}").write_bytes(pack(idx(labels)))
    return folder


def one_idx_file(folder: Path) -> Path:
    return idx_files(folder, compress=False) / "t10k-images-idx3-ubyte"


def unpacked_idx_files(folder: Path) -> Path:
    """Write MNIST as torchvision leaves it: each file compressed, and unpacked beside it."""
    return idx_files(idx_files(folder), compress=False)


def torchvision_folder(folder: Path) -> Path:
    """Write what torchvision makes in the folder that it is given as `root`."""
    (folder / "MNIST" / "raw").mkdir(parents=True)
    unpacked_idx_files(folder / "MNIST" / "raw")
    return folder


def torchvision_data_set(folder: Path) -> Path:
    return torchvision_folder(folder) / "MNIST"


def archive(folder: Path, **arrays: Any) -> Path:
    path = folder / "set.npz"
    np.savez(path, **arrays)
    return path


def keras_archive(folder: Path) -> Path:
    return archive(folder, x_train=OTHERS, y_train=OTHER_LABELS, x_test=IMAGES, y_test=LABELS)


def floats_and_one_hot(folder: Path) -> Path:
    return archive(folder, X=IMAGES[..., None] / 255, Y=np.eye(10)[LABELS])


def flat_and_text(folder: Path) -> Path:
    return archive(folder, data=IMAGES.reshape(COUNT, -1).astype(float), target=LABELS.astype(str))


def numpy_files(folder: Path) -> Path:
    np.save(folder / "test_images.npy", IMAGES)
    np.save(folder / "test_labels.npy", LABELS[:, None])
    return folder


def one_numpy_file(folder: Path) -> Path:
    return numpy_files(folder) / "test_images.npy"


def kaggle(folder: Path, with_names: bool = True, delimiter: str = ",") -> Path:
    text = io.StringIO()
    rows = csv.writer(text, delimiter=delimiter)
    if with_names:
        rows.writerow(["label", *(f"pixel{place}" for place in range(784))])
    rows.writerows([label, *image.ravel()] for image, label in zip(IMAGES, LABELS, strict=True))
    (folder / "train.csv").write_text(text.getvalue())
    return folder / "train.csv"


def without_names(folder: Path) -> Path:
    return kaggle(folder, with_names=False)


def with_the_label_last(folder: Path) -> Path:
    """Write the levels first, as scikit-learn's `digits.csv` and UCI's `optdigits.tra` have them."""
    path = without_names(folder)
    rows = [line.split(",") for line in path.read_text().splitlines()]
    path.write_text("".join(",".join([*levels, label]) + "\n" for label, *levels in rows))
    return path


def of_a_european_table_program(folder: Path) -> Path:
    return kaggle(folder, delimiter=";")


def with_tabs(folder: Path) -> Path:
    return kaggle(folder, with_names=False, delimiter="\t")


def hugging_face(folder: Path) -> Path:
    for name, images, labels in (("test", IMAGES, LABELS), ("train", OTHERS, OTHER_LABELS)):
        table = {"image": [{"bytes": png(image), "path": None} for image in images], "label": labels}
        pq.write_table(pa.table(table), folder / f"{name}-00000-of-00001.parquet")
    return folder


def usps_train(folder: Path) -> Path:
    lines = [" ".join([f"{label}.0000", *map(str, row)]) for label, row in zip(LABELS, SCALED, strict=True)]
    (folder / "zip.test.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    return folder / "zip.test.gz"


def usps_folder(folder: Path) -> Path:
    usps_train(folder)
    lines = [
        " ".join(map(str, [label, *row]))
        for label, row in zip(OTHER_LABELS, OTHERS.reshape(COUNT, -1), strict=True)
    ]
    (folder / "zip.train").write_text("\n".join(lines))
    (folder / "readme.txt").write_text("Scans of envelopes\n")
    return folder


def libsvm(folder: Path, images: Pixels = IMAGES, first: int = 1) -> Path:
    lines = [
        " ".join([str(label), *(f"{place}:{level}" for place, level in enumerate(row, first) if level)])
        for label, row in zip(LABELS, images.reshape(COUNT, -1), strict=True)
    ]
    (folder / "mnist").write_text("\n".join(lines))
    return folder / "mnist"


def usps_libsvm(folder: Path) -> Path:
    """Write labels 1 to 10 and levels -1 to 1."""
    lines = [
        " ".join([str(label + 1), *(f"{place}:{level}" for place, level in enumerate(row, 1))])
        for label, row in zip(LABELS, SCALED, strict=True)
    ]
    (folder / "usps.bz2").write_bytes(bz2.compress("\n".join(lines).encode()))
    return folder / "usps.bz2"


MAKERS: list[Callable[[Path], Path]] = [
    divided_folders,
    label_list,
    named_list,
    idx_files,
    one_idx_file,
    unpacked_idx_files,
    torchvision_folder,
    torchvision_data_set,
    keras_archive,
    floats_and_one_hot,
    flat_and_text,
    numpy_files,
    one_numpy_file,
    kaggle,
    without_names,
    with_the_label_last,
    of_a_european_table_program,
    with_tabs,
    hugging_face,
    usps_train,
    usps_folder,
    libsvm,
    usps_libsvm,
    SHEETS.label_studio,
    functools.partial(SHEETS.label_studio, short=True),
    SHEETS.coco,
    SHEETS.yolo,
]
