"""Exported files give the run's samples, each opened as anybody would open it."""

import copy
import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import onnxruntime
import pytest
import torch
from safetensors import safe_open
from torch import nn

import uncollapse as uc
from uncollapse.data.reading import Reading
from uncollapse.data.table_files import from_columns
from uncollapse.data.text_files import of_lines
from uncollapse.errors import ConfigError, MissingExtraError
from uncollapse.exporting import writing
from uncollapse.nets import Routes

PAGE = (Path(__file__).parents[2] / "docs" / "export.md").read_text(encoding="utf-8")
ENDINGS = ("pt2", "onnx", "safetensors")
WORDS = {"recipe": "gan", "steps": 1, "batch": 4, "discriminator": "mlp:width=4,depth=1"}
FAMILIES = {
    "mlp": ("mlp:width=8,depth=1", torch.rand(20), None),
    "dcgan": ("dcgan:width=4", torch.randint(0, 255, (20, 9, 20), dtype=torch.uint8), "NHW"),
    "resnet": ("resnet:width=8", torch.randint(0, 255, (20, 12, 9, 3), dtype=torch.uint8), "NHWC"),
    # Times in seconds since 1970 beside small numbers: float64, of which float32 loses digits.
    "conv1d": ("conv1d", torch.rand(20, 2, 9).double() + torch.tensor([[1.6e9], [0]]), "NCT"),
    "conv28": ("conv28:width=4", torch.rand(20, 1, 28, 28), None),
    "pacgan": ("pacgan:width=8", torch.rand(20, 3), None),
    "unrolled-gan": ("unrolled-gan", torch.rand(20, 1, 28, 28), None),
    "adapted-gan": ("adapted-gan:width=8", torch.rand(20, 1, 32, 32), None),
    "char-cnn": (
        "char-cnn:width=8,blocks=1",
        of_lines(lambda: ["abc", "bca"] * 9, "lines", Reading()),
        None,
    ),
    "table-mlp": (None, from_columns({"a": ["x", "y"] * 9, "b": list("123456789") * 2}, "t"), None),
}
"""Families of networks, with data in which axes and units are others than those of networks."""
IN_ONNX = ("dcgan", "resnet", "conv1d", "pacgan")
"""Between them they have all layers of most families; each takes two seconds."""
NO_SOURCE = ("char-cnn", "table-mlp")
"""Whose layers have no source of their own: they are refused as .safetensors."""


def opened(path):
    """What a file computes."""
    if path.suffix == ".pt2":
        return torch.export.load(path).module()
    if path.suffix == ".safetensors":
        return runpy.run_path(str(path.with_suffix(".py")))["load"]()
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda z: torch.from_numpy(session.run(["samples"], {"latents": z.numpy()})[0])


def wild(network):
    """Gives a network weights that make samples all different."""
    torch.manual_seed(0)
    for tensor in [*network.parameters(), *network.buffers()]:
        if tensor.dim() == 1:
            tensor.copy_(torch.rand_like(tensor) + 0.5)
        elif tensor.dim() > 1:
            tensor.copy_(torch.randn_like(tensor) / tensor[0].numel() ** 0.5)


def run_of(family, **words):
    network, data, axes = FAMILIES[family]
    run = uc.train(data, generator=network, axes=axes, **(WORDS | words))
    wild(getattr(run.generator, "network", run.generator))
    return run


def own_run(make, **words):
    return uc.train(torch.rand(20, 2), generator=make, latent=3, **(WORDS | words))


def agrees(run, path, **which):
    for count in (1, 7, 64):
        latents = torch.randn(count, *run.config.latent)
        with torch.no_grad():
            inside = run.network(**which)(run.data.form.latents(latents))
        want, given = run.data.as_given(inside), opened(path)(latents)
        assert given.shape == want.shape
        assert given.dtype == want.dtype
        off = run.data.scale * 1e-5 + 4 * torch.finfo(want.dtype).eps * inside.abs()
        assert ((given - want).abs() <= run.data.as_given(off)).all()
    return want


def test_there_is_an_example_of_every_family():
    without = {"gpan"}  # see tests/games/test_pseudo_adversarial.py
    assert set(FAMILIES) | without == set(uc.nets.families)


@pytest.mark.parametrize("family", FAMILIES)
def test_families_in_every_format(family, tmp_path):
    run = run_of(family)
    for ending in ENDINGS:
        if ending == "onnx" and family not in IN_ONNX:
            continue
        if ending == "safetensors" and family in NO_SOURCE:
            with pytest.raises(ConfigError, match="rebuilds the network of torch's own layers"):
                uc.export(run, tmp_path / f"g.{ending}")
            continue
        made = uc.export(run, tmp_path / f"g.{ending}")
        assert 0 <= made.difference <= 1e-5
        samples = agrees(run, tmp_path / f"g.{ending}")
        spread = samples.std(0) / run.data.as_given(run.data.scale.expand(1, *run.data.shape))[0]
        assert spread.median() > 0.01  # or anything would agree
        assert b"/nets/" not in (tmp_path / f"g.{ending}").read_bytes()
    left = {path.name for path in tmp_path.iterdir()} | {"g.onnx"}
    source = set() if family in NO_SOURCE else {"g.safetensors", "g.py"}
    assert left == {"g.pt2", "g.onnx"} | source


def test_the_examples_of_the_page_run_without_uncollapse(tmp_path, command):
    run = uc.train("digits", generator="dcgan:width=4,latent=100", out=tmp_path / "run", **WORDS)
    for ending in ENDINGS:
        assert command("export", tmp_path / "run", "--out", tmp_path / f"digits.{ending}")[0] == 0
    words = WORDS | {"recipe": "adapted-gan", "discriminator": "mlp"}
    family = "adapted-gan:width=4,bank=4,stochastic=2"
    picking = uc.train(torch.rand(20, 1, 8, 8), generator=family, out=tmp_path / "runs", **words)
    assert command("export", tmp_path / "runs", "--out", tmp_path / "routes.onnx")[0] == 0
    examples = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(examples) == 4
    script = f"""
import sys, torch
sys.modules["uncollapse"] = None  # importing it fails
sys.path.insert(0, "")
found = {{}}
for number, example in enumerate({examples!r}):
    names = {{}}
    exec(example, names)
    found[f"latents {{number}}"] = torch.as_tensor(names["latents"])
    found[f"samples {{number}}"] = torch.as_tensor(names["samples"])
    found["picks"] = torch.as_tensor(names.get("picks", []))
torch.save(found, "found.pt")
"""
    done = subprocess.run(
        [sys.executable, "-I", "-c", script], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("sample_shape") == 3
    found = torch.load(tmp_path / "found.pt")
    inputs = onnxruntime.InferenceSession(tmp_path / "routes.onnx").get_inputs()
    assert [(put.name, put.shape) for put in inputs] == [
        ("latents", ["batch", 128]),
        ("picks", ["batch", 2]),
    ]
    with Routes(picking.generator).taking(found["picks"]):
        want = picking.generator(found["latents 3"])
    torch.testing.assert_close(found["samples 3"], want, rtol=1e-5, atol=1e-5)
    for number in range(3):
        want = run.data.as_given(run.generator(found[f"latents {number}"]))
        torch.testing.assert_close(found[f"samples {number}"], want, rtol=1e-5, atol=1e-4)
    shape = ", ".join(map(str, want.shape))
    low, high = run.data.range[:2]
    assert PAGE.count(f"# [{shape}], {low:g} to {high:g}") == 3


def test_a_file_of_text_says_which_symbols_it_makes_and_no_folder(tmp_path):
    (tmp_path / "lines.txt").write_text("abba\nbaab\n" * 40)
    words = {"steps": 1, "generator": "char-cnn:width=2,blocks=1", "batch": 4}
    run = uc.train(f"text:{tmp_path / 'lines.txt'}", discriminator="char-cnn:width=2", **words)
    facts = uc.export(run, tmp_path / "g.pt2").facts
    assert facts["data"] == "text:lines.txt"
    assert json.loads(facts["samples"]) == {"symbols": "ab"}


def test_a_file_says_what_it_is(tmp_path):
    run = run_of("resnet", out=tmp_path / "photos")
    facts = uc.export(run, tmp_path / "g.onnx").facts
    said = {"run": "photos", "step": "1", "axes": "NHWC", "black_to_white": "0 to 255"}
    assert said.items() <= facts.items()
    assert json.loads(facts["latent_shape"]) == [64]
    assert json.loads(facts["sample_shape"]) == [12, 9, 3]
    assert "(uint8)" in facts["units"]
    session = onnxruntime.InferenceSession(tmp_path / "g.onnx")
    assert session.get_modelmeta().custom_metadata_map == facts
    assert session.get_inputs()[0].shape == ["batch", 64]
    assert session.get_outputs()[0].shape == ["batch", 12, 9, 3]
    uc.export(run, tmp_path / "g.safetensors")
    assert safe_open(tmp_path / "g.safetensors", "pt").metadata() == facts
    extra = {"uncollapse.json": ""}
    uc.export(run, tmp_path / "g.pt2")
    torch.export.load(tmp_path / "g.pt2", extra_files=extra)
    assert json.loads(extra["uncollapse.json"]) == facts


@pytest.mark.parametrize("axes", ["N", "NT", "NHW", "NHWC", "NCT", None])
def test_source_knows_every_order_of_axes_and_is_formatted(axes, tmp_path):
    shape = (20, 8, 9, 3)[: len(axes)] if axes else (20, 3, 8, 9)
    words = {"generator": "mlp:width=4,depth=1"} | WORDS
    run = uc.train(torch.rand(shape), axes=axes, **words)
    uc.export(run, tmp_path / "g.safetensors")
    agrees(run, tmp_path / "g.safetensors")
    ruff = [Path(sys.executable).with_name("ruff"), "format", "--line-length", "100", "--diff"]
    done = subprocess.run([*ruff, tmp_path / "g.py"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_it_is_the_generator_that_samples_come_from(tmp_path, command):
    words = WORDS | {"generator": "mlp:width=4,depth=1", "steps": 3}
    folder = tmp_path / "run"
    run = uc.train(
        "ring8", game="sgan:pairs=2", remedies=["ema:0.9"], replicas=2, out=folder, **words
    )
    code, out, _ = command("export", folder, "--out", tmp_path / "g.safetensors", "--replica", 1)
    assert (code, f"generator of {folder} at step 3: {tmp_path}/g.safetensors" in out) == (0, True)
    assert "latents [batch, 100] to samples [batch, 2], the same as the run's" in out
    latents = torch.randn(5, 100)
    given = opened(tmp_path / "g.safetensors")(latents)
    assert torch.equal(given, run.generators[1](latents))
    learned = run.cast.players["generator"]["layers.0.weight"][1]
    averaged = opened(tmp_path / "g.safetensors").layers[0].weight
    assert not torch.equal(learned, averaged)
    where = ("export", folder, "--out", tmp_path / "l.safetensors", "--of", "local-1")
    assert command(*where, "--replica", "all")[0] == 0
    for replica in range(2):
        agrees(run, tmp_path / f"l-replica-{replica}.safetensors", replica=replica, of="local-1")
    assert command("export", folder, "--from", "best", "--out", tmp_path / "b.safetensors")[0] == 0
    agrees(uc.load(folder, start="best"), tmp_path / "b.safetensors")


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_file_that_gives_other_samples_is_not_kept(ending, tmp_path, monkeypatch):
    run = run_of("pacgan")
    spread = run.data.scale
    form = writing.FORMATS[f".{ending}"]

    def off_by(how_far):
        def read(files):
            return lambda latents: run.generator(latents) + how_far * spread * (latents[:, :1] > 0)

        monkeypatch.setitem(writing.FORMATS, f".{ending}", form._replace(write=write, read=read))

    def write(sampler):
        return {f".{ending}": b"new"}

    path = tmp_path / f"g.{ending}"
    path.write_bytes(b"old")
    off_by(1e-3)
    with pytest.raises(
        ConfigError, match=rf"g\.{ending} was not written: its samples are off by 0.001"
    ):
        uc.export(run, path)
    assert path.read_bytes() == b"old"
    off_by(5e-6)
    assert uc.export(run, path).difference == pytest.approx(5e-6, rel=0.3)  # a few steps of float32
    assert path.read_bytes() == b"new"
    assert len(list(tmp_path.iterdir())) == 1


class Own(nn.Module):
    latent = 3

    def __init__(self, noise=False, fixed=False, branches=False):
        super().__init__()
        self.layer = nn.Linear(3, 2)
        self.noise, self.fixed, self.branches = noise, fixed, branches

    def forward(self, z):
        batch = len(z) if self.fixed else z.shape[0]
        z = z * torch.rand(batch, 1) if self.noise else z.reshape(batch, -1)
        if self.branches and z.mean() > 0:
            return self.layer(-z)
        return self.layer(z)


def test_modules_of_ones_own(tmp_path, capfd):
    run = own_run(Own)
    for ending in ("pt2", "onnx"):
        uc.export(run, tmp_path / f"g.{ending}")
        agrees(run, tmp_path / f"g.{ending}")
    with pytest.raises(ConfigError, match=r"Own is none, .* export a \.pt2 or \.onnx$"):
        uc.export(run, tmp_path / "g.safetensors")
    with pytest.raises(
        ConfigError, match=r"its code makes the batch a fixed number; .*x\.shape\[0\]"
    ):
        uc.export(own_run(lambda: Own(fixed=True)), tmp_path / "fixed.pt2")
    run = own_run(lambda: Own(branches=True))
    capfd.readouterr()
    with pytest.raises(ConfigError, match=r"as \.pt2: its code branches on values"):
        uc.export(run, tmp_path / "branches.pt2")
    assert capfd.readouterr() == ("", "")
    layers = lambda: nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.GELU(), nn.Linear(4, 2)))  # noqa: E731
    run = own_run(layers)
    uc.export(run, tmp_path / "layers.safetensors")
    agrees(run, tmp_path / "layers.safetensors")
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"g.pt2", "g.onnx", "layers.safetensors", "layers.py"}


def test_generators_that_draw_random_numbers(tmp_path):
    run = own_run(lambda: Own(noise=True))
    uc.export(run, tmp_path / "g.pt2")
    latents, program = torch.randn(5, 3), opened(tmp_path / "g.pt2")
    torch.manual_seed(1)
    first = program(latents)
    assert not torch.equal(first, program(latents))
    torch.manual_seed(1)
    assert torch.equal(first, run.generator(latents))
    with pytest.raises(ConfigError, match="draws random numbers inside, and others there"):
        uc.export(run, tmp_path / "g.onnx")
    assert not (tmp_path / "g.onnx").exists()


def test_a_run_is_as_it_was_before(tmp_path):
    run = run_of("mlp")
    before = copy.deepcopy(run.generator.state_dict())
    torch.manual_seed(3)
    want = torch.rand(3)
    torch.manual_seed(3)
    uc.export(run, tmp_path / "g.pt2")
    assert torch.equal(torch.rand(3), want)
    assert all(torch.equal(before[k], v) for k, v in run.generator.state_dict().items())


def test_what_cannot_be_exported_is_said_in_one_line(tmp_path, command, monkeypatch):
    uc.train("ring8", generator="mlp:width=4,depth=1", out=tmp_path / "run", **WORDS)
    monkeypatch.chdir(tmp_path)

    def refused(*arguments):
        code, out, err = command("export", *arguments)
        assert (code, out, err.count("\n")) == (2, "", 1)
        return err

    assert "out must end in .pt2, .onnx or .safetensors, not 'g.pth'" in refused(
        "run", "--out", "g.pth"
    )
    assert "nowhere" in refused("nowhere", "--out", "g.pt2")
    assert "replica must be 0 to 0, not 3" in refused("run", "--out", "g.pt2", "--replica", 3)
    assert "of 'local-1'" in refused("run", "--out", "g.pt2", "--of", "local-1")
    Path("train.py").write_text("print('mine')")
    assert "train.py would be replaced" in refused("run", "--out", "train.safetensors")
    assert Path("train.py").read_text() == "print('mine')"
    assert "cannot write" in refused("run", "--out", "train.py/g.pt2")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "pip install 'uncollapse[onnx]'" in refused("run", "--out", "g.onnx")
    with pytest.raises(MissingExtraError, match="onnx, onnxscript, onnxruntime"):
        uc.export(uc.load("run"), "g.onnx")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "train.py"]
    assert command("export", "run", "--out", "new/g.safetensors")[0] == 0  # folders are made
    assert command("export", "run", "--out", "new/g.safetensors")[0] == 0  # and files replaced
