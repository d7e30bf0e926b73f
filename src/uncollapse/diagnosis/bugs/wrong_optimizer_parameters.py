"""An optimiser that does not hold what it should."""

from __future__ import annotations

from collections.abc import Iterable

from uncollapse.diagnosis.bugs.check import Check, Row, Scene, held
from uncollapse.diagnosis.bugs.heard import Stepped
from uncollapse.diagnosis.bugs.scout import SIDES
from uncollapse.diagnosis.seen import Side
from uncollapse.diagnosis.verdict import Bug

SETTLED = 3
"""Steps after which every optimiser has shown itself."""
AGAIN = 3


class WrongOptimizerParameters(Check):
    """A network that no optimiser holds, while one holds the other's or a stranger's; or one
    optimiser that steps D with G's loss.
    """

    name = "wrong-optimizer-parameters"

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._row = Row()
        self._alone: dict[Side, set[tuple[int, int]]] = {side: set() for side in SIDES}

    def stepped(self, stepped: Stepped) -> Iterable[Bug]:
        if sum(self.scene.scout.steps.values()) == 2 * SETTLED:
            yield from self._held(stepped)
        yield from self._learns_both(stepped)

    def _held(self, stepped: Stepped) -> Iterable[Bug]:
        for side in SIDES:
            other: Side = "generator" if side == "discriminator" else "discriminator"
            yield from self._partly(side)
            for optimizer in self.scene.strange(side)[:1]:
                if held(optimizer) & self.scene.scout.weights[other]:
                    yield self.found(
                        self.scene.optimizer(optimizer),
                        stepped.line if optimizer is stepped.optimizer else "",
                        f"no optimiser holds the {side}'s parameters, and two hold the "
                        f"{other}'s: the {side} never learns",
                        f"make one of them with {side}.parameters()",
                    )
                else:
                    yield self.found(
                        self.scene.optimizer(optimizer),
                        "",
                        f"it holds parameters of neither network, and nothing holds the {side}'s, "
                        f"as when the {side} was copied or made anew after the optimiser: what "
                        "learns is not what is used",
                        f"make the optimiser after the {side} is final and on its device, with "
                        f"{side}.parameters()",
                        0.95,
                    )

    def _partly(self, side: Side) -> Iterable[Bug]:
        """Some parameters that learn are in no optimiser, and strangers of the same shapes are."""
        holds = [(optimizer, held(optimizer)) for optimizer in self.scene.optimizers]
        missing = self.scene.scout.weights[side] - set().union(*(ids for _, ids in holds))
        known = set().union(*self.scene.scout.weights.values())
        named = {
            id(p): (name, p)
            for net in self.scene.networks[side]
            for name, p in net.named_parameters()
        }
        lost = [named[i] for i in missing if i in named and named[i][1].requires_grad]
        for optimizer, ids in holds:
            if not lost or not ids & self.scene.scout.weights[side]:
                continue
            strangers = [
                p.shape
                for group in optimizer.param_groups
                for p in group["params"]
                if id(p) not in known
            ]
            # of buffers and unused layers there is no gradient, and they may be left out
            fed = [name for name, p in lost if p.grad is not None]
            if fed and any(p.shape in strangers for _, p in lost):
                yield self.found(
                    self.scene.optimizer(optimizer),
                    "",
                    f"{', '.join(sorted(fed)[:3])} of the {side} get gradients and are in no "
                    "optimiser; it holds parameters of the same shapes that are used nowhere, as "
                    "when a layer is replaced after the optimiser was made",
                    "make the optimiser after all layers are in place",
                )
            elif fed:
                yield self.found(
                    self.scene.optimizer(optimizer),
                    "",
                    f"{', '.join(sorted(fed)[:3])} of the {side} get gradients and are in no "
                    "optimiser: they never learn",
                    f"make the optimiser with all of {side}.parameters()",
                    0.6,
                )

    def _learns_both(self, stepped: Stepped) -> Iterable[Bug]:
        """G's loss moves D, as one optimiser holds both and D has its own besides."""
        heads = {
            (pull.call.network, pull.answer)
            for pull in self.scene.pulls(stepped)
            if bool(pull.rows.any())
        }
        if not stepped.both:
            self._alone[stepped.side] |= heads
            return
        if stepped.side != "discriminator":
            return
        fooling = stepped.own and all(
            pull.call.attached for one in stepped.own for pull in one.pulls
        )
        known = self._alone["discriminator"]
        if self._row(id(stepped.optimizer), bool(fooling and heads & known)) == AGAIN:
            yield self.found(
                self.scene.optimizer(stepped.optimizer),
                stepped.line,
                "it holds the generator's and the discriminator's parameters, so the "
                "generator's loss also moves the discriminator, which has an optimiser of its own",
                "make it with generator.parameters() only",
                0.95,
            )
