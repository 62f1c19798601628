"""The layouts in which people have labelled images: all give the same scans."""

import bz2
import csv
import functools
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batch.config import MAX_PIXELS
from batch.errors import InputError
from batch.images import decode
from batch.training.data import arrays as named_arrays
from batch.training.data import datasets, labelled_scans, layouts, own_scans
from batch.training.data.datasets import NOT_A_DIGIT
from sheets import Sheets

Pixels = npt.NDArray[np.uint8]
COUNT = 12


def digits(first: int, count: int = COUNT) -> tuple[Pixels, Pixels]:
    with np.load(Path(__file__).parents[2] / "data" / "mnist_test.npz", allow_pickle=False) as archive:
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


@pytest.mark.parametrize("digit", [0, 1, 9])
@pytest.mark.parametrize("is_last", [True, False])
def test_a_table_of_levels_may_have_one_digit(digit: int, is_last: bool, tmp_path: Path) -> None:
    """The corner of the images is 0 everywhere, so both outer columns could have the labels."""
    rows = [[digit, *image.ravel()] for image in np.pad(IMAGES[:, 1:-1, 1:-1], ((0, 0), (1, 1), (1, 1)))]
    lines = [",".join(map(str, row[1:] + row[:1] if is_last else row)) for row in rows]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    assert set(datasets.load(str(tmp_path / "a.csv"), print).train.labels.tolist()) == {digit}


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


def libsvm(folder: Path) -> Path:
    lines = [
        " ".join([str(label), *(f"{place}:{level}" for place, level in enumerate(row, 1) if level)])
        for label, row in zip(LABELS, IMAGES.reshape(COUNT, -1), strict=True)
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


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: getattr(make, "__name__", "short"))
def test_every_layout_gives_the_same_scans(make: Callable[[Path], Path], tmp_path: Path) -> None:
    data, scratch = tmp_path / "data", tmp_path / "scratch"
    data.mkdir()
    scratch.mkdir()
    said: list[str] = []
    scans = labelled_scans.load(str(make(data)), scratch, said.append)
    found = {(decode.read(scan.ref, MAX_PIXELS).grey.tobytes(), scan.label) for scan in scans}
    assert len(scans) == COUNT
    assert found == {(image.tobytes(), int(label)) for image, label in zip(IMAGES, LABELS, strict=True)}
    assert len(said) == 1 and str(data) in said[0]


def test_semeion_has_bits_and_columns_of_classes(tmp_path: Path) -> None:
    bits = np.rint(IMAGES[:, 6:22, 6:22] / 255)
    rows = np.hstack([bits.reshape(COUNT, -1), np.eye(10)[LABELS]])
    np.savetxt(tmp_path / "semeion.data", rows, fmt="%.4f")
    said: list[str] = []
    loaded = datasets.load(str(tmp_path / "semeion.data"), said.append).train
    assert np.array_equal(loaded.images[:, 6:22, 6:22], bits * 255)
    assert loaded.labels.tolist() == LABELS.tolist()
    assert "as Semeion's" in said[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"1 {'0 ' * 256}\n1 0 0\n", "usps, line 2: 3 numbers, and 257 in another line: complete it"),
        (f"1 {'0 ' * 256}\n1 {'x ' * 256}\n", "is no table of numbers"),
        (f"1 {'0 ' * 256}\n1 {'0 ' * 300}\n", "is no table of numbers"),
        (f"1 {'0 ' * 250}", "has no arrays of images"),
        (f"1 1:{'1' * 100_000}", "levels must be"),
        ("1 0:1", "has levels number 0 to 0 in 1 lines: they must begin with 1"),
        ("1 1:1\n" * 50 + "1 999999999:1", "has levels number 1 to 999999999 in 51 lines"),
        ("1 1:1\n1 65536:1\n" * 2100, "in 4200 lines"),
        ("1 1:1\n1 1:\n", "is damaged"),
        ("1 1:1\n1 99999999999999999999:1\n", "is damaged"),
        ("3.5 1:1", "labels must be whole numbers"),
        ("1 1:1\n\xff", "is damaged"),
    ],
)
def test_wrong_texts_of_numbers_say_what_is_wrong(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "usps"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        datasets.load(str(path), print)


def test_a_folder_of_several_texts_of_numbers_says_so(tmp_path: Path) -> None:
    for name in ("a", "b"):
        usps_libsvm(tmp_path).rename(tmp_path / name)
    with pytest.raises(InputError, match="has several data sets, a and b: name one"):
        datasets.load(str(tmp_path), print)


def test_a_compressed_text_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("batch.training.data.number_texts.MAX_BYTES", 1 << 20)
    path = tmp_path / "usps.gz"
    path.write_bytes(gzip.compress(b"1 1:1\n" * 200_000))
    with pytest.raises(InputError, match="give fewer lines"):
        datasets.load(str(path), print)
    path.write_bytes(gzip.compress(b"1 1:1\n" * 10)[:-4])
    with pytest.raises(InputError, match="is damaged"):
        datasets.load(str(path), print)


@pytest.mark.parametrize("make", [idx_files, keras_archive, floats_and_one_hot, kaggle, hugging_face])
def test_data_to_train_on(make: Callable[[Path], Path], tmp_path: Path) -> None:
    said: list[str] = []
    data = datasets.load(str(make(tmp_path)), said.append)
    is_divided = make not in (floats_and_one_hot, kaggle)
    assert np.array_equal(data.train.images, OTHERS if is_divided else IMAGES)
    assert np.array_equal(data.train.labels, OTHER_LABELS if is_divided else LABELS)
    assert (data.test is None) != is_divided
    assert "12 images of 28x28 with labels" in said[0] and "light on dark" in said[0]


def test_own_scans_are_those_to_train_on(tmp_path: Path) -> None:
    labels = [label for _, label in own_scans.read(str(divided_folders(tmp_path)), print)]
    assert sorted(labels) == sorted(OTHER_LABELS.tolist())


def test_dark_ink_is_made_light_to_train_on(tmp_path: Path) -> None:
    said: list[str] = []
    data = datasets.load(str(archive(tmp_path, x=255 - IMAGES, y=LABELS)), said.append)
    assert np.array_equal(data.train.images, IMAGES)
    assert "dark on light" in said[0]


def test_small_dark_ink_is_made_light_before_it_is_framed(tmp_path: Path) -> None:
    small = np.ascontiguousarray(IMAGES[:, 4:24, 4:24])
    data = datasets.load(str(archive(tmp_path, x=255 - small, y=LABELS)), lambda _: None)
    assert np.array_equal(data.train.images[:, 4:24, 4:24], small)
    assert data.train.images.sum() == small.sum()


def test_a_narrow_digit_stays_narrow(tmp_path: Path) -> None:
    bars = np.zeros((COUNT, 56, 14), np.uint8)
    bars[:, 4:52, 4:8] = 255
    data = datasets.load(str(archive(tmp_path, x=bars, y=LABELS)), lambda _: None)
    rows, columns = np.nonzero(data.train.images[0] > 127)
    assert [int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1] == [24, 2]


@pytest.mark.parametrize("is_turned", [True, False])
def test_images_on_their_side_are_turned_upright(is_turned: bool, tmp_path: Path) -> None:
    images, labels = digits(0, 60)
    lying = np.ascontiguousarray(images.transpose(0, 2, 1)) if is_turned else images
    prefix = "emnist-digits-"
    (tmp_path / f"{prefix}test-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(lying)))
    (tmp_path / f"{prefix}test-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))
    said: list[str] = []
    (tmp_path / "scratch").mkdir()
    scans = labelled_scans.load(str(tmp_path), tmp_path / "scratch", said.append)
    assert np.array_equal(decode.read(scans[0].ref, MAX_PIXELS).grey, images[0])
    assert ("turned upright" in said[0]) == is_turned
    assert "as labelled" not in said[0]


def test_labels_of_something_else_are_told(tmp_path: Path) -> None:
    images, labels = digits(0, 60)
    said: list[str] = []
    datasets.load(str(archive(tmp_path, x=images, y=(labels + 1) % 10)), said.append)
    assert "of 60 read as labelled: look at them with explore" in said[0]


def of_classes(folder: Path, names: list[str], labels: list[int]) -> Path:
    """Write Parquet as Hugging Face's `datasets` does for a folder of images in folders by label."""
    features = {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
    images = [{"bytes": png(image), "path": "0.png"} for image in IMAGES[: len(labels)]]
    table = pa.table({"image": images, "label": labels})
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    pq.write_table(table.replace_schema_metadata(metadata), folder / "a.parquet")
    return folder / "a.parquet"


@pytest.mark.parametrize(
    ("names", "digits"),
    [
        ([*"123456789", "none"], [1, 9, NOT_A_DIGIT]),  # in the order of folders, which lack 0
        ([*map("digit {}".format, range(10))], [0, 8, 9]),
        ([*"0123456789"], [0, 8, 9]),
    ],
)
def test_labels_are_places_among_names(names: list[str], digits: list[int], tmp_path: Path) -> None:
    path = of_classes(tmp_path, names, [0, 8, 9])
    assert datasets.load(str(path), print).train.labels.tolist() == digits


def test_a_class_that_is_no_digit_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"labels must be whole numbers: .*'stamp'"):
        datasets.load(str(of_classes(tmp_path, [*"12", "stamp"], [0, 2])), print)


def test_missing_labels_are_counted(tmp_path: Path) -> None:
    table = {"image": [{"bytes": png(image)} for image in IMAGES[:3]], "label": [3, None, None]}
    pq.write_table(pa.table(table), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"2 of 3 labels are missing"):
        datasets.load(str(tmp_path / "a.parquet"), print)


def test_parquet_of_paths_says_what_to_do(tmp_path: Path) -> None:
    table = {"image": [{"bytes": None, "path": "scans/3/0.png"}], "label": [3]}
    pq.write_table(pa.table(table), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"has the paths of images, .* 'scans/3/0.png'.*: give their folder"):
        datasets.load(str(tmp_path / "a.parquet"), print)


def test_several_data_sets_of_torchvision_are_named(tmp_path: Path) -> None:
    for name in ("KMNIST", "MNIST"):
        (tmp_path / name / "raw").mkdir(parents=True)
        unpacked_idx_files(tmp_path / name / "raw")
    with pytest.raises(InputError, match=r"several data sets, .*KMNIST/raw/t10k.* and .*/MNIST/raw/t10k"):
        datasets.load(str(tmp_path), print)


def test_minus_one_is_what_is_no_digit(tmp_path: Path) -> None:
    path = archive(tmp_path, images=IMAGES, labels=np.full(COUNT, -1.0))
    assert set(datasets.load(str(path), print).train.labels.tolist()) == {NOT_A_DIGIT}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a-images-idx3-ubyte", idx(IMAGES), "has no labels: put a-labels-idx1-ubyte beside it"),
        ("set.npz", b"PK\x03\x04 damaged", r"is not a \.npz archive"),
        ("set.npz", b"text", r"is not a \.npz archive"),
        ("test.csv", b",".join([b"pixel"] * 784) + b"\n", "has no labels: it needs a column label"),
        ("a.parquet", b"PAR1 damaged", "cannot read .*a.parquet"),
        ("a.txt", b"something else", "has no arrays of images"),
        ("labels.csv", b"x,y,z\n1,2,3\n", "has no arrays of images"),
    ],
)
def test_what_is_no_data_set_says_what_to_do(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        datasets.load(str(tmp_path / name), print)


@pytest.mark.parametrize("cut", [3, 10, 40, -1])
@pytest.mark.parametrize("compress", [True, False])
def test_damaged_idx_files_say_so(cut: int, compress: bool, tmp_path: Path) -> None:
    idx_files(tmp_path, compress=compress)
    (path,) = tmp_path.glob("train-images*")
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(InputError, match=r"damaged|has no arrays|none to train on"):
        datasets.load(str(tmp_path), print)


@pytest.mark.parametrize("name", ["", "t10k-images-idx3-ubyte"])
@pytest.mark.parametrize("kind", ["u1", "i1", ">i2", ">i4", ">f4", ">f8"])
def test_idx_files_may_have_any_kind_of_numbers(kind: str, name: str, tmp_path: Path) -> None:
    images = IMAGES / 255 if "f" in kind else IMAGES if kind != "i1" else IMAGES // 255
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(idx(images.astype(kind)))
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx(LABELS.astype(kind)))
    parts = layouts.find_arrays(tmp_path / name)
    assert parts is not None and np.array_equal(parts["test"].labels, LABELS)
    levels = np.asarray(parts["test"].images)
    assert np.array_equal(levels, IMAGES if kind != "i1" else IMAGES // 255 * 255)


@pytest.mark.parametrize(
    "name", ["", "raw", "raw/qmnist-test-images-idx3-ubyte", "raw/qmnist-test-labels-idx2-int"]
)
def test_qmnist_as_torchvision_leaves_it(name: str, tmp_path: Path) -> None:
    """A label of QMNIST is a row: the digit first, then the writer and so on."""
    columns = np.stack([LABELS, *(np.arange(COUNT) + place for place in range(7))], axis=1)
    (tmp_path / "raw").mkdir()
    for file, content in (
        ("images-idx3-ubyte", idx(IMAGES)),
        ("labels-idx2-int", idx(columns.astype(">i4"))),
    ):
        (tmp_path / "raw" / f"qmnist-test-{file}").write_bytes(content)
        (tmp_path / "raw" / f"qmnist-test-{file}.gz").write_bytes(gzip.compress(content))
    parts = layouts.find_arrays(tmp_path / name)
    assert parts is not None and np.array_equal(parts["test"].labels, LABELS)


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("digits.idx", IMAGES, 'digits.idx has no labels: have "images" and "labels" in the two names'),
        ("answers.idx", LABELS, "answers.idx has no images: put them beside it, or name their file"),
        ("t10k-labels-idx1-ubyte", LABELS, "has no images: put them beside it, or name their file"),
    ],
)
def test_an_idx_file_alone_says_what_to_do(name: str, array: Pixels, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(idx(array))
    with pytest.raises(InputError, match=message):
        layouts.find_arrays(tmp_path / name)


def test_an_idx_file_that_claims_too_much_is_not_read(tmp_path: Path) -> None:
    sizes = b"\xff\xff\xff\xff" * 3
    idx_files(tmp_path)
    (path,) = tmp_path.glob("train-images*")
    path.write_bytes(gzip.compress(b"\0\0\x08\x03" + sizes))
    with pytest.raises(InputError, match=r"has [0-9,]+ bytes of arrays: give a smaller file"):
        datasets.load(str(tmp_path), print)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": IMAGES}, "name the arrays x_train and y_train"),
        ({"x": IMAGES, "y": LABELS[:3]}, "12 images have 3 labels"),
        ({"x": IMAGES.astype(int) * 2, "y": LABELS}, "levels must be 0 to 255, or 0 to 1, not 0 to 510"),
        ({"x": IMAGES / 255 - 0.5, "y": LABELS}, "levels must be 0 to 255"),
        ({"x": np.full(IMAGES.shape, np.nan), "y": LABELS}, "levels must be numbers, and some are nan"),
        ({"x": IMAGES[:, :, :3, None, None], "y": LABELS}, r"images must be \(n, height, width\)"),
        ({"x": IMAGES, "y": LABELS + 30}, "they are 3"),
        ({"x": IMAGES, "y": LABELS + 0.5}, r"labels must be whole numbers, not \d\.5"),
        ({"x": IMAGES, "y": LABELS[:, None, None]}, r"labels must be one for each image, not \(12, 1, 1\)"),
        ({"x": IMAGES, "y": ["a"] * COUNT}, "labels must be whole numbers"),
        ({"x": IMAGES, "y": np.ones((COUNT, 10))}, "each row of ten labels must have a single 1"),
        ({"x": IMAGES, "y": np.full(COUNT, np.nan)}, "12 of 12 labels are missing"),
    ],
)
def test_wrong_arrays_say_what_is_wrong(arrays: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        datasets.load(str(archive(tmp_path, **arrays)), print)


@pytest.mark.parametrize("line", ["3,1,2", f"3,{'1,' * 783}"])
@pytest.mark.parametrize("with_names", [False, True])
def test_a_short_line_of_levels_is_named(with_names: bool, line: str, tmp_path: Path) -> None:
    path = kaggle(tmp_path, with_names)
    path.write_text(f"{path.read_text()}\n{line}\n")
    numbers = len([cell for cell in line.split(",") if cell])
    message = f"line {COUNT + with_names + 2}: {numbers} numbers, and 785 in another line: complete it"
    with pytest.raises(InputError, match=f"train.csv, {message}"):
        datasets.load(str(path), print)


def test_a_numpy_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    numpy_files(tmp_path)
    np.save(tmp_path / "test_labels.npy", np.array([None, "3"]))
    for source in (tmp_path, tmp_path / "test_images.npy", tmp_path / "test_labels.npy"):
        with pytest.raises(InputError, match=r"/test_labels\.npy is not a \.npy file of arrays: Object"):
            datasets.load(str(source), print)


def test_a_list_with_a_name_that_no_file_can_have_says_so(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_bytes(b"file,label\na.png,1\nb\0.png,2\n")
    with pytest.raises(InputError, match=r"labels\.csv, line 3: no file can have the name"):
        labelled_scans.load(str(tmp_path), tmp_path, lambda _: None)


@pytest.mark.parametrize("make", [keras_archive, numpy_files, hugging_face])
def test_arrays_that_are_too_large_are_not_read(
    make: Callable[[Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(named_arrays, "MAX_BYTES", 1000)
    source = make(tmp_path)
    with pytest.raises(InputError, match=r"has [\d,]+ bytes of arrays: give a smaller file"):
        datasets.load(str(source), print)
