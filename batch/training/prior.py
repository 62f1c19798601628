"""How often a network expects what is no digit: in training it meets more of it than people's folders hold.

What a network says holds for shares of classes as in its training. Where they are others, its logits are set
right by the logarithms of the ratios, without training anew (Saerens et al., "Adjusting the outputs of a
classifier to new a priori probabilities", 2002). Here that is the bias of one class in the last layer.
"""

from __future__ import annotations

import math
from typing import Any

from batch.training.data.datasets import NOT_A_DIGIT
from batch.training.examples import NONE, SHARES

NOT_DIGITS_FRACTION = 0.05  # of the scans that people have


def shift_for_use(model: Any) -> None:
    """Has a network that was trained on the mixture of `examples` expect what people have."""
    _shift(model, _log_odds(NOT_DIGITS_FRACTION) - _log_odds(SHARES[NONE]))


def shift_for_training(model: Any) -> None:
    """The reverse of `for_use`, for a network that is to be trained on."""
    _shift(model, _log_odds(SHARES[NONE]) - _log_odds(NOT_DIGITS_FRACTION))


def _log_odds(share: float) -> float:
    return math.log(share / (1 - share))


def _shift(model: Any, logit: float) -> None:
    layer = model.get_layer("logits")
    kernel, bias = layer.get_weights()
    if len(bias) > NOT_A_DIGIT:
        bias[NOT_A_DIGIT] += logit
        layer.set_weights([kernel, bias])
