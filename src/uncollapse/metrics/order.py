"""How well numbers tell two kinds apart."""

from __future__ import annotations

import torch
from torch import Tensor


def auc(high: Tensor, low: Tensor) -> float:
    """The area under the ROC curve: the chance that one of the first is larger, ties counted half.

    Args:
        high: ``[n]``.
        low: ``[m]``.

    Returns:
        From 0 to 1; .5 where they are alike.
    """
    order = low.sort().values
    below = torch.searchsorted(order, high.contiguous())
    up_to = torch.searchsorted(order, high.contiguous(), right=True)
    return float((below + up_to).double().mean() / (2 * len(order)))
