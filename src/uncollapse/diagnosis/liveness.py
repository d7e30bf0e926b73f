"""What of a loop is not seen, why as far as can be told, and the line that helps."""

from __future__ import annotations

from uncollapse.diagnosis.listening import Listener
from uncollapse.diagnosis.sorting import Sorter

BLIND = 20
"""Steps of somebody's optimisers after which nothing of G or D should be unseen."""
FOR_GOOD = 5
"""Rounds in a row in which something was missing, from which on that is said."""

LINE = "watch.observe(real=..., fake=..., d_real=..., d_fake=...)"


class Liveness:
    """Says what is not seen.

    Args:
        listener, sorter: what hears, and what sorts.

    Attributes:
        observed: whether the loop says itself what it does.
    """

    def __init__(self, listener: Listener, sorter: Sorter) -> None:
        self.listener = listener
        self.sorter = sorter
        self.observed = False

    def notes(self) -> list[str]:
        """In words; nothing in the first steps, and nothing if all is seen."""
        heart = self.listener.heartbeat
        if self.observed or max(heart.steps, heart.passes // 2) < BLIND:
            return []
        notes = [note for note in (self._blind(), self._off()) if note][:1]
        if self.listener.unheard:
            notes.append(
                "the generator's optimiser is not seen to step (its weights are moved by hand?): "
                "the discriminator's steps are counted in its place"
            )
        return notes

    def _blind(self) -> str:
        """Why nothing can be told of the discriminator's batches, if that is so."""
        heart, sorter = self.listener.heartbeat, self.sorter
        reason = ""
        if not heart.calls["discriminator"]:
            reason = self._uncalled()
        elif heart.mute >= heart.calls["discriminator"]:
            reason = (
                "no answer of the discriminator can be looked at: it is called under vmap, or "
                "gives nothing with a number for each sample"
            )
        elif not heart.steps:
            reason = "no optimiser of torch is seen to step"
        elif not sorter.slots:
            reason = (
                "no gradient goes from the discriminator into the generator in a turn of its own: "
                "it learns from rewards, both learn in one backward pass, or its fakes are cut off"
            )
        elif sorter.signs:
            if sorter.unsorted < FOR_GOOD:
                return ""
            reason = "which rows the discriminator takes for real cannot be told from its gradients"
        elif sorter.images:
            reason = "the discriminator answers with an image of its input (an autoencoder)"
        elif sorter.joined:
            reason = "fakes and real samples are joined in one batch in the generator's turn too"
        elif sorter.off:
            return ""
        else:
            reason = "the discriminator's answers are not one number a sample, pulled one way by G"
        return f"blind: {reason}. Add {LINE} to the loop" if reason else ""

    def _uncalled(self) -> str:
        heart = self.listener.heartbeat
        nets = self.listener.networks["discriminator"]
        if any(getattr(net, "_compiled_call_impl", None) is not None for net in nets):
            return (
                "the discriminator was compiled in place by D.compile(), where nothing can be "
                "seen: call C = torch.compile(D) and give the watch C"
            )
        if heart.reached["discriminator"]:
            return (
                "the discriminator learns, and no call of it is seen: it is called as "
                "D.forward(...) instead of D(...), or it is torch.compile(D) that is called: "
                "give the watch what the loop calls"
            )
        if heart.strange and not any(heart.held.values()):
            return (
                "the optimisers that step hold other weights than those of the generator and the "
                "discriminator, and neither is called: the watch was given other modules"
            )
        return ""

    def _off(self) -> str:
        """Whether D has no say, on purpose perhaps."""
        heart, sorter = self.listener.heartbeat, self.sorter
        steps = self.listener.steps["generator"]
        if not heart.calls["discriminator"]:
            return (
                f"the discriminator has not been called in {steps} steps: it is off or comes "
                f"later. If it is not, another module is called: add {LINE} to the loop"
            )
        if sorter.dry >= FOR_GOOD:
            return (
                f"the discriminator has had no say in the generator's last {sorter.dry} turns "
                "that were looked at: it is off"
            )
        if sorter.off >= FOR_GOOD:
            return (
                f"the discriminator's gradients were zero in the last {sorter.off} rounds that "
                "were looked at: its loss is multiplied by zero, so it is off"
            )
        return ""
