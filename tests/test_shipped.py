"""What ships: the models, the samples and the wheel."""

import csv
import os
import shutil
import subprocess
import sys
import venv
from importlib import metadata
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from batch.inference import classifier, look_networks, model_store, models
from batch.inference.runtimes import LiteRt
from batch.preprocessing.ink import find_ink
from batch.preprocessing.look import look_input
from batch.preprocessing.normalise import normalise
from batch.preprocessing.quality import check_single_digit
from command import ROOT
from float_model import float_bytes

pytestmark = pytest.mark.slow
Mnist = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]


def run(*arguments: str | Path, cwd: Path, digitbox: Path | None = None) -> tuple[int, list[dict[str, str]]]:
    """Runs `digitbox run`; its exit code and its rows."""
    command = [digitbox] if digitbox else [sys.executable, "-m", "batch"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DIGITBOX_")}
    done = subprocess.run(
        [*command, "run", *arguments],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    rows = []
    for path in done.stdout.splitlines():
        rows += list(csv.DictReader((cwd / path).read_text(encoding="utf-8").splitlines()))
    return done.returncode, rows


@pytest.mark.parametrize("inverted", [False, True], ids=["white on black", "black on white"])
def test_accuracy_on_mnist_from_files_to_csv(mnist_test: Mnist, inverted: bool, tmp_path: Path) -> None:
    images, labels = mnist_test
    if inverted:  # a quarter is enough to see that the way is the same
        images, labels = 255 - images[::4], labels[::4]
    (tmp_path / "inbox").mkdir()
    for number, image in enumerate(images):
        cv2.imwrite(str(tmp_path / "inbox" / f"{number:05d}.png"), image)
    code, rows = run(cwd=tmp_path)
    assert code == 0
    assert [row["file"] for row in rows] == [f"{number:05d}.png" for number in range(len(images))]
    right = sum(row["prediction"] == str(label) for row, label in zip(rows, labels, strict=True))
    assert right / len(labels) >= 0.994


def test_an_image_and_its_inverse_give_the_same_digit(mnist_test: Mnist) -> None:
    images, _ = mnist_test
    for image in images[::5]:
        ink, inverse = find_ink(image), find_ink(255 - image)
        assert np.array_equal(normalise(ink), normalise(inverse))


def files_of(folder: Path, runtime: str) -> dict[str, bytes]:
    return models.read(folder, model_store.load_manifest(folder), runtime)


def test_litert_agrees_with_keras_on_digits(mnist_test: Mnist) -> None:
    folder = ROOT / "models" / "mlp"
    manifest = model_store.load_manifest(folder)
    digits = np.stack([normalise(find_ink(image)) for image in mnist_test[0][:1000]])
    keras = classifier.build(files_of(folder, "tensorflow"), manifest, "tensorflow")(digits)
    in_float = LiteRt(float_bytes(folder), "in float", 10).outputs(digits)[0]
    int8 = classifier.build(files_of(folder, "litert"), manifest)(digits)
    assert np.abs(in_float - keras).max() < 1e-3 * np.ptp(keras)
    assert (int8.argmax(axis=1) == keras.argmax(axis=1)).mean() >= 0.995


def test_litert_agrees_with_keras_on_scans(mnist_test: Mnist) -> None:
    """The looks of the default model; int8 rounds by as much as it does."""
    folder = ROOT / "models" / "cnn"
    manifest = model_store.load_manifest(folder)
    litert, keras = (
        look_networks.build(files_of(folder, name), manifest, name) for name in ("litert", "tensorflow")
    )
    pictures = np.stack([look_input(image) for image in mnist_test[0][:500]])[..., None]
    for int8, floats in zip(litert, keras, strict=True):
        (logits, *places), (exact, *exact_places) = int8.outputs(pictures), floats.outputs(pictures)
        assert (logits.argmax(axis=1) == exact.argmax(axis=1)).mean() >= 0.99
        assert np.abs(logits - exact).mean() < 0.03 * np.ptp(exact)
        assert all(
            np.abs(np.subtract(*both)).mean() < 0.01 for both in zip(places, exact_places, strict=True)
        )


def test_both_runtimes_give_the_same_rows(tmp_path: Path) -> None:
    results = [run(ROOT / "inbox", "--runtime", name, cwd=tmp_path)[1] for name in ("litert", "tensorflow")]
    columns = ("file", "prediction", "reason", "sha256")
    litert, tensorflow = ([[row[c] for c in columns] for row in rows] for rows in results)
    assert litert == tensorflow


def test_samples_show_every_status(tmp_path: Path) -> None:
    code, rows = run(ROOT / "inbox", cwd=tmp_path)
    assert code == 3
    assert {row["status"] for row in rows} == {"ok", "review", "refused", "failed"}
    assert len(rows) >= 12


def test_shapes_that_are_no_digits_are_not_answered() -> None:
    rng = np.random.default_rng(0)
    for side in (28, 64, 200):
        noise = rng.integers(0, 256, (side, side), np.uint8)
        assert check_single_digit(find_ink(noise)) is not None


def test_the_wheel_works_in_an_empty_environment_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    # A copy: building leaves files behind.
    checkout, home = tmp_path / "checkout", tmp_path / "venv"
    shutil.copytree(ROOT, checkout, ignore=shutil.ignore_patterns(".*", "build", "*.egg-info", "tests"))
    built_as = _tag(checkout)
    venv.create(home)
    pip: list[str | Path] = [sys.executable, "-m", "pip", "--python", home / "bin" / "python"]
    subprocess.run([*pip, "install", "--quiet", "--no-compile", "--no-deps", checkout], check=True)
    shutil.rmtree(checkout)
    (packages,) = home.glob("lib/*/site-packages")
    _link_what_it_requires(packages)
    models = packages / "batch" / "models"
    carried = {path.name for path in models.rglob("*") if path.is_file()}
    networks = {f"{name}.{ending}" for name in ("look", "model", "place") for ending in ("keras", "tflite")}
    assert carried == {"CURRENT", "manifest.json", "card.md", "numbers.tflite"} | networks
    digitbox = home / "bin" / "digitbox"
    version = subprocess.run(
        [digitbox, "--version"], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert version.stdout == f"digitbox, version {built_as}\n"
    _check_the_door(home, tmp_path, built_as)
    code, rows = run(ROOT / "inbox", cwd=tmp_path, digitbox=digitbox)
    assert code == 3
    assert {row["status"] for row in rows} == {"ok", "review", "refused", "failed"}
    missing = subprocess.run([digitbox, "train"], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert missing.returncode == 7
    assert "digitbox[train]" in missing.stderr


def _link_what_it_requires(packages: Path) -> None:
    """Link the packages that the wheel requires without extras from this environment, and no others."""
    (wheel,) = metadata.distributions(name="digitbox", path=[str(packages)])
    required, linked = list(wheel.requires or ()), {"digitbox"}
    while required:
        requirement = Requirement(required.pop())
        name = canonicalize_name(requirement.name)
        if name in linked or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        linked.add(name)
        found = metadata.distribution(name)
        assert found.version in requirement.specifier, f"make lint installs {requirement}"
        required += found.requires or ()
        for file in found.files or ():
            if ".." not in file.parts and "__pycache__" not in file.parts:
                (packages / file).parent.mkdir(parents=True, exist_ok=True)
                (packages / file).symlink_to(Path(str(found.locate_file(file))))


def _tag(checkout: Path) -> str:
    """Tag a checkout with a version, if there is git; return the version of a wheel built from it."""
    git = shutil.which("git")
    if git is None:
        return "0.1.0.dev0"
    commit = ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--allow-empty", "-m", "a"]
    for arguments in (["init", "--quiet"], commit, ["tag", "v9.8.7"]):
        subprocess.run([git, "-C", checkout, *arguments], check=True)
    return "9.8.7"


def _check_the_door(home: Path, folder: Path, built_as: str) -> None:
    """Check `import digitbox`, `python -m digitbox` and the types in an installed wheel."""
    python = home / "bin" / "python"
    script = folder / "program.py"
    script.write_text(
        "import sys, digitbox\n"
        "result = digitbox.read(sys.argv[1])\n"
        "results = digitbox.read([sys.argv[1]])\n"
        "print(digitbox.__version__, result.prediction, len(results))\n"
    )
    sample = str(ROOT / "inbox" / "sample-01-pen.png")
    printed = subprocess.run([python, script, sample], capture_output=True, text=True, check=True, cwd=folder)
    assert (printed.stdout, printed.stderr) == (f"{built_as} 3 1\n", "")
    version = subprocess.run(
        [python, "-m", "digitbox", "--version"], capture_output=True, text=True, check=True, cwd=folder
    )
    assert version.stdout.startswith("digitbox, version ")
    with script.open("a") as file:
        file.write("reveal_type(result.prediction)\nreveal_type(results)\nresult.predicted\n")
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--python-executable", python, "--cache-dir", folder / "mypy", script],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    for line in (
        'is "int | str | None"',
        'is "batch.api.results.Results"',
        '"Result" has no attribute "predicted"',
    ):
        assert line in checked.stdout.replace("builtins.", ""), checked.stdout
