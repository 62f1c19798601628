"""The training that goes on from trained looks with a user's scans, without the data sets of the first.

The new networks learn the labels of the user's scans. On scenes that digitbox draws they learn the answers of
the old networks, so that they do not forget (Li and Hoiem, "Learning without forgetting", 2016). At last,
their weights go three quarters of the way back to the old ones, which keeps more of what those knew (Wortsman
et al., "Robust fine-tuning of zero-shot models", 2022).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from batch.inference.look import NONE, SEVERAL, cut
from batch.inference.look_networks import CLASSES, PLACE, scaled
from batch.preprocessing.look import look_input, place_of
from batch.records import Grey
from batch.training.data.datasets import NOT_A_DIGIT
from batch.training.data.own_scans import OwnScan
from batch.training.look.augment import augment
from batch.training.look.convert import keras_outputs
from batch.training.progress import Progress


@dataclass(frozen=True, slots=True)
class Settings:
    """Numbers of the training. They were set by hand, so that it takes minutes on two cores.

    Attributes:
        steps: Steps of each network.
        own: Pictures of own scans in a step.
        drawn: Pictures of drawn scenes in a step.
        scenes: Drawn scenes.
        variants: Own scans, the varied ones among them, if there are not more of them anyway.
        rate: Highest learning rate.
        weight_of_old: Weight of the old network's answers to own scans beside their labels.
        way: Part of the way from the old weights to the trained ones. With more, drawn scans got worse.
        turn_degrees: Deviation by which own scans are turned.
        scale: Deviation of the logarithm by which they are scaled.
    """

    steps: int = 200
    own: int = 24
    drawn: int = 32
    scenes: int = 1500
    variants: int = 2000
    rate: float = 3e-4
    weight_of_old: float = 0.1
    way: float = 0.25
    turn_degrees: float = 4.0
    scale: float = 0.06


SETTINGS = Settings()
CHUNK_SCANS = 64  # that the old networks see together; no more varied scans are in memory


class Lessons(NamedTuple):
    """Pictures with what a network should say of them.

    Attributes:
        pictures: Pictures, uint8 (n, 64, 64).
        logits: Logits of the old network, float32 (n, 12).
        places: Its places of the digit, float32 (n, 4); zeros if it says none.
        allowed: The classes that the label allows, bool (n, 12); all of them without a label.
    """

    pictures: Grey
    logits: npt.NDArray[np.float32]
    places: npt.NDArray[np.float32]
    allowed: npt.NDArray[np.bool_]

    def draw(self, count: int, rng: np.random.Generator) -> tuple[Any, ...]:
        """Draw some at random, as tensors."""
        index = rng.integers(len(self.pictures), size=count)
        return (
            tf.constant(scaled(self.pictures[index, ..., None])),
            *(tf.constant(array[index]) for array in (self.logits, self.places, self.allowed)),
        )


def go_on(
    old: dict[str, Any],
    own: Sequence[OwnScan],
    drawn: Sequence[Grey],
    seed: int,
    progress: Progress,
) -> dict[str, Any]:
    """Train the looks further.

    Args:
        old: Keras model of each network by name, see `networks.NETWORKS`.
        own: The user's scans with their labels, 0 to 9 or `NOT_A_DIGIT`.
        drawn: Scans that digitbox has drawn.
        seed: Seed of all chance.
        progress: Receives lines of progress.

    Returns:
        The new Keras models by name.
    """
    rng = np.random.default_rng(seed)
    own_lessons = _lessons(old, _vary_all(own, rng))
    drawn_lessons = _lessons(old, ((grey, None) for grey in drawn))
    return {
        name: _train(old[name], own_lessons[name], drawn_lessons[name], name, rng, progress) for name in old
    }


def _vary_all(own: Sequence[OwnScan], rng: np.random.Generator) -> Iterator[OwnScan]:
    """Yield each scan as it is and several times turned and scaled."""
    yield from own
    for number in range(max(0, SETTINGS.variants - len(own))):
        grey, label = own[number % len(own)]
        yield _vary(grey, rng), label


def _vary(grey: Grey, rng: np.random.Generator) -> Grey:
    height, width = grey.shape
    turn, scale = rng.normal(0, SETTINGS.turn_degrees), float(np.exp(rng.normal(0, SETTINGS.scale)))
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), turn, scale)
    varied = cv2.warpAffine(grey, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(varied, np.uint8)


def _lessons(old: dict[str, Any], scans: Iterable[tuple[Grey, int | None]]) -> dict[str, Lessons]:
    """Let the old networks see scans, a few at a time, and return the lessons of each network."""
    remaining = iter(scans)
    parts = []
    while chunk := list(itertools.islice(remaining, CHUNK_SCANS)):
        parts.append(_lessons_of(old, [grey for grey, _ in chunk], _allowed([label for _, label in chunk])))
    return {
        name: Lessons(*map(np.concatenate, zip(*(part[name] for part in parts), strict=True))) for name in old
    }


def _lessons_of(
    old: dict[str, Any], greys: Sequence[Grey], allowed: npt.NDArray[np.bool_]
) -> dict[str, Lessons]:
    wholes = np.stack([look_input(grey) for grey in greys])
    seen = {name: keras_outputs(old[name], wholes) for name in ("look", "close")}
    nears = np.stack(
        [
            look_input(cut(grey, place_of(grey.shape, place)))
            for grey, place in zip(greys, seen["close"]["place"].tolist(), strict=True)
        ]
    )
    lessons = {name: Lessons(wholes, said["logits"], said["place"], allowed) for name, said in seen.items()}
    near_allowed = allowed | allowed[:, SEVERAL:].any(axis=1, keepdims=True)  # a part of several may be one
    logits = keras_outputs(old["place"], nears)["logits"]
    no_places = np.zeros((len(nears), PLACE), np.float32)
    return lessons | {"place": Lessons(nears, logits, no_places, near_allowed)}


def _allowed(labels: Sequence[int | None]) -> npt.NDArray[np.bool_]:
    """Return the classes that labels allow: all without one; what is not a digit may show none or several."""
    allowed = np.zeros((len(labels), CLASSES), bool)
    for row, label in zip(allowed, labels, strict=True):
        row[slice(None) if label is None else [SEVERAL, NONE] if label == NOT_A_DIGIT else label] = True
    return allowed


def _train(
    old: Any, own: Lessons, drawn: Lessons, name: str, rng: np.random.Generator, progress: Progress
) -> Any:
    model = keras.models.clone_model(old)
    model.set_weights(old.get_weights())
    optimiser = keras.optimizers.AdamW(SETTINGS.rate, weight_decay=0.0, global_clipnorm=1.0)
    weights = model.trainable_variables
    optimiser.build(weights)

    def take_step(own_part: Any, drawn_part: Any, seed: Any) -> Any:
        own_pictures, own_places = augment(own_part[0], own_part[2], seed)
        pictures = tf.concat([own_pictures, drawn_part[0]], 0)
        places = tf.concat([own_places, drawn_part[2]], 0)
        with tf.GradientTape() as tape:
            out = model(pictures, training=True)
            own_logits, drawn_logits = out["logits"][: SETTINGS.own], out["logits"][SETTINGS.own :]
            likely = tf.nn.log_softmax(own_logits)
            label_loss = -tf.reduce_logsumexp(tf.where(own_part[3], likely, -1e9), 1)
            loss = (
                tf.reduce_mean(label_loss)
                + SETTINGS.weight_of_old * _divergence(own_part[1], own_logits)
                + _divergence(drawn_part[1], drawn_logits)
            )
            if "place" in out:
                loss += tf.reduce_mean(tf.abs(out["place"] - places))
        optimiser.apply(tape.gradient(loss, [weight.value for weight in weights]), weights)
        return loss

    step = tf.function(take_step)
    for number in range(SETTINGS.steps):
        optimiser.learning_rate = SETTINGS.rate * 0.5 * (1 + math.cos(math.pi * number / SETTINGS.steps))
        loss = step(
            own.draw(SETTINGS.own, rng), drawn.draw(SETTINGS.drawn, rng), tf.constant([number, 1], tf.int32)
        )
        if (number + 1) % 50 == 0:
            progress(f"{name}: step {number + 1} of {SETTINGS.steps}, loss {float(loss):.4f}")
    pairs = zip(old.get_weights(), model.get_weights(), strict=True)
    model.set_weights([before + SETTINGS.way * (after - before) for before, after in pairs])
    return model


def _divergence(target: Any, logits: Any) -> Any:
    """Return the mean divergence of probabilities from those of the old network (Kullback and Leibler)."""
    old, new = tf.nn.log_softmax(target), tf.nn.log_softmax(logits)
    return tf.reduce_mean(tf.reduce_sum(tf.exp(old) * (old - new), 1))
