"""The prior of `not a digit`. A training has more of these scans than people's folders.

A network's probabilities hold for the shares of the classes in its training. For other shares, add the
logarithm of the ratio of the odds to the logits, without training anew (Saerens et al., "Adjusting the
outputs of a classifier to new a priori probabilities", 2002). Here it goes into the bias of one class in the
last layer.
"""

from __future__ import annotations

import math
from typing import Any

from batch.training.data.datasets import NOT_A_DIGIT
from batch.training.examples import NONE, SHARES

NOT_DIGITS_FRACTION = 0.05  # of the scans that people have; assumed, not measured


def shift_for_use(model: Any) -> None:
    """Set a network that was trained on the mixture of `examples` to the prior of people's folders."""
    _shift(model, _log_odds(NOT_DIGITS_FRACTION) - _log_odds(SHARES[NONE]))


def shift_for_training(model: Any) -> None:
    """Undo `shift_for_use`, for a network that is to be trained further."""
    _shift(model, _log_odds(SHARES[NONE]) - _log_odds(NOT_DIGITS_FRACTION))


def _log_odds(share: float) -> float:
    return math.log(share / (1 - share))


def _shift(model: Any, logit: float) -> None:
    layer = model.get_layer("logits")
    kernel, bias = layer.get_weights()
    if len(bias) > NOT_A_DIGIT:
        bias[NOT_A_DIGIT] += logit
        layer.set_weights([kernel, bias])
