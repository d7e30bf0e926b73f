"""Networks by name and by factory."""

import sys

import pytest
import torch
from torch import nn

from uncollapse.errors import ConfigError, ShapeError
from uncollapse.nets import (
    DCGAN,
    MLP,
    Conv1d,
    Conv28,
    PacGAN,
    ResNet,
    build_discriminator,
    build_generator,
    default,
    families,
    resolve,
)

THEIRS = """
from torch import nn
import torch

class Net(nn.Module):
    def __init__(self, width=3):
        super().__init__()
        self.first = nn.Linear(width, 2)

class Needy(nn.Module):
    def __init__(self, width):
        super().__init__()

def make_critic():
    return Net()

def explode():
    raise ValueError("first line\\nsecond line")

def number():
    return 3

one = Net()
width = 4
"""


@pytest.fixture
def theirs(tmp_path, monkeypatch):
    (tmp_path / "their_nets.py").write_text(THEIRS)
    (tmp_path / "their_broken.py").write_text("def f(:\n")
    (tmp_path / "their_needs.py").write_text("import torch_no_such_thing\n")
    (tmp_path / "their_exit.py").write_text("raise SystemExit(2)\n")
    (tmp_path / "their_pack").mkdir()
    (tmp_path / "their_pack" / "__init__.py").write_text("")
    (tmp_path / "their_pack" / "nets.py").write_text(THEIRS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in [n for n in sys.modules if n.startswith("their_")]:
        del sys.modules[name]


def test_families_by_name() -> None:
    assert resolve("mlp:width=128,depth=4") == MLP(width=128, depth=4)
    assert resolve("dcgan:norm=none") == DCGAN(norm="none")
    assert resolve("resnet:8,blocks=2") == ResNet(width=8, blocks=2)
    assert resolve("conv28") == Conv28()
    assert resolve("conv1d:8,kernel=3") == Conv1d(width=8, kernel=3)
    assert resolve("pacgan:latent=3") == PacGAN(latent=3)
    assert list(families) == [
        "mlp",
        "dcgan",
        "resnet",
        "conv1d",
        "char-cnn",
        "conv28",
        "pacgan",
        "table-mlp",
        "unrolled-gan",
        "gpan",
        "adapted-gan",
    ]
    for name in families:
        assert families.spec(families.get(name)) == name


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        ((2,), MLP),
        ((1, 28, 28), DCGAN),
        ((1, 8, 8), DCGAN),
        ((3, 64, 64), DCGAN),
        ((3, 30, 30), DCGAN),
        ((3, 32, 64), DCGAN),
        ((1, 1, 64), DCGAN),
        ((3, 7, 7), MLP),
        ((32, 20), Conv1d),
        ((2, 1), Conv1d),
        ((1, 5), MLP),
        ((4, 3, 2, 2), MLP),
    ],
)
def test_default(shape: tuple[int, ...], kind: type) -> None:
    assert type(default(shape)) is kind


def test_families_say_how_samples_are_judged_alone() -> None:
    assert DCGAN(width=8).per_sample() == DCGAN(width=8, norm="none")
    for family in (MLP(), ResNet(), Conv1d(), Conv28(), PacGAN()):
        assert family.per_sample() is family
        shape = {ResNet: (1, 9, 8), Conv1d: (9, 2), Conv28: (1, 28, 28)}.get(type(family), (2,))
        x, discriminator = torch.randn(6, *shape), family.discriminator(shape)
        torch.testing.assert_close(discriminator(x)[:3], discriminator(x[:3]))


@pytest.mark.parametrize(
    "spec", ["their_nets:Net", "their_nets:make_critic", "their_pack.nets:Net"]
)
def test_factories(theirs, spec: str) -> None:
    factory = build_generator(spec, (2,), 5)
    first, second = factory(), factory()
    assert isinstance(first, nn.Module)
    assert first is not second
    assert first.first.in_features == 3
    assert isinstance(build_discriminator(spec, (2,))(), nn.Module)


def test_building_families() -> None:
    assert build_generator(None, (2,))()(torch.randn(3, 32)).shape == (3, 2)
    generator = build_generator("dcgan:width=2,latent=9", (1, 8, 8))()
    assert generator.latent == 9
    assert build_generator("dcgan:width=2,latent=9", (1, 8, 8), 4)().latent == 4
    assert build_discriminator(None, (5,))()(torch.randn(3, 5)).shape == (3, 1)
    assert build_discriminator("mlp:8", (1, 8, 8))()(torch.randn(3, 1, 8, 8)).shape == (3, 1)
    with pytest.raises(ConfigError, match="latent must be at least 1"):
        build_generator(None, (2,), 0)
    with pytest.raises(ShapeError):
        build_discriminator("conv28", (1, 32, 32))()


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("mpl", "unknown network 'mpl'. Did you mean 'mlp'?"),
        ("mpl:width=3", "Did you mean 'mlp'?"),
        ("", "unknown network ''"),
        (":f", "unknown network ''"),
        ("their_nets.Net", "package.module:factory of your own"),
        ("mlp:wdth=3", "Did you mean 'width'?"),
        ("mlp:width=wide", "must be int"),
        ("mlp:width=0", "width must be at least 1, not 0"),
        ("no.such.module:f", "there is no module 'no'"),
        ("their_pack.none:f", "there is no module 'their_pack.none'"),
        ("their_nets.py:Net", "there is no module 'their_nets.py'"),
        ("./their_nets.py:Net", "without a path or .py"),
        ("their_broken:f", "module 'their_broken' cannot be imported: SyntaxError"),
        ("their_needs:f", "No module named 'torch_no_such_thing'"),
        ("their_exit:f", "cannot be imported: SystemExit"),
        ("their_nets:make_critc", "Did you mean 'make_critic'? Known: Needy, Net, explode"),
        (
            "their_nets:",
            "'their_nets:': unknown name ''. Known: Needy, Net, explode, make_critic, number",
        ),
        ("their_pack:f", "unknown name 'f'. Known: none"),
        ("their_nets:width", "is of type int: it should be a function or class"),
        ("their_nets:one", "is one module: name a function or class that makes a new one"),
    ],
)
def test_what_cannot_be_resolved(theirs, spec: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve(spec)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Needy", "missing 1 required positional argument: 'width'"),
        ("explode", "ValueError: first line"),
        ("number", "returns int: it should return a torch.nn.Module"),
    ],
)
def test_factories_that_fail(theirs, name: str, says: str) -> None:
    factory = resolve(f"their_nets:{name}")  # not called yet
    with pytest.raises(ConfigError) as caught:
        factory()
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
