"""Ways in which training goes wrong, a file each."""

from __future__ import annotations

from uncollapse.diagnosis.failures.discriminator_wins import DiscriminatorAhead, DiscriminatorWins
from uncollapse.diagnosis.failures.divergence import Divergence
from uncollapse.diagnosis.failures.failure import Best, Failure, Look, Lost, beside
from uncollapse.diagnosis.failures.generator_wins import GeneratorWins
from uncollapse.diagnosis.failures.latent_ignored import LatentIgnored
from uncollapse.diagnosis.failures.memorisation import Memorisation
from uncollapse.diagnosis.failures.mode_collapse import ModeCollapse
from uncollapse.diagnosis.failures.mode_dropping import Falling, ModeDropping, PartsDropping
from uncollapse.diagnosis.failures.oscillation import Oscillation

FAILURES: tuple[Failure, ...] = (
    GeneratorWins(),
    Divergence(),
    DiscriminatorWins(),
    Memorisation(),
    LatentIgnored(),
    Oscillation(),
    ModeCollapse(),
    ModeDropping(),
    Falling(),
    DiscriminatorAhead(),
    PartsDropping(),
)
"""All of them; where several show as much, the first one is the verdict."""

__all__ = ["FAILURES", "Best", "Failure", "Look", "Lost", "beside"]
