"""The usual bugs of a GAN's loop, a file each; the preflight looks for all of them.

Each :class:`~uncollapse.diagnosis.bugs.check.Check` is told what the
:class:`~uncollapse.diagnosis.bugs.scout.Scout` hears in the first rounds, and says what it finds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from torch import Tensor, nn

from uncollapse.diagnosis.bugs.absent_penalty import AbsentPenalty
from uncollapse.diagnosis.bugs.batch_statistics import BatchStatistics
from uncollapse.diagnosis.bugs.batchnorm_of_one import BatchNormOfOne
from uncollapse.diagnosis.bugs.blind_discriminator import BlindDiscriminator
from uncollapse.diagnosis.bugs.broadcast_loss import BroadcastLoss
from uncollapse.diagnosis.bugs.check import Check, Scene
from uncollapse.diagnosis.bugs.constant_fakes import ConstantFakes
from uncollapse.diagnosis.bugs.constant_labels import ConstantLabels
from uncollapse.diagnosis.bugs.dead_penalty import DeadPenalty
from uncollapse.diagnosis.bugs.double_sigmoid import DoubleSigmoid
from uncollapse.diagnosis.bugs.eval_mode import EvalMode
from uncollapse.diagnosis.bugs.frozen_network import FrozenNetwork
from uncollapse.diagnosis.bugs.gradients_accumulate import GradientsAccumulate
from uncollapse.diagnosis.bugs.heard import Backward, Drawn, Judged, Penalty, Stepped
from uncollapse.diagnosis.bugs.latent_constant import LatentConstant
from uncollapse.diagnosis.bugs.latent_reused import LatentReused
from uncollapse.diagnosis.bugs.missing_detach import MissingDetach
from uncollapse.diagnosis.bugs.missing_sigmoid import MissingSigmoid
from uncollapse.diagnosis.bugs.nan_prone_penalty import NanPronePenalty
from uncollapse.diagnosis.bugs.range_mismatch import RangeMismatch
from uncollapse.diagnosis.bugs.relativistic_labels import RelativisticLabels
from uncollapse.diagnosis.bugs.same_samples import SameSamples
from uncollapse.diagnosis.bugs.scout import Scout
from uncollapse.diagnosis.bugs.subtracted_penalty import SubtractedPenalty
from uncollapse.diagnosis.bugs.swapped_labels import SwappedLabels
from uncollapse.diagnosis.bugs.swapped_networks import SwappedNetworks
from uncollapse.diagnosis.bugs.untrained_network import UntrainedNetwork
from uncollapse.diagnosis.bugs.wrong_optimizer_parameters import WrongOptimizerParameters
from uncollapse.diagnosis.bugs.wrong_zero_grad import WrongZeroGrad
from uncollapse.diagnosis.verdict import Bug
from uncollapse.errors import ConfigError, hint

CHECKS: tuple[type[Check], ...] = (
    RangeMismatch,
    MissingDetach,
    WrongOptimizerParameters,
    ConstantLabels,
    SwappedLabels,
    RelativisticLabels,
    BroadcastLoss,
    GradientsAccumulate,
    WrongZeroGrad,
    FrozenNetwork,
    UntrainedNetwork,
    SwappedNetworks,
    EvalMode,
    DoubleSigmoid,
    MissingSigmoid,
    NanPronePenalty,
    DeadPenalty,
    SubtractedPenalty,
    AbsentPenalty,
    LatentConstant,
    LatentReused,
    ConstantFakes,
    SameSamples,
    BatchStatistics,
    BatchNormOfOne,
    BlindDiscriminator,
)
NAMES = tuple(check.name for check in CHECKS)


class Preflight:
    """Looks for all bugs in the first rounds, and then takes its hooks off.

    Args:
        generators, discriminators: as the loop calls them.
        optimizers: that somebody named.
        expect: names of bugs that are meant.
        real: real samples that somebody named, ``[n, *shape]``.

    Attributes:
        bugs: what was found, the surest first; each once, with the step at which it first was.

    Raises:
        ConfigError: ``expect`` names no bug.
    """

    def __init__(
        self,
        generators: Sequence[nn.Module],
        discriminators: Sequence[nn.Module],
        optimizers: Sequence[Any],
        expect: Sequence[str],
        real: Tensor | None = None,
    ) -> None:
        expect = [expect] if isinstance(expect, str) else expect
        for name in expect:
            if name not in NAMES:
                raise ConfigError(
                    f"watch: expect: no bug is called {name!r}.{hint(name, NAMES)} "
                    f"Known: {', '.join(NAMES)}"
                )
        self.bugs: list[Bug] = []
        self._before = 0
        self.scout = Scout(generators, discriminators, self)
        self.scene = Scene(generators, discriminators, optimizers, real, self.scout)
        self.checks = [check(self.scene) for check in CHECKS if check.name not in expect]

    @property
    def swapped(self) -> bool:
        """Whether the watch was given the two networks the other way round."""
        return any(bug.name == SwappedNetworks.name for bug in self.bugs)

    def close(self) -> None:
        """Takes all hooks off."""
        self.scout.close()

    def state(self) -> list[dict[str, Any]]:
        """What was found, as plain values."""
        return [asdict(bug) for bug in self.bugs]

    def restore(self, state: Sequence[Mapping[str, Any]], steps: int) -> None:
        """Goes on from a state, after so many steps; the first rounds from here are looked at."""
        self.bugs = [Bug(**bug) for bug in state]
        self._before = steps

    def drawn(self, drawn: Drawn) -> None:
        """A generator was called."""
        self._note(bug for check in self.checks for bug in check.drawn(drawn))

    def judged(self, judged: Judged) -> None:
        """A discriminator was called."""
        self._note(bug for check in self.checks for bug in check.judged(judged))

    def passed(self, passed: Backward) -> None:
        """A backward pass is through."""
        self._note(bug for check in self.checks for bug in check.passed(passed))

    def stepped(self, stepped: Stepped) -> None:
        """An optimiser has stepped."""
        self.scene.new_step(stepped)
        self._note(bug for check in self.checks for bug in check.stepped(stepped))

    def penalties(self, penalties: list[Penalty]) -> None:
        """D has stepped: gradients at its inputs since its last step."""
        self._note(bug for check in self.checks for bug in check.penalties(penalties))

    def _note(self, found: Iterable[Bug]) -> None:
        steps = self.scout.steps
        step = self._before + (steps["generator"] or steps["discriminator"])
        for bug in found:
            if not any(bug.name == known.name and bug.where == known.where for known in self.bugs):
                self.bugs.append(replace(bug, step=step))
        self.bugs.sort(key=lambda bug: -bug.sure)
