"""Discriminators that are told a class, by a projection or beside the sample, or tell it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from uncollapse.condition import Condition
from uncollapse.errors import ConfigError
from uncollapse.nets import takes_label
from uncollapse.players.heads import widened
from uncollapse.players.layers import PER_SAMPLE


class Projected(nn.Module):
    """The projection discriminator (Miyato and Koyama 2018, eq. 3): ``ψ(φ(x)) + ⟨V y, φ(x)⟩``.

    φ is what enters the last layer, ψ that layer, V K outputs more of it, without bias; y is the
    class as zeros and a one. No gradient goes to y, so that penalties are on the content alone.

    Args:
        network: contents to ``[batch, n, ...]``, the logit first.
        condition: what the classes are.
        packed: samples that are judged as one; each of them has a V of its own.

    Raises:
        ConfigError: its last layer cannot be widened.
    """

    def __init__(self, network: nn.Module, condition: Condition, packed: int = 1) -> None:
        super().__init__()
        self.condition = condition
        self.network, bias = widened(
            network, packed * condition.count, "that is told classes", bias=False
        )
        self.bias = None if bias is None else nn.Parameter(bias)

    def forward(self, samples: Tensor) -> Tensor:
        """Outputs ``[batch, n, ...]`` of samples ``[batch, *carried]``, or of packs of them."""
        content, one_hot = self.condition.split(samples)
        outputs = self.network(content)
        count = outputs.shape[1] - one_hot.shape[1]
        own, each = outputs[:, :count], outputs[:, count:]
        ends = [1] * (outputs.dim() - 2)
        if self.bias is not None:
            own = own + torch.unflatten(self.bias, 0, (-1, *ends))
        y = torch.unflatten(one_hot.detach(), 1, (-1, *ends))
        told = (each * y).sum(1, keepdim=True)
        return torch.cat([own[:, :1] + told, own[:, 1:]], 1)


PER_SAMPLE.add(Projected)


class Guessing(nn.Module):
    """A discriminator that also tells the class (AC-GAN: Odena, Olah and Shlens 2017, eq. 2 and 3).

    K outputs more of the last layer are logits of the classes. Of these it gives one number, after
    all others: the cross entropy of the class that the sample carries.

    Args:
        network: contents to ``[batch, n, ...]``, the logit first.
        condition: what the classes are.
        packed: samples that are judged as one; the cross entropy is the mean of theirs.

    Raises:
        ConfigError: its last layer cannot be widened.
    """

    def __init__(self, network: nn.Module, condition: Condition, packed: int = 1) -> None:
        super().__init__()
        self.condition = condition
        self.network, _ = widened(network, packed * condition.count, "that tells classes")

    def forward(self, samples: Tensor) -> Tensor:
        """Outputs ``[batch, n + 1, ...]`` of samples ``[batch, *carried]``, or of packs of them."""
        content, one_hot = self.condition.split(samples)
        outputs = self.network(content)
        count, K = outputs.shape[1] - one_hot.shape[1], self.condition.count
        each = torch.unflatten(outputs[:, count:], 1, (-1, K)).log_softmax(2)
        y = torch.unflatten(one_hot.detach(), 1, (-1, K, *[1] * (outputs.dim() - 2)))
        doubt = -(each * y).sum(2).mean(1, keepdim=True)
        return torch.cat([outputs[:, :count], doubt], 1)


PER_SAMPLE.add(Guessing)


class ToldBeside(nn.Module):
    """A discriminator of somebody's own, ``forward(x, y)``.

    Args:
        network: contents and class numbers, int64 ``[batch]`` (``[batch, m]`` of packs of m), to
            logits.
        condition: what the classes are.
    """

    def __init__(self, network: nn.Module, condition: Condition) -> None:
        super().__init__()
        self.condition = condition
        self.network = network

    def forward(self, samples: Tensor) -> Tensor:
        """Logits of samples ``[batch, *carried]``, or of packs of them."""
        content, one_hot = self.condition.split(samples)
        classes = torch.unflatten(one_hot, -1, (-1, self.condition.count)).argmax(-1)
        alone = classes.shape[-1] == 1
        logits: Tensor = self.network(content, classes.squeeze(-1) if alone else classes)
        return logits


def told(network: nn.Module, condition: Condition, packed: int = 1) -> nn.Module:
    """A new discriminator that is told its samples' classes; as it is without classes.

    Args:
        network: takes contents, or contents and class numbers.
        condition: what the classes are, and whether it is to tell them itself.
        packed: samples that are judged as one.

    Raises:
        ConfigError: it cannot.
    """
    if not condition.count:
        return network
    if condition.guessed and takes_label(network):
        raise ConfigError(
            "ac has the discriminator tell the class, and this one's forward(x, y) is told it: "
            "give one that takes x alone, or leave ac out"
        )
    if condition.guessed:
        return Guessing(network, condition, packed)
    if takes_label(network):
        return ToldBeside(network, condition)
    return Projected(network, condition, packed)
