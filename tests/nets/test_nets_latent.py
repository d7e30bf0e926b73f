"""Latents read off other people's modules."""

import pytest
import torch
from torch import nn

from uncollapse.nets import DCGAN, Conv1d, Conv28, PacGAN, latent_of


class Module(nn.Module):
    """A module with given attributes and layers, whose forward may reshape first."""

    def __init__(self, *layers: nn.Module, before=lambda z: z, **attributes) -> None:
        super().__init__()
        self.before = before
        for name, value in attributes.items():
            setattr(self, name, value)
        self.main = nn.Sequential(*layers)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return self.main(self.before(z))


def ups() -> list[nn.Module]:
    return [
        nn.ConvTranspose2d(100, 8, 4, 1, 0, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.ConvTranspose2d(8, 1, 4, 2, 1),
        nn.Tanh(),
    ]


class Conditional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.label = nn.Embedding(10, 10)
        self.first = nn.Linear(74, 8)


@pytest.mark.parametrize(
    ("module", "latent"),
    [
        (nn.Sequential(nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 2)), (64,)),
        (nn.Sequential(nn.Linear(64, 8, bias=False)), (64,)),
        (nn.Sequential(nn.Unflatten(1, (100, 1, 1)), *ups()), (100,)),
        (Module(*ups()), (100, 1, 1)),
        (Module(*ups(), nz=100), (100, 1, 1)),
        (Module(*ups(), nz=100, before=lambda z: z[:, :, None, None]), (100,)),
        (Module(*ups(), nz=100, before=lambda z: z.view(-1, 100, 1, 1)), (100,)),
        (Module(nn.Conv2d(5, 3, 1)), (5, 1, 1)),
        (Module(nn.ConvTranspose1d(5, 3, 4)), (5, 1)),
        (Module(nn.Linear(12, 2), latent_dim=10), (10,)),
        (Module(nn.Linear(12, 2), z_dim=torch.Size([3, 4])), (3, 4)),
        (Module(nn.Linear(12, 2), latent_shape=[512, 4, 4]), (512, 4, 4)),
        (Module(nn.Linear(12, 2), latent=True, nz="12"), (12,)),
        (Module(nn.Linear(12, 2), latent=nn.Identity()), (12,)),
        (nn.utils.parametrizations.spectral_norm(nn.Linear(9, 4, bias=False)), (9,)),
        (Conditional(), None),
        (nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 2)), None),
        (nn.LazyLinear(4), None),
        (nn.Tanh(), None),
        (Conv1d().generator((9, 2), 21), (21,)),
        (Conv28().generator((1, 28, 28), 128), (128,)),
        (DCGAN(width=2).generator((1, 8, 8), 17), (17,)),
        (PacGAN(width=4).generator((2,), 2), (2,)),
    ],
)
def test_latent_of(module: nn.Module, latent: tuple[int, ...] | None) -> None:
    assert latent_of(module) == latent


def test_reading_leaves_the_module_alone() -> None:
    module = Module(*ups(), nz=100).eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    state = torch.get_rng_state()
    assert latent_of(module) == (100, 1, 1)
    assert torch.equal(torch.get_rng_state(), state)
    assert not module.training
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())
