"""Equal budgets: as many steps for each run, or as many seconds.

A budget of seconds becomes steps before anything is trained. Runs are then as long as their plan
says, on whatever machine and however often they are stopped, so a comparison can be repeated and
gone on with exactly; a clock in the loop would make each of them another run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from uncollapse.errors import ConfigError

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}
WRITTEN = re.compile(r"([0-9]*\.?[0-9]+)\s*([smh]?)")


@dataclass(frozen=True)
class Budget:
    """What each replica may take.

    Attributes:
        amount: steps, or seconds.
        unit: "" for steps, else as it was written: "s", "m" or "h".
    """

    amount: float
    unit: str = ""

    @classmethod
    def of(cls, text: str | int | Budget) -> Budget:
        """``2000`` is steps; ``90s``, ``5m`` and ``1h`` are time.

        Raises:
            ConfigError: it is neither.
        """
        if isinstance(text, Budget):
            return text
        found = WRITTEN.fullmatch(str(text).strip())
        amount = float(found[1]) if found else 0.0
        if not found or amount <= 0 or (not found[2] and amount != int(amount)):
            raise ConfigError(
                f"a budget is a whole number of steps (2000), or time for each replica (90s, 5m, "
                f"1h), not '{text}'"
            )
        return cls(amount, found[2])

    @property
    def seconds(self) -> float | None:
        """Of each replica; None where it is steps."""
        return self.amount * UNITS[self.unit] if self.unit else None

    def steps(self, seconds_a_step: float) -> int:
        """How many fit.

        Args:
            seconds_a_step: of a replica; not looked at where the budget is steps.
        """
        whole = self.amount if self.seconds is None else self.seconds / seconds_a_step
        return max(1, int(whole))

    def __str__(self) -> str:
        return f"{self.amount:g}{self.unit}" if self.unit else str(int(self.amount))
