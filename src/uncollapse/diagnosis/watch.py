"""Watches anybody's loop: two lines, and nothing of the loop is changed."""

from __future__ import annotations

import atexit
import contextlib
import gc
import math
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import torch
from torch import Tensor, nn

from uncollapse.diagnosis.advice import Facts, Kind, advise
from uncollapse.diagnosis.averages import Averages
from uncollapse.diagnosis.bugs import Preflight
from uncollapse.diagnosis.clock import BURST, Clock
from uncollapse.diagnosis.counts import Categories, Variety
from uncollapse.diagnosis.direct import Direct
from uncollapse.diagnosis.eyes import Eyes, Features
from uncollapse.diagnosis.failures import beside
from uncollapse.diagnosis.healthy import Healthy
from uncollapse.diagnosis.judging import Judge
from uncollapse.diagnosis.kept import Kept
from uncollapse.diagnosis.listening import Listener
from uncollapse.diagnosis.liveness import Liveness
from uncollapse.diagnosis.places import Shown
from uncollapse.diagnosis.pools import Recent, Reservoir
from uncollapse.diagnosis.pulse import Pulse
from uncollapse.diagnosis.said import WHAT, answers_of, check_pair, check_said, rows_of
from uncollapse.diagnosis.seen import ROWS, Turn, some
from uncollapse.diagnosis.signals import SIGNALS, Reference, Window, effective, follow
from uncollapse.diagnosis.sorting import Glimpse, Sorter
from uncollapse.diagnosis.symbols import Symbols
from uncollapse.diagnosis.thresholds import (
    BEFORE,
    BINS,
    CALMING,
    DROPPED,
    EACH,
    FAKES,
    FEWEST,
    REALS,
)
from uncollapse.diagnosis.unseen import Unseen
from uncollapse.diagnosis.verdict import Bug, Verdict
from uncollapse.diagnosis.widths import narrowest
from uncollapse.errors import CheckpointError, ConfigError, one_line

LONG = 200
"""Steps after which it is said that too little was seen to compare."""
_OPEN: weakref.WeakSet[Watch] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """What a loop showed last is written where nobody has closed its watch."""
    for watch in tuple(_OPEN):
        with contextlib.suppress(Exception):
            watch.close()


def is_watched(folder: Path) -> bool:
    """Whether an open watch of this process writes into a folder."""
    at = folder.resolve()

    def held() -> bool:
        kept = [watch.kept for watch in _OPEN]
        return any(one is not None and one.folder.resolve() == at for one in kept)

    if not held():
        return False
    gc.collect()  # one that nobody holds any more is in nobody's way
    return held()


class Watch:
    """See :func:`uncollapse.diagnosis.attaching.watch`.

    Attributes:
        step: G's steps so far (D's, if G never steps).
        bugs: usual mistakes that the loop shows.
    """

    def __init__(
        self,
        generators: Sequence[nn.Module],
        discriminators: Sequence[nn.Module],
        *,
        optimizers: Sequence[Any],
        real: Tensor | None,
        labels: Tensor | None,
        features: Features | None,
        every: int | Literal["auto"],
        overhead: float,
        out: Path | None,
        on_change: Callable[[Verdict], None] | None,
        expect: Sequence[str],
        averages: Sequence[nn.Module] = (),
        held_out: Tensor | None = None,
        names: Sequence[str] = (),
        shown: Shown | None = None,
        keep_healthy: bool = False,
    ) -> None:
        beat = None if out is None else self._beat
        self.listener = Listener(
            generators, discriminators, self._turn, self._passed, beat, averages
        )
        self.sorter = Sorter()
        self.liveness = Liveness(self.listener, self.sorter)
        self.clock = Clock(every, overhead)
        self.pulse = Pulse(generators, overhead, self.clock.hurry, self._glanced)
        self.direct = Direct()
        self.healthy = (
            Healthy(generators, discriminators, optimizers, overhead) if keep_healthy else None
        )
        self.judge = Judge()
        self.preflight = Preflight(generators, discriminators, optimizers, expect, real)
        self.unseen = None if held_out is None else Unseen(held_out)
        self.averages = Averages(self.listener, generators, averages)
        self._given, self._names = (real, labels), names
        self._take(real, labels)
        self.own_features = features
        self.kept = None if out is None else Kept(out)
        if out is not None:
            _OPEN.add(self)
        self.shown = shown
        self.on_change = on_change
        self._eyes: Eyes | None = None
        self._reference: Reference | None = None
        self._fitted = 0
        self._history: dict[str, float] = {}
        self._values: dict[str, float] = {}
        self._glimpses = 0
        self._told: Glimpse | None = None
        self._failed = ""
        self._said: tuple[str, str | None, int] = ("warming-up", None, 0)
        self._shares: dict[str, float] = {}
        self._facts = Facts()

    # What people ask ------------------------------------------------------------------------

    @property
    def step(self) -> int:
        """G's steps so far, or D's if G never steps."""
        steps = self.listener.steps
        return steps["generator"] or steps["discriminator"]

    @property
    def verdict(self) -> Verdict:
        """How the run stands now."""
        verdict = self.judge.verdict(self.step)
        shares = tuple(self._shares[name] for name in verdict.lost if name in self._shares)
        shares = shares if len(shares) == len(verdict.lost) else ()
        advice = () if verdict.failure is None else advise(verdict.failure, self.facts)
        return replace(
            verdict, bugs=self.bugs, notes=tuple(self._notes()), shares=shares, advice=advice
        )

    @property
    def facts(self) -> Facts:
        """What is known of the loop, for advice."""
        of_g, of_d = (self.listener.settings(side) for side in ("generator", "discriminator"))
        rates = [None if "lr" not in one else float(one["lr"]) for one in (of_g, of_d)]
        betas = of_d.get("betas")
        return replace(
            self._facts,
            rate_g=rates[0],
            rate_d=rates[1],
            beta=None if betas is None else float(betas[0]),
            few=None if self._reference is None else self._reference.all_known,
            narrowest=narrowest(chain(*self.listener.networks.values())),
        )

    @property
    def bugs(self) -> tuple[Bug, ...]:
        """What the preflight found, the surest first."""
        return tuple(self.preflight.bugs)

    @property
    def signals(self) -> dict[str, dict[str, Any]]:
        """Each signal's latest value, with what it is, its range and what is healthy."""
        return {
            signal.name: {
                "value": self._values.get(signal.name),
                "what": signal.what,
                "range": (signal.low, signal.high),
                "healthy": signal.healthy,
                "void": signal.void,
            }
            for signal in SIGNALS
        }

    @property
    def examples(self) -> dict[str, Tensor]:
        """Real samples of what the verdict says is lost, by name: ``[k, *shape]``, 8 at most.

        As the discriminator is given them. Of large images fewer are kept; none of a class that
        nobody said the real samples of (``labels=``).
        """
        return {name: samples.clone() for name, samples in self._examples().items()}

    def healthy_state(self) -> dict[str, Any] | None:
        """The networks as they were while the run was last healthy, with ``keep_healthy=True``.

        Returns:
            ``step``, and ``generators``, ``discriminators`` and ``optimizers``: a ``state_dict``
            of each, in the order in which the watch was given them, in ordinary memory. Of a run
            that fails they are of 100 steps and more before that showed, where there is such a
            copy. None if the run has not been healthy yet.

        Raises:
            ConfigError: nothing is kept.
        """
        if self.healthy is None:
            raise ConfigError("watch: healthy_state() needs uc.watch(..., keep_healthy=True)")
        return self.healthy.state(self.judge.verdict(self.step).since)

    def scalars(self) -> dict[str, float]:
        """The latest numbers, for any tracker."""
        return dict(self._values)

    def close(self) -> None:
        """Takes off every hook; what was seen can still be asked for."""
        self.listener.close()
        self.pulse.awake = False
        self.preflight.close()
        self._beat(ended=True)
        _OPEN.discard(self)  # another watch may go on in its folder

    def __repr__(self) -> str:
        verdict = self.verdict
        failure = "" if verdict.failure is None else f" ({verdict.failure})"
        names = ", ".join(bug.name for bug in verdict.bugs)
        more = f"; bugs: {names}" if names else ""
        more += f"; notes: {len(verdict.notes)}" if verdict.notes else ""
        return f"<watch: {verdict.state}{failure} at step {verdict.step}{more}>"

    def __enter__(self) -> Watch:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # What happens ---------------------------------------------------------------------------

    def _passed(self, rounds: int) -> int:
        """Rounds have passed unseen: how many more may."""
        return self._next_round(False, rounds)

    def _next_round(self, looked: bool, rounds: int = 1) -> int:
        """How many rounds may pass before this is asked again; G is glanced at meanwhile."""
        spent = self.listener.guard.so_far + self.pulse.guard.spent
        nap = self.clock.next_round(spent, looked, rounds)
        idle = nap > 0 and self.clock.every == "auto"
        self.pulse.next_round(idle, self.clock.hurried)
        return nap

    def _turn(self, turn: Turn) -> None:
        """A turn has ended: it may end a round."""
        self.averages.turn(turn)
        if any(call.penalised for call in turn.calls) and not self._facts.penalised:
            self._facts = replace(self._facts, penalised=True)
        self.direct.turn(turn)
        glimpse = self.sorter.turn(turn)
        if glimpse is not None and self._told is None:
            self._round(self.averages.of(glimpse))

    def observe(
        self,
        *,
        real: Tensor | None = None,
        fake: Tensor | None = None,
        d_real: Tensor | None = None,
        d_fake: Tensor | None = None,
        latents: Tensor | None = None,
        labels: Tensor | None = None,
        losses: Mapping[str, float] | None = None,
        gradients: Tensor | None = None,
        step: int | None = None,
    ) -> None:
        """Says what hooks cannot see, once a step or from each turn; any of it may be left out.

        From the first time on, samples and answers are those that are said, not those that are
        heard. A call with fakes ends a round, and takes what was said before it along.

        Args:
            real: real samples ``[n, *shape]``, as D is given them.
            fake: fakes likewise.
            d_real, d_fake: D's answers, larger for real.
            latents: ``[n, latent]`` that the fakes were made of.
            labels: classes ``[n]`` of the fakes, and of the real samples in the same call.
            losses: numbers by name, looked at for NaN.
            gradients: of G's loss at fakes of its turn, ``[n, *shape]``.
            step: G's steps so far; one more than last time, unless said.

        Raises:
            ConfigError: something is no tensor.
            ShapeError: real samples and fakes of different shapes, an empty batch, or latents of
                another number than the fakes of the same call.
        """
        check_said(
            real=real, fake=fake, d_real=d_real, d_fake=d_fake, latents=latents, labels=labels,
            gradients=gradients,
        )  # fmt: skip
        self._check_pair(rows_of(real), rows_of(fake))
        self.liveness.observed = True
        before = self._told or self._begin_told()
        if step is not None:
            self.listener.steps["generator"] = step
        elif fake is not None and not self.listener.hears_steps:
            self.listener.steps["generator"] += 1
        for name, value in (losses or {}).items():
            if not torch.isfinite(torch.as_tensor(value)).all():
                self.judge.broken(self.step, f"the losses '{name}'")
        rows: dict[str, Any] = {
            "real": rows_of(real),
            "fake": rows_of(fake),
            "d_real": answers_of(d_real),
            "d_fake": answers_of(d_fake),
            "gradients": None if gradients is None else rows_of(gradients.flatten(1).norm(dim=1)),
            "real_labels": None if real is None else rows_of(labels),
            "fake_labels": None if fake is None else rows_of(labels),
        }
        said = {name: value for name, value in rows.items() if value is not None}
        told = self._told = replace(before, step=self.step, **said)
        if told.fake is not None:
            if latents is not None:
                told = replace(told, latents=(some(latents, ROWS), told.fake))
            self._told = Glimpse(self.step)
            self._round(told)
        self._beat()

    def _check_pair(self, real: Tensor | None, fake: Tensor | None) -> None:
        """Refuses samples that do not fit each other, or those that were said before."""
        symbols, told, given = Symbols(), self._told, self._given[0]
        if told is not None:
            symbols.restore(self.symbols.state())
        elif given is not None and given.is_floating_point():
            symbols.learn(given)
        if real is None and told is not None:
            known = self.reals.rows()[:1] if self.given is None and len(self.reals) else None
            real = known if told.real is None else told.real
        check_pair(symbols, real, fake)

    def _begin_told(self) -> Glimpse:
        """What was heard before the first word may have had another form."""
        self._take(*self._given)
        self._eyes = self._reference = None
        return Glimpse(self.step)

    def _take(self, real: Tensor | None, labels: Tensor | None) -> None:
        """Begins with real samples that were given, or with none."""
        self.given, self.labels, self._unfit = real, None if labels is None else labels[:REALS], ""
        self.fakes, self.reals = Recent(FAKES + BEFORE, EACH), Reservoir(REALS)
        self.categories, self.variety = Categories(self._names), Variety()
        self.symbols = Symbols()
        if real is not None:
            if real.is_floating_point():  # whole numbers may be codes of a table yet
                self.symbols.learn(real)
            self.reals.add(real[:REALS])
            self.categories.add_real(real, whole=True)

    def _round(self, glimpse: Glimpse) -> None:
        """A round was seen: its samples are kept, signals are taken, a verdict may change."""
        self._glimpses += 1
        self._check(glimpse)
        glimpse = self._read(glimpse)
        self._keep(glimpse)
        self._learn(glimpse)
        self._pace(glimpse)
        self._look(glimpse)
        self._tell()
        self.listener.nap(self._next_round(looked=True))

    def _glanced(self, samples: Tensor, places: Tensor) -> None:
        """Keeps what G gave just before a look, where D is given just that."""
        if self.clock.hurried and self._reference is not None:
            follow(self._history, effective(places) / self._reference.regions(len(places)))
            self._keep(self._read(Glimpse(self.step + 1, fake=samples)))

    def _learn(self, glimpse: Glimpse) -> None:
        """Facts of the loop that a round shows."""
        fake, latents = glimpse.fake, glimpse.latents
        if fake is None:
            return
        kind: Kind = "text" if self.symbols.known else "images" if fake.ndim == 4 else "points"
        self._facts = replace(
            self._facts,
            kind="table" if kind == "points" and self.categories.columns else kind,
            batch=len(fake),
            latent=None if latents is None else latents[0][0].numel(),
            conditions=glimpse.fake_labels is not None,
            penalised=bool(self._facts.penalised),
        )

    def _pace(self, glimpse: Glimpse) -> None:
        """How many rounds in a row are looked at, and whether glances stand for most of them."""
        if glimpse.fake is None:
            return
        self.clock.burst = max(BURST, math.ceil(FAKES / 2 / min(EACH, len(glimpse.fake))))
        whole = len(self.listener.networks["generator"]) == 1 and not self.listener.averages
        heard = self._told is None and glimpse.fake_labels is None
        self.clock.direct = whole and heard and self.direct.now

    def _check(self, glimpse: Glimpse) -> None:
        for name in ("fake", "real", "d_real", "d_fake", "fooled"):
            rows = getattr(glimpse, name)
            if rows is not None and not torch.isfinite(rows).all():
                self.judge.broken(glimpse.step, WHAT[name])

    def _read(self, glimpse: Glimpse) -> Glimpse:
        """Lines of symbols as whole numbers; all else as it is."""
        fake, real = glimpse.fake, glimpse.real
        whole = fake if fake is not None and not fake.is_floating_point() else None
        if self.symbols.learn(real) or self.symbols.learn(whole):
            self._eyes = self._reference = None
            self.categories = Categories()
        if not self.symbols.known:
            return glimpse
        return replace(
            glimpse,
            fake=None if fake is None else self.symbols(fake),
            real=None if real is None else self.symbols(real),
        )

    def _keep(self, glimpse: Glimpse) -> None:
        if glimpse.fake is not None:
            self.fakes.add(glimpse.step, glimpse.fake)
            given = self.given
            if given is not None and self.symbols(given[:1]).shape[1:] != glimpse.fake.shape[1:]:
                self._forget_given(glimpse.fake)
            if not self.symbols.known:
                self.categories.add_fake(glimpse.fake)
        if glimpse.real is not None and self.given is None:
            self.reals.add(glimpse.real)
            if not self.symbols.known:
                self.categories.add_real(glimpse.real)

    def _forget_given(self, fake: Tensor) -> None:
        """What was given as real has another shape than what D sees: D's own is taken."""
        assert self.given is not None
        self._unfit = (
            f"real= has samples of shape {list(self.given.shape[1:])}, and the discriminator "
            f"sees {list(fake.shape[1:])}: what it sees as real is taken instead"
        )
        self.given = self.labels = None
        self.reals, self.categories = Reservoir(REALS), Categories()
        self.symbols = Symbols()

    def _look(self, glimpse: Glimpse) -> None:
        if glimpse.fake is None or len(self.reals) < 2 or self.judge.over:
            return
        begun = time.perf_counter()
        eyes, reference = self._fit(glimpse.fake.device)
        batch = eyes(glimpse.fake)
        if glimpse.fake_labels is not None:
            self.variety.add("fake", batch, glimpse.fake_labels)
        if glimpse.real is not None and glimpse.real_labels is not None:
            self.variety.add("real", eyes(glimpse.real), glimpse.real_labels)
        window = Window(
            glimpse, batch, batch, reference, self.categories, self.variety, self._history,
            self.listener.moving,
        )  # fmt: skip
        self._measure(window, heavy=False)
        fewest = FEWEST if self.given is None else min(FEWEST, len(self.given))
        enough = len(self.fakes) >= FEWEST and len(self.reals) >= fewest
        if enough and self.clock.compares(self._moved() or self.judge.unsure):
            raw = self.fakes.rows()
            held_out = self._held_out(glimpse, eyes)
            real = None if glimpse.real is None else eyes(glimpse.real)
            seen = eyes(raw)
            before, fakes, raw = seen[:-FAKES], seen[-FAKES:], raw[-FAKES:]
            window = replace(window, fakes=fakes, before=before, raw=raw, real=real, **held_out)
            self._measure(window, heavy=True)
            self.judge.look(glimpse.step, self._values | beside(window), window)
            self._weigh(window)
            if self.kept is not None:
                self.kept.compared(glimpse.step, self._values)
            if self.healthy is not None:
                fine = self.judge.verdict(glimpse.step).state == "healthy" and not self.judge.unsure
                self.healthy.look(glimpse.step, fine)
            known, now = self._history.get("compared", 1.0), self._values.get("regions", 1.0)
            self._history["compared"] = known + CALMING * (now - known)
            self.clock.compared(time.perf_counter() - begun)

    def _weigh(self, window: Window) -> None:
        """Takes the shares of what may be said to be lost, and forgets those of all else."""
        names = dict.fromkeys(name for lost in self.judge.lost.values() for name in lost)
        if names:
            known = self._shares | {name: part.share for name, part in window.gone.items()}
            self._shares = {name: known[name] for name in names if name in known}

    def _held_out(self, glimpse: Glimpse, eyes: Eyes) -> dict[str, Any]:
        """What held-out samples show, as parts of a window; nothing without any."""
        unseen = self.unseen
        if unseen is None or unseen.refused or glimpse.real is None:
            return {}
        if not unseen.fits(glimpse.real):
            return {}
        signs = {at: sign for (net, at), sign in self.sorter.signs.items() if net == 0}
        D = self.listener.networks["discriminator"]
        return {
            "unseen": eyes(unseen.rows),
            "overfit": unseen.order(D[0], glimpse.real, signs) if D else None,
        }

    def _measure(self, window: Window, heavy: bool) -> None:
        for signal in SIGNALS:
            if signal.heavy == heavy and len(window.fakes) >= signal.fakes:
                value = signal(window)
                if value is not None:
                    self._values[signal.name] = value

    def _moved(self) -> bool:
        """Whether a batch is in far fewer places than usual, and than at comparisons before: then
        samples are compared at once."""
        now, before = self._values.get("regions", 1.0), self._history.get("compared", 1.0)
        return now < DROPPED * min(before, self._history.get("usual", now))

    def _fit(self, device: torch.device) -> tuple[Eyes, Reference]:
        """What samples are compared by, made anew whenever twice as many real ones are known.

        All of it is where fakes are: nothing waits for a GPU to send its samples.
        """
        if self._eyes is None or self._reference is None or len(self.reals) >= 2 * self._fitted:
            raw = self.symbols(self.reals.rows()).to(device)
            self._fit_on(raw.clone())  # the reservoir goes on changing
        elif self._reference.raw.device != device:  # of a state that was saved elsewhere
            self._fit_on(self._reference.raw.to(device))
        assert self._eyes is not None
        assert self._reference is not None
        return self._eyes, self._reference

    def _fit_on(self, raw: Tensor) -> None:
        self._fitted = len(raw)
        self._eyes = Eyes(raw, self.own_features, self.symbols)
        complete = self.given is not None and len(raw) < REALS
        shown = None if self.given is None else self.shown
        columns = self.categories.names
        seen = self._eyes(raw)
        self._reference = Reference(seen, BINS, raw, self.labels, complete, shown, columns)
        eyes, reference, symbols = self._eyes, self._reference, self.symbols
        self.pulse.look_by(
            symbols.shown(raw[:1]).shape[1:],
            lambda rows: reference.place(eyes(symbols(rows))),
            len(reference.bins),
        )

    def _notes(self) -> list[str]:
        """What cannot be seen, and what would help."""
        unkept = "" if self.kept is None else self.kept.failed
        notes = [note for note in (self._unfit, self._failed, unkept) if note]
        notes += [] if self.preflight.swapped else self.liveness.notes()
        if self.unseen is not None and self.unseen.refused:
            notes.append(self.unseen.refused)
        if self._glimpses:
            notes += self.averages.notes()
        if 0 < len(self.fakes) < FEWEST and self.step >= LONG:
            notes.append(
                f"only {len(self.fakes)} of the {FEWEST} fakes that a comparison takes have been "
                "seen: batches are small, and every=1 looks at each"
            )
        for guard in (self.listener.guard, self.pulse.guard, self.preflight.scout.guard):
            if guard.errors:
                notes.append(f"{guard.errors} things could not be looked at ({guard.last})")
        return notes

    def _tell(self) -> None:
        """Writes and calls back what has changed."""
        verdict = self.judge.verdict(self.step)
        now = verdict.state, verdict.failure, len(self.bugs)
        if now == self._said:
            return
        self._said = now
        full = self.verdict
        if self.kept is not None:
            self.kept.changed(full)
            self.kept.write(full, self._examples())
        if self.on_change is not None:
            try:
                self.on_change(full)
            except Exception as error:  # nothing is raised into somebody's step
                self._failed = f"on_change raised {type(error).__name__}: {error}"

    def _beat(self, ended: bool = False) -> None:
        """Keeps how it stands, now and then also where nothing changes, or nothing is seen."""
        if self.kept is not None and (ended or self.kept.due):
            self.kept.write(self.verdict, self._examples(), ended)

    def _examples(self) -> dict[str, Tensor]:
        lost, known = self.judge.verdict(self.step).lost, self.judge.examples
        return {name: known[name] for name in lost if name in known}

    # Checkpoints ----------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """All that was seen, as tensors and plain values."""
        return {
            "steps": dict(self.listener.steps),
            "signs": [[*head, sign] for head, sign in self.sorter.signs.items()],
            "fakes": self.fakes.state(),
            "reals": self.reals.state(),
            "fitted": None if self._reference is None else self._reference.raw.cpu(),
            "judge": self.judge.state(),
            "bugs": self.preflight.state(),
            "clock": self.clock.state(self.listener.napped),
            "weights": self.listener.moving.state(),
            "unseen": None if self.unseen is None else self.unseen.turn,
            "glimpses": self._glimpses,
            "said": list(self._said),
            "told": self._told is not None,
            "symbols": self.symbols.state(),
            "categories": self.categories.state(),
            "variety": self.variety.state(),
            "history": dict(self._history),
            "values": dict(self._values),
            "shares": dict(self._shares),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on from a state; without ``reals`` and ``fitted``, with what the watch was given.

        Raises:
            CheckpointError: it is no state of a watch; all is as it was.
        """
        if not hasattr(state, "keys"):
            kind = type(state).__name__
            raise CheckpointError(f"watch: load_state_dict takes what state_dict gave, not {kind}")
        before = self.state_dict()
        lacking = before.keys() - {"reals", "fitted"} - state.keys()
        if lacking:
            some_of = ", ".join(map(repr, sorted(lacking)[:3]))
            raise CheckpointError(f"watch: load_state_dict: no state of a watch: without {some_of}")
        try:
            self._go_on_from(state)
        except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            self._go_on_from(before)
            raise CheckpointError(
                f"watch: load_state_dict: the state is damaged ({one_line(error)})"
            ) from error
        if self.kept is not None:
            self.kept.go_on(self.step)

    def _go_on_from(self, state: Mapping[str, Any]) -> None:
        self.listener.steps = {side: int(state["steps"][side]) for side in self.listener.steps}
        self.sorter.signs = {(net, at): sign for net, at, sign in state["signs"]}
        self.fakes.restore(state["fakes"])
        if "reals" in state:
            self.reals.restore(state["reals"])
        self.judge.restore(state["judge"])
        self.preflight.restore(state["bugs"], self.step)
        self.clock.restore(state["clock"])
        self.listener.nap(0 if self.clock.looks else 1)
        self.listener.moving.restore(state["weights"])
        if self.unseen is not None and state["unseen"] is not None:
            self.unseen.turn = int(state["unseen"])
        self._glimpses = int(state["glimpses"])
        self._said = tuple(state["said"])
        self._told = Glimpse(self.step) if state["told"] else None
        self.symbols.restore(state["symbols"])
        self.categories.restore(state["categories"])
        self.variety.restore(state["variety"])
        self._history, self._values = dict(state["history"]), dict(state["values"])
        self._shares = dict(state["shares"])
        self._eyes = self._reference = None
        self._fitted = 0
        if state.get("fitted") is not None:
            self._fit_on(state["fitted"])
        self.averages.begin()
