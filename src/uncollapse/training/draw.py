"""Where a round's samples come from: the data, in each member's own order, and noise."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from uncollapse.data import Dataset, Sampler
from uncollapse.streams import Ambient, Streams


class DataDraw:
    """Batches of data and of latents, one a member; its state is the position in the data.

    Args:
        data: what is learned, on the device where the networks are.
        batch: samples a member.
        latent: shape of one latent.
        seeds: the members' seeds.
        device: where latents are drawn.

    Raises:
        DataError: the batch is larger than the data.
    """

    def __init__(
        self,
        data: Dataset,
        batch: int,
        latent: Sequence[int],
        seeds: Sequence[int],
        device: torch.device,
    ) -> None:
        self.data = data
        self.batch = batch
        self.latent = tuple(latent)
        self.sampler = Sampler(data, batch, seeds)
        self.noise = Streams(seeds, "latents", device)
        self.augmentation = Ambient(seeds, "augmentation")

    def real(self) -> Tensor:
        """Samples of the data, ``[member, batch, *shape]``, in network units."""
        return torch.stack(
            [
                self.augmentation.run(m, self.data.take, index)
                for m, index in enumerate(self.sampler.next())
            ]
        )

    def latents(self) -> Tensor:
        """Standard normal noise, ``[member, batch, *latent]``."""
        return self.noise.normal(self.batch, *self.latent)

    def state(self) -> dict[str, Tensor]:
        """The position in the data and the generators' states."""
        return (
            {f"sampler/{name}": tensor for name, tensor in self.sampler.state().items()}
            | {f"latents/{m}": state for m, state in enumerate(self.noise.state())}
            | {f"augmentation/{m}": state for m, state in enumerate(self.augmentation.state())}
        )

    def restore(self, state: dict[str, Tensor]) -> None:
        """Goes on from a saved :meth:`state`."""
        prefix = "sampler/"
        self.sampler.restore(
            {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
        )
        members = range(len(self.noise))
        self.noise.restore([state[f"latents/{m}"] for m in members])
        self.augmentation.restore([state[f"augmentation/{m}"] for m in members])
