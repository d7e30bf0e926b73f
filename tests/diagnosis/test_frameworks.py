"""One GAN in a plain loop, Lightning, accelerate and DDP: the same weights and the same verdicts.

All get the same batches, and D stops learning at the same step, so samples run to few modes. The
truth of it is the ring's own: how many of its eight modes samples lie on.
"""

from __future__ import annotations

import functools
import math
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning.pytorch as L
import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, GradientState
from lightning.pytorch.loggers.logger import Logger
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.utils.data import DataLoader

import uncollapse as uc
from processes import together
from uncollapse.errors import ConfigError, MissingExtraError

EPOCH = 133
STEPS = 3 * EPOCH + 85
TURN = 370
"""The step from which on D hardly learns, and G learns faster."""
BATCH = 64
ANGLES = torch.arange(8) * math.tau / 8
MODES = torch.stack([ANGLES.cos(), ANGLES.sin()], 1)

pytestmark = [
    pytest.mark.filterwarnings("ignore:The 'train_dataloader' does not have many workers"),
    pytest.mark.filterwarnings("ignore:`isinstance.treespec, LeafSpec.` is deprecated"),
]


def mlp(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, 32), nn.LeakyReLU(0.2), nn.Linear(32, 32), nn.LeakyReLU(0.2),
        nn.Linear(32, outputs),
    )  # fmt: skip


def players() -> list[Any]:
    """G, D, and their optimisers."""
    torch.manual_seed(2)
    G, D = mlp(4, 2), mlp(2, 1)
    return [G, D, *(torch.optim.Adam(m.parameters(), 1.0, (0.5, 0.999)) for m in (G, D))]


@functools.cache
def batches() -> list[tuple[Tensor, Tensor, Tensor]]:
    """Real samples, and the latents of D's turn and of G's."""
    chance = torch.Generator().manual_seed(0)
    noise = torch.randn(STEPS, BATCH, 10, generator=chance)
    which = torch.randint(8, (STEPS, BATCH), generator=chance)
    real = MODES[which] + 0.05 * noise[..., :2]
    return list(zip(real, noise[..., 2:6], noise[..., 6:], strict=True))


def set_rates(step: int, g: Any, d: Any) -> None:
    for optimizer, rate in zip((g, d), (2e-3, 4e-3) if step < TURN else (2e-2, 1e-5), strict=True):
        optimizer.param_groups[0]["lr"] = rate


def loss_d(G: Any, D: Any, real: Tensor, latents: Tensor) -> Tensor:
    return softplus(-D(real)).mean() + softplus(D(G(latents).detach())).mean()


def loss_g(G: Any, D: Any, latents: Tensor) -> Tensor:
    return softplus(-D(G(latents))).mean()


def held(G: nn.Module) -> int:
    """Modes with at least a fiftieth of the samples on them."""
    with torch.no_grad():
        samples = G(torch.randn(1000, 4, generator=torch.Generator().manual_seed(1)))
    near, which = torch.cdist(samples, MODES).min(1)
    return int((torch.bincount(which[near < 0.2], minlength=8) >= 20).sum())


class Seen:
    """A watch of a fixed rhythm, and all that it says."""

    def __init__(self) -> None:
        self.said: list[dict[str, Any]] = []
        self.words = {"every": 4, "on_change": lambda verdict: self.said.append(verdict.as_dict())}

    def result(self, watch: uc.Watch, *networks: nn.Module) -> list[Any]:
        """What must be the same everywhere: verdicts, signals, weights."""
        watch.close()
        weights = [p.detach().numpy().tobytes() for net in networks for p in net.parameters()]
        return [self.said, watch.verdict.as_dict(), watch.scalars(), weights]


def parts(step: int, accumulate: int) -> Iterator[tuple[bool, list[Tensor]]]:
    """Shares of a batch, and whether it is the last one."""
    for at in range(accumulate):
        share = slice(at * BATCH // accumulate, (at + 1) * BATCH // accumulate)
        yield at == accumulate - 1, [rows[share] for rows in batches()[step]]


def plain(watched: bool = True, accumulate: int = 1) -> tuple[list[Any], list[int]]:
    """What is seen in a plain loop, and how many modes are held at its turn and in the end."""
    G, D, g, d = players()
    seen, modes = Seen(), []
    if watched:
        watch = uc.watch(generator=G, discriminator=D, optimizers=[g, d], **seen.words)
    for step in range(STEPS):
        if step == TURN:
            modes.append(held(G))
        set_rates(step, g, d)
        for last, (real, z_d, z_g) in parts(step, accumulate):
            (loss_d(G, D, real, z_d) / accumulate).backward()
            if last:
                d.step()
                d.zero_grad()
            D.requires_grad_(False)
            (loss_g(G, D, z_g) / accumulate).backward()
            D.requires_grad_(True)
            if last:
                g.step()
                g.zero_grad()
    if not watched:
        return [p.detach().numpy().tobytes() for net in (G, D) for p in net.parameters()], []
    return seen.result(watch, G, D), [*modes, held(G)]


plainly = functools.cache(plain)


def test_the_plain_loop_is_told_the_truth():
    (said, verdict, scalars, weights), (before, after) = plainly()
    assert weights == plain(watched=False)[0]
    assert before == 8
    assert [v["state"] for v in said if v["step"] <= TURN] == ["healthy"]
    assert after <= 2
    assert verdict["failure"] == "mode-collapse"
    assert TURN < verdict["since"] <= STEPS
    assert verdict["bugs"] == verdict["notes"] == ()
    assert scalars["coverage"] < 0.5


class GAN(L.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        G, D, *self.own = players()
        self.nets = nn.ModuleDict({"G": G, "D": D})

    def configure_optimizers(self) -> Any:
        return self.own

    def train_dataloader(self) -> Any:
        first = self.trainer.current_epoch * EPOCH
        return DataLoader(batches()[first : first + EPOCH], batch_size=None)

    def training_step(self, batch: Any, at: int) -> None:
        real, z_d, z_g = batch
        (g, d), (G, D) = self.optimizers(), self.nets.values()
        set_rates(self.current_epoch * EPOCH + at, g, d)
        self.toggle_optimizer(d)
        d.zero_grad()
        self.manual_backward(loss_d(G, D, real, z_d))
        d.step()
        self.untoggle_optimizer(d)
        self.toggle_optimizer(g)
        g.zero_grad()
        self.manual_backward(loss_g(G, D, z_g))
        g.step()
        self.untoggle_optimizer(g)


class Noted(Logger):
    """Keeps what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[int, dict[str, float]] = {}

    name = version = "noted"

    def log_hyperparams(self, *given: Any, **named: Any) -> None:
        pass

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:  # type: ignore[override]
        self.rows[step] = dict(metrics)


def fit(callback: Any, epochs: int, **words: Any) -> tuple[Any, GAN]:
    trainer = L.Trainer(
        accelerator="cpu", callbacks=[callback], max_epochs=epochs, enable_progress_bar=False,
        enable_model_summary=False, enable_checkpointing=False, log_every_n_steps=19,
        reload_dataloaders_every_n_epochs=1, logger=words.pop("logger", False),
    )  # fmt: skip
    trainer.fit(module := GAN(), **words)
    return trainer, module


def lightning_watch(seen: Seen, **words: Any) -> uc.LightningWatch:
    return uc.LightningWatch("nets.G", "nets.D", **seen.words, **words)


def test_lightning_sees_the_same():
    seen = Seen()
    callback = lightning_watch(seen)
    assert callback.verdict == uc.Verdict("warming-up")
    _, module = fit(callback, 4)
    assert seen.result(callback.watch, *module.nets.values()) == plainly()[0]
    assert callback.verdict.as_dict() == plainly()[0][1]


def test_lightning_goes_on_from_its_checkpoint_and_ends_at_an_alarm(tmp_path, caplog):
    seen, file, logger = Seen(), tmp_path / "a.ckpt", Noted()
    trainer, _ = fit(lightning_watch(seen), 3, logger=logger)
    assert set(logger.rows) == set(range(18, 3 * EPOCH, 19))
    coverage = trainer.callbacks[0].watch.scalars()["coverage"]
    assert logger.rows[3 * EPOCH - 1]["watch/coverage"] == coverage
    assert trainer.callback_metrics["watch/coverage"] == pytest.approx(coverage)
    trainer.save_checkpoint(file)
    callback = lightning_watch(seen, stop=True)
    trainer, _ = fit(callback, 4, ckpt_path=file, weights_only=True)
    said = plainly()[0][0]
    assert seen.said == said[: len(seen.said)]
    assert seen.said[-1]["state"] == callback.verdict.state == "collapsed"
    alarm = seen.said[-1]["step"]
    assert 3 * EPOCH < alarm <= callback.watch.step < alarm + 19
    assert f"Training ends here. {callback.verdict}" in caplog.text


NAMED = {"generator": "nets.G", "discriminator": "nets.D"}


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ({"generator": "nets.H"}, "unknown attribute of ModuleDict 'H'. Known: D, G"),
        ({"generator": "net.G"}, "unknown attribute of GAN 'net'. Did you mean 'nets'?"),
        ({"generator": "own"}, "'own' must be a torch.nn.Module, not list"),
        ({**NAMED, "ema": "missing"}, "unknown attribute of GAN 'missing'"),
        ({**NAMED, "ema": ["nets.G"]}, "ema shares its weights with the generator"),
    ],
)
def test_a_wrong_name_is_one_line(words, line):
    with pytest.raises(ConfigError, match=re.escape(line)):
        fit(uc.LightningWatch(**words), 1)


def test_a_wrong_word_is_one_line():
    with pytest.raises(ConfigError, match="unknown word of LightningWatch 'evry'"):
        uc.LightningWatch(evry=3)


def on_the_page(name: str, names: dict[str, Any]) -> dict[str, Any]:
    """Runs an example of docs/watch.md with what it takes for granted."""
    page = (Path(__file__).parents[2] / "docs" / "watch.md").read_text(encoding="utf-8")
    (lines,) = re.findall(rf"<!-- {name} -->\n```python\n(.*?)```", page, re.DOTALL)
    exec(compile(lines, "watch.md", "exec"), names)
    return names


@pytest.mark.filterwarnings("ignore:The number of training batches")
def test_the_callback_on_the_page_runs(tmp_path, monkeypatch, capsys):
    class Named(GAN):
        generator = property(lambda self: self.nets["G"])
        discriminator = property(lambda self: self.nets["D"])

    monkeypatch.chdir(tmp_path)
    loader = DataLoader(batches()[:4], batch_size=None)
    names = on_the_page("lightning", {"uc": uc, "gan": Named(), "loader": loader})
    assert names["watch"].watch.step == 80
    assert "WARMING-UP at step 80." in capsys.readouterr().out


def test_without_lightning_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "lightning.pytorch", None)
    monkeypatch.delitem(sys.modules, "uncollapse.diagnosis.lightning", raising=False)
    with pytest.raises(MissingExtraError, match=re.escape("pip install 'uncollapse[lightning]'")):
        uc.LightningWatch  # noqa: B018


@pytest.fixture
def _accelerate():
    """Its state, which is one for a process, is taken back."""
    yield
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()


@pytest.mark.usefixtures("_accelerate")
def test_accelerate_sees_the_same():
    accumulate = 2
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=accumulate)
    G, D, g, d = accelerator.prepare(*players())
    seen = Seen()
    watch = uc.watch(generator=G, discriminator=D, optimizers=[g, d], **seen.words)
    for step in range(STEPS):
        set_rates(step, g, d)
        for _, (real, z_d, z_g) in parts(step, accumulate):
            with accelerator.accumulate(G, D):
                accelerator.backward(loss_d(G, D, real, z_d))
                d.step()
                d.zero_grad()
                D.requires_grad_(False)
                accelerator.backward(loss_g(G, D, z_g))
                D.requires_grad_(True)
                g.step()
                g.zero_grad()
    assert seen.result(watch, G, D) == plainly(accumulate=accumulate)[0]


@pytest.mark.usefixtures("_accelerate")
def test_the_lines_for_accelerate_on_the_page_run():
    G, D, opt_g, opt_d = players()
    names = on_the_page("accelerate", {"uc": uc, "G": G, "D": D, "opt_g": opt_g, "opt_d": opt_d})
    names["accelerator"].backward(loss_g(names["G"], names["D"], batches()[0][2]))
    names["opt_g"].step()
    names["watch"].close()
    assert names["watch"].step == 1


def distributed() -> list[Any]:
    """The loop of one of several processes, whose gradients are averaged."""
    torch.distributed.init_process_group("gloo")
    inner = players()
    (G, D), (g, d) = map(nn.parallel.DistributedDataParallel, inner[:2]), inner[2:]
    seen = Seen()
    watch = uc.watch(generator=G, discriminator=D, optimizers=[g, d], **seen.words)
    for step, (real, z_d, z_g) in enumerate(batches()):
        set_rates(step, g, d)
        d.zero_grad()
        loss_d(G, D, real, z_d).backward()
        d.step()
        g.zero_grad()
        loss_g(G, D, z_g).backward()
        g.step()
    torch.distributed.destroy_process_group()
    return seen.result(watch, *inner[:2])


def test_processes_that_share_gradients_see_the_same():
    """Each has the whole batch: the mean of two equal gradients is either, to the last bit."""
    assert together(2, distributed) == 2 * [plainly()[0]]
