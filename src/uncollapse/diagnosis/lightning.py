"""A callback for Lightning: the watch of a ``LightningModule`` whose optimisation is manual."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from uncollapse.diagnosis.attaching import watch
from uncollapse.diagnosis.judging import Judge
from uncollapse.diagnosis.verdict import Verdict
from uncollapse.diagnosis.watch import Watch
from uncollapse.errors import ConfigError, MissingExtraError, unknown

try:
    from lightning.pytorch import Callback, LightningModule, Trainer
except ImportError:
    raise MissingExtraError(
        "LightningWatch needs a package: pip install 'uncollapse[lightning]'"
    ) from None

ALARMS = ("collapsed", "failed")
PREFIX = "watch/"
"""Before the names of scalars, so that they stand together in a logger."""


class LightningWatch(Callback):
    """Watches a module while it is fitted, as :func:`uc.watch` does any loop.

        seen = uc.LightningWatch(generator="G", discriminator="D", stop=True)
        L.Trainer(callbacks=[seen]).fit(module, loader)
        print(seen.verdict)

    Scalars go to the trainer's loggers as ``watch/coverage`` and so on, every ``log_every_n_steps``
    batches, and can be monitored by other callbacks. A checkpoint of Lightning's holds the watch's
    state, and a fit from it goes on; any other fit begins a watch anew. With several processes each
    watches what it sees; checkpoints, loggers and ``out=`` have what the first one says.

    Args:
        generator: name of the module's attribute, dotted or not (``nets.G``), or several names.
        discriminator: likewise.
        stop: ends the training when the verdict is an alarm, of any process, and says why.
        words: of :func:`uc.watch`; ``ema`` may be a name, or names, likewise.

    Attributes:
        watch: of the present fit, or of the last one; None before the first.

    Raises:
        ConfigError: :func:`uc.watch` does not know a word; at the beginning of a fit: a name is no
            attribute, or :func:`uc.watch` does not take what it was given.
    """

    def __init__(
        self,
        generator: str | Iterable[str] = "generator",
        discriminator: str | Iterable[str] = "discriminator",
        *,
        stop: bool = False,
        **words: Any,
    ) -> None:
        known = set(inspect.signature(watch).parameters) - {"optimizers"}
        for word in words:
            if word not in known:
                raise unknown("word of LightningWatch", word, known | {"stop"})
        self.generator = _names(generator)
        self.discriminator = _names(discriminator)
        self.stop = stop
        self.words = words
        self.watch: Watch | None = None
        self._every = 0
        self._loaded: dict[str, Any] = {}

    @property
    def verdict(self) -> Verdict:
        """How the run stands now, in this process."""
        return Judge().verdict(0) if self.watch is None else self.watch.verdict

    @property
    def state_key(self) -> str:
        """Under which a checkpoint holds the state: another for each pair of players."""
        return f"LightningWatch:{','.join(self.generator)}:{','.join(self.discriminator)}"

    # What the trainer calls -----------------------------------------------------------------

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begins to watch."""
        self._close()
        others: dict[str, Any] = {} if trainer.is_global_zero else {"out": None}
        ema = self.words.get("ema")
        if isinstance(ema, str):
            ema = [ema]
        if ema is not None and not isinstance(ema, nn.Module):
            others["ema"] = [
                _module(pl_module, one) if isinstance(one, str) else one for one in ema
            ]
        self.watch = watch(
            generator=[_module(pl_module, name) for name in self.generator],
            discriminator=[_module(pl_module, name) for name in self.discriminator],
            optimizers=trainer.optimizers,
            **self.words | others,
        )
        self._every = trainer.log_every_n_steps  # type: ignore[attr-defined]
        if self._loaded:
            self.watch.load_state_dict(self._loaded)
            self._loaded = {}

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *batch: Any) -> None:
        """Logs scalars, and ends the training on an alarm."""
        batches = trainer.fit_loop.epoch_loop._batches_that_stepped  # the steps that loggers know
        if (batches + 1) % (self._every or 1):
            return
        if self._every:
            self._log(trainer, batches)
        if self.stop:
            alarm = self.verdict.state in ALARMS
            if alarm and not trainer.should_stop:
                logging.getLogger(__name__).warning("Training ends here. %s", self.verdict)
            # an alarm of one process ends all of them, at the same batch
            if trainer.strategy.reduce_boolean_decision(alarm, all=False):
                trainer.should_stop = True

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Watches no more."""
        self._close()

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Watches no more."""
        self._close()

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values."""
        return self._loaded if self.watch is None else self.watch.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """The next fit goes on from it."""
        self._loaded = state_dict

    def _log(self, trainer: Trainer, batches: int) -> None:
        """Not by the module's ``log``, which takes milliseconds for so many numbers."""
        assert self.watch is not None
        scalars = {PREFIX + name: value for name, value in self.watch.scalars().items()}
        trainer.callback_metrics.update({k: torch.tensor(value) for k, value in scalars.items()})
        for logger in trainer.loggers:
            logger.log_metrics(scalars, step=batches)

    def _close(self) -> None:
        if self.watch is not None:
            self.watch.close()


def _names(given: str | Iterable[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def _module(owner: nn.Module, name: str) -> nn.Module:
    """What a dotted name leads to."""
    found: Any = owner
    for part in name.split("."):
        if not hasattr(found, part):
            known = [at for at, _ in found.named_children()] if isinstance(found, nn.Module) else []
            raise unknown(f"attribute of {type(found).__name__}", part, known or ["none"])
        found = getattr(found, part)
    if not isinstance(found, nn.Module):
        kind = type(found).__name__
        raise ConfigError(f"LightningWatch: '{name}' must be a torch.nn.Module, not {kind}")
    return found
