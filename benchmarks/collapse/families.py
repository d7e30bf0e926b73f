"""Which runs the set is made of, and how it is split. Chosen before any of them was made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from task import Setting

OBJECTIVES = (
    "non-saturating-r1", "relativistic", "hinge-r1", "non-saturating", "relativistic", "wgan-gp",
    "non-saturating-r1", "hinge",
)  # fmt: skip
"""Most of them have a penalty, without which few runs are healthy."""
LOOPS = (
    "plain", "twice", "shared", "undetached", "concatenated", "toggled", "replayed", "alternate",
    "accumulated",
)  # fmt: skip

MEANT_WELL: dict[str, dict[str, Any]] = {
    "base": {},
    "slow-start": {"rates": (2e-4, 2e-4), "beta": 0.9, "longer": 1.5},
    "large-batch": {"batch": 256},
    "few-steps": {"longer": 0.5},
    "rates-fall": {"then": "rates-fall", "at": 0.6},
    "wide": {"widths": (128, 128)},
    "fast-d": {"rates": (5e-4, 2e-3)},
}
"""What people do whose runs should go well; whether they do, truth says."""
ILL: dict[str, dict[str, Any]] = {
    "slow-d": {"rates": (1e-3, 5e-5)},
    "d-slows": {"then": "d-slows"},
    "d-stops": {"then": "d-stops"},
    "rates-jump": {"then": "rates-jump"},
    "g-warms": {"then": "g-warms", "at": 0.5},
    "d-momentum": {"then": "d-momentum"},
    "momentum": {"beta": 0.9},
    "fast": {"rates": (2e-2, 2e-2)},
    "small-batch": {"batch": 8},
    "narrow-g": {"narrow": (3, None)},
    "latent-1": {"latent": 1},
    "tiny-d": {"narrow": (None, 4)},
    "few-data": {"few": 24, "longer": 1.5},
    "d-far-ahead": {"rates": (2e-4, 4e-3), "objective": "saturating"},
    "no-penalty": {"objective": "wgan-unclipped"},
}
"""Honest causes of failures; whether they do harm, truth says."""
CAUSES = MEANT_WELL | ILL

SEVERAL: dict[str, int] = {
    "ring8": 7, "grid25": 6, "unequal": 7, "ten": 7, "digits": 8, "table": 7, "text": 6,
    "conditional": 4, "packed": 4, "mnist": 3, "mnist28": 1, "fashion": 3, "photographs": 1,
}  # fmt: skip
"""Runs of each cause."""
BASE: dict[str, Setting] = {
    "ring8": Setting("ring8", "mlp", "", "", "", 2000),
    "grid25": Setting("grid25", "mlp", "", "", "", 3000, widths=(128, 128), latent=8),
    "unequal": Setting("unequal", "mlp", "", "", "", 2500),
    "ten": Setting("ten", "mlp", "", "", "", 2500),
    "digits": Setting("digits", "dcgan", "", "", "", 1500, 64, widths=(16, 16)),
    "table": Setting("table", "table", "", "", "", 1600),
    "text": Setting("text", "writer", "", "", "", 1200),
    "conditional": Setting("ring8", "mlp-conditional", "", "conditional", "", 1000),
    "packed": Setting("unequal", "mlp-packed", "", "packed", "", 2500),
    "mnist": Setting("mnist", "dcgan", "", "", "", 1000, 64, beta=0.5, widths=(16, 16), latent=32),
    "fashion": Setting(
        "fashion", "dcgan", "", "", "", 1000, 64, beta=0.5, widths=(16, 16), latent=32
    ),
    "photographs": Setting(
        "photographs", "dcgan", "", "", "", 1000, 64, beta=0.5, widths=(16, 16), latent=32
    ),
    "mnist28": Setting(
        "mnist28", "conv28", "", "", "", 1000, 64, beta=0.5, widths=(16, 16), latent=32
    ),
}  # fmt: skip
OF_IMAGES = ("dcgan", "dcgan-no-norm", "patch")
OF_POINTS = ("mlp", "mlp", "mlp3")

MIDDLE = {"worlds": {"grid25", "text"}, "networks": {"dcgan-no-norm"}, "loops": {"undetached"}}
"""Held out of calibration; may be looked at."""
LAST = {
    "worlds": {"ten", "fashion", "photographs"}, "networks": {"patch"}, "loops": {"concatenated"}
}  # fmt: skip
"""Held out of everything until the final table, which is made once."""


def part(setting: Setting) -> str:
    """``calibration``, ``held-out`` or ``last``."""
    for name, of in (("last", LAST), ("held-out", MIDDLE)):
        if (
            setting.world in of["worlds"]
            or setting.network in of["networks"]
            or setting.loop in of["loops"]
        ):
            return name
    return "calibration"


def settings() -> Iterator[Setting]:
    """All runs, those of one world and cause far apart: any number of them is a fair sample."""
    for replicate in range(max(SEVERAL.values())):
        for place, (family, base) in enumerate(BASE.items()):
            if replicate >= SEVERAL[family]:
                continue
            for number, (cause, changes) in enumerate(CAUSES.items()):
                if family == "mnist28" and number % 2:  # they take a minute each
                    continue
                yield setting(base, cause, changes, replicate, 5 * place + 3 * number + replicate)


def setting(
    base: Setting, cause: str, changes: dict[str, Any], replicate: int, turn: int
) -> Setting:
    """One run: objectives, loops and networks take turns."""
    made: dict[str, Any] = {
        "objective": OBJECTIVES[(turn + replicate) % len(OBJECTIVES)],
        "loop": base.loop or LOOPS[turn % len(LOOPS)],
        "network": base.network,
    }
    of_its_kind = {"mlp": OF_POINTS, "dcgan": OF_IMAGES}.get(base.network, (base.network,))
    made["network"] = of_its_kind[(turn // 2) % len(of_its_kind)]
    if base.network == "table" and cause == "wide":
        made["network"] = "table-soft"
    if base.network == "mlp-conditional":
        weight = (0, 0, 30, 100)[replicate]
        made |= {"objective": ("non-saturating", "hinge")[turn % 2], "extra": {"weight": weight}}
    made |= {k: v for k, v in changes.items() if k not in ("longer", "narrow")}
    if made["objective"] == "wgan-gp" and not base.loop:  # with the steps of D of its paper
        made |= {"loop": "twice", "extra": {"critic": 5}}
    if base.network == "mlp-packed" and made.get("batch") == 8:
        made["batch"] = 16
    if "rates" in changes:
        scale = base.rates[0] / 1e-3
        made["rates"] = tuple(scale * rate for rate in changes["rates"])
    if cause == "wide" and base.widths < (64, 64) and base.world != "digits":
        made["widths"] = (32, 32)  # maps, which cost more than units
    made["steps"] = int(base.steps * changes.get("longer", 1))
    if "narrow" in changes:
        pairs = zip(changes["narrow"], base.widths, strict=True)
        made["widths"] = tuple(new or old for new, old in pairs)
    return replace(base, cause=cause, replicate=replicate, **made)
