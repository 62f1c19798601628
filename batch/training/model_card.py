"""The model card: the data of a model, its figures and its limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from batch.inference.model_store import NUMBERS_FILE
from batch.records import Input, Manifest


def sentence(figure: Mapping[str, Any]) -> str:
    """Say the figures of one test in words.

    Args:
        figure: A value of the manifest's `metrics`.
    """
    parts = []
    if "n" in figure:
        low, high = figure["accuracy_low"], figure["accuracy_high"]
        parts.append(
            f"{figure['accuracy']:.2%} right ({figure['correct']} of {figure['n']}, 95% interval {low:.2%} "
            f"to {high:.2%}); {figure['ok_fraction']:.2%} answered ok, {figure['ok_wrong_fraction']:.2%} of "
            f"them wrong; calibration error {figure['calibration_error']:.2%}"
        )
    if "not_digits" in figure:
        parts.append(
            f"of {figure['not_digits']} things that are no digit "
            f"{figure['not_digits_ok_fraction']:.2%} answered ok"
        )
    return "; ".join(parts)


def text(manifest: Manifest) -> str:
    """Write the card as Markdown. It comes from the manifest alone, so the two agree."""
    has_looks = manifest.preprocess.input is Input.SCAN
    lines = [
        f"# {manifest.name}",
        "",
        f"Network `{manifest.network}`, {manifest.output} output, {manifest.classes} classes"
        + (" (the ten digits, *several digits* and *no digit*)" if has_looks else "")
        + f", version `{manifest.version}`"
        + ("." if has_looks else f", seed {manifest.seed}."),
        "",
        "## Data",
        "",
        *(f"- {part['name']}: {part['licence']}" for part in manifest.datasets),
        "",
        *(_looks(manifest) if has_looks else _digits(manifest)),
        "",
        "## Figures",
        "",
        "Measured with the int8 networks"
        + (
            ", by `digitbox evaluate --record` or by the training itself:"
            if has_looks
            else ", by the training:"
        ),
        "",
        *(f"- {name}: {sentence(figure)}" for name, figure in manifest.metrics.items()),  # type: ignore[arg-type]
        "",
        *(_rules(manifest) if has_looks else _thresholds(manifest)),
        *(_numbers(manifest) if NUMBERS_FILE in manifest.files else []),
        "",
        "## Limits",
        "",
        (
            "- One handwritten digit a scan, or with `--digits` one number in a row: no printed text."
            if NUMBERS_FILE in manifest.files
            else "- One handwritten digit a scan: no printed text, no numbers of several digits."
        ),
        (
            "- Rendered scans are not real ones: on paper, pens and handwriting unlike those rendered, expect"
            " less than the figures above."
            if has_looks
            else "- It saw clean digits only and knows no refusal: use it to learn from, not for scans."
        ),
        "",
        "Made with "
        + ", ".join(f"{package} {version}" for package, version in manifest.versions.items())
        + ("." if has_looks else ". Learning curves: `curves.png`, `history.json`."),
    ]
    return "\n".join(lines) + "\n"


def _digits(manifest: Manifest) -> list[str]:
    return [
        "Trained on these digits as they are.",
        *([f"The training went on from the model `{manifest.start}`."] if manifest.start else []),
        "A twelfth of the training images was held out for the temperature and the thresholds; test images"
        " were only tested on.",
    ]


def _thresholds(manifest: Manifest) -> list[str]:
    return [f"Temperature {manifest.temperature:g}; review below a confidence of {manifest.review_below:g}."]


def _looks(manifest: Manifest) -> list[str]:
    return [
        "Three networks see the scan itself, in 64x64 pixels. They know the ten digits, *several digits* and"
        " *no digit*. A small one answers most scans alone. A larger one sees the others. If that is not"
        " enough, a third one sees the place of the digit.",
        "",
        *([f"The training went on from the model `{manifest.start}`."] if manifest.start else []),
        manifest.look_training,
    ]


def _rules(manifest: Manifest) -> list[str]:
    return [
        manifest.look_fit,
        "",
        "The answers are for folders in which several digits occur"
        f" {manifest.look_several_prior:g} times, and no digit {manifest.look_none_prior:g} times as often"
        " as in these scenes.",
        "",
        "After each look, digitbox weighs the logits of all so far. A digit of at least the last probability"
        " is ok:",
        "",
        "| look | weights | ok from |",
        "|---|---|---|",
        *(
            f"| {look} | {', '.join(f'{weight:g}' for weight in weights)} | {above:g} |"
            for look, weights, above in zip(
                ("the small network", "the larger one", "the one for the place of the digit"),
                manifest.look_weights,
                (*manifest.look_above, manifest.review_below),
                strict=True,
            )
        ),
        "",
        f"From {manifest.look_several_above:g} for several digits, digitbox refuses the scan. After the last"
        f" look, it also refuses from {manifest.refuse_above:g} for no or several digits.",
    ]


def _numbers(manifest: Manifest) -> list[str]:
    return [
        "",
        "## Numbers",
        "",
        f"For `--digits`, a network reads a whole line (CTC), version `{manifest.numbers_version}`. Its data"
        " sets are those above.",
        "",
        manifest.numbers_training,
        "",
        "Measured on fields of held-out writers, from which the thresholds are, too. They are made to be"
        " harder than most scans:"
        if manifest.numbers_metrics
        else "The thresholds are those of the model before. Nobody has measured it since.",
        "",
        *(
            f"- {name}: {_number_sentence(figure)}"
            for name, figure in manifest.numbers_metrics.items()
            if isinstance(figure, Mapping)
        ),
        "",
        f"A number is ok from a confidence of {manifest.numbers_review_below:g}. The log odds of the"
        f" confidence are {manifest.numbers_slope:g} times those of the number,"
        f" {manifest.numbers_look_slope:+g} times those of its least sure digit by the looks alone, and"
        f" {manifest.numbers_offset:+g}. In the number, the looks' word on each digit has the weight"
        f" {manifest.numbers_look_weight:g}. Lengths that the user does not allow count"
        f" {manifest.numbers_other_length:g} times.",
    ]


def _number_sentence(figure: Mapping[str, Any]) -> str:
    parts = []
    if "numbers" in figure:
        numbers = figure["numbers"]
        low, high = numbers["right_interval"]
        wrong = "none of them" if not numbers["ok_wrong"] else f"{numbers['ok_wrong']:.2%} of them"
        parts.append(
            f"{numbers['right']:.2%} of {numbers['right_n']} numbers right (95% interval {low:.2%} to"
            f" {high:.2%}); {numbers['ok']:.2%} answered ok, {wrong} wrong"
        )
    if "no_number" in figure:
        others = figure["no_number"]
        parts.append(f"of {others['ok_n']} that are no number {others['ok']:.2%} answered ok")
    return "; ".join(parts)
