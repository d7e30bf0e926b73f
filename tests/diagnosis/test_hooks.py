"""A watch is a guest: it breaks nothing, keeps nothing, and leaves nothing behind."""

from __future__ import annotations

import copy
import gc
import io
import pickle
import random
import sys
import weakref

import pytest
import torch
import torch.nn.functional as F
from loops.engines import Own, simple
from loops.parts import Truth, adam, latents, pair, points
from test_loops import begin, run, state
from torch import nn
from torch.optim import optimizer

import uncollapse as uc
from uncollapse.diagnosis import hooks, lineage, listening
from uncollapse.diagnosis.listening import Listener


def plain():
    """A loop and its truth."""
    torch.manual_seed(0)
    truth = Truth()
    return simple(truth), truth


def watched(loop, **words):
    return uc.watch(generator=loop.generator, discriminator=loop.discriminator, **words)


def hooks_on(*modules: nn.Module) -> int:
    """Hooks of modules and of their weights, and of all optimisers."""
    count = len(optimizer._global_optimizer_post_hooks) + len(optimizer._global_optimizer_pre_hooks)
    for module in modules:
        count += sum(len(m._forward_hooks) for m in module.modules())
        count += sum(len(p._backward_hooks or ()) for p in module.parameters())
    return count


@pytest.mark.parametrize(
    "broken",
    [
        (listening.Lineage, "made"),
        (listening.Lineage, "attached"),
        (Listener, "_at_fakes"),
        (Listener, "_end_pass"),
        (Listener, "_sides"),
        (uc.Watch, "_round"),
        (listening, "some"),
    ],
    ids=lambda broken: broken[1],
)
def test_no_error_of_ours_reaches_the_loop(monkeypatch, broken):
    """Errors are kept back, the training goes on as it would, and the notes say so."""

    def fails(*args):
        raise ValueError("ours")

    unwatched = run("simple", rounds=6)[-1]
    monkeypatch.setattr(*broken, fails)
    _, _, watch, _, kept = run("simple", watch=True, rounds=6)
    assert kept == unwatched
    assert watch.listener.guard.errors > 0
    assert "ValueError: ours" in " ".join(watch.verdict.notes)


def test_copies_and_files_carry_nothing_of_ours(tmp_path):
    loop, _truth = plain()
    G, D = loop.generator, loop.discriminator
    with watched(loop, every=1) as watch:
        loop.step()
        assert hooks_on(G, D) > 1
        copies = [copy.deepcopy(G), pickle.loads(pickle.dumps(G))]
        file = io.BytesIO()
        torch.save(G, file)
        assert b"uncollapse" not in file.getvalue() + pickle.dumps(G) + pickle.dumps(copies[0])
        file.seek(0)
        copies.append(torch.load(file, weights_only=False))
        calls = watch.listener.heartbeat.calls["generator"]
        for one in copies:
            one(latents())
            assert not any(p._backward_hooks for p in one.parameters())
        assert watch.listener.heartbeat.calls["generator"] == calls
        G(latents())
        assert watch.listener.heartbeat.calls["generator"] == calls + 1
    copies[0](latents())


def test_closing_takes_all_hooks_off():
    loop, _ = plain()
    before = hooks_on(loop.generator, loop.discriminator)
    watch = watched(loop)
    loop.step()
    fake = loop.generator(latents())
    answer = loop.discriminator(fake)  # its hook is on a tensor that outlives the watch
    assert hooks_on(loop.generator, loop.discriminator) > before
    watch.close()
    watch.close()
    assert hooks_on(loop.generator, loop.discriminator) == before
    F.softplus(-answer).mean().backward()
    assert watch.listener.guard.errors == 0
    assert not watch.listener._passes


def test_a_watch_that_nobody_holds_is_gone():
    loop, _ = plain()
    before = hooks_on(loop.generator, loop.discriminator)
    watch = watched(loop)
    loop.step()
    listener = weakref.ref(watch.listener)
    del watch
    gc.collect()
    assert listener() is None
    calls = hooks._LISTENERS
    assert not calls  # what still hangs on modules hears nothing
    loop.step()
    watched(plain()[0]).close()  # a step of another loop's optimiser is a matter of the next close
    assert hooks_on() <= before


@pytest.mark.parametrize("how", ["closed", "collected"])
def test_a_watch_may_end_within_a_step(how):
    """torch raises if hooks of all optimisers are taken off while it goes through them."""
    loop, _ = plain()
    watches = [watched(loop), watched(loop)]
    heard = watches[1].listener

    def ends(turn):
        watches[0].close()
        if how == "closed":
            watches[1].close()
        watches.clear()
        gc.collect()

    heard.told = ends
    loop.step()
    loop.step()
    assert not watches


def test_asleep_no_module_has_a_hook():
    loop, truth = plain()
    with watched(loop, every=5) as watch:
        for _ in range(50):  # the preflight hears more than that, in the first rounds
            loop.step()
        awake = []
        for _ in range(20):
            awake.append(watch.listener.awake)
            on = hooks_on(loop.generator, loop.discriminator) - hooks_on()
            assert on == (6 if awake[-1] else 0)  # two calls, and two weights of each
            loop.step()
        assert sum(awake) == 4
        assert watch.listener.steps == truth.steps


@pytest.mark.parametrize("style", ["toggled", "both_first_generator_steps_first", "critic"])
def test_a_single_round_that_is_looked_at_shows_both_turns(style):
    _, _, watch, glimpses, _ = run(style, watch=True, every=6, rounds=30)
    assert watch.listener.guard.errors == 0
    late = glimpses[2:]
    assert len(late) >= 3
    assert all(glimpse.d_real is not None and glimpse.fake is not None for glimpse in late)


def test_batches_and_graphs_are_not_held():
    """Once the loop has let go of them they are gone, also where nobody ever steps."""
    loop, _ = plain()
    G, D = loop.generator, loop.discriminator
    with watched(loop, every=1):
        for _ in range(50):  # the preflight looks at graphs for as long
            loop.step()
        inner = []
        D[1].register_forward_hook(lambda module, args, output: inner.append(_memory(output)))
        z, real = latents(), points()
        fake = G(z)
        answer = D(fake)
        D(real)
        held = [weakref.ref(t) for t in (z, real, fake, answer)]
        inner.append(_memory(fake))
        del z, real, fake, answer
        assert not any(ref() is not None for ref in held)
        assert len(inner) == 3
        assert all(storage.expired() for storage in inner)


def _memory(tensor):
    return torch.multiprocessing.reductions.StorageWeakRef(tensor.untyped_storage())


@pytest.mark.parametrize("never", ["generator", "discriminator", "anybody"])
def test_memory_is_bounded_where_somebody_never_steps(monkeypatch, never):
    monkeypatch.setattr(lineage, "REMEMBERED", 64)
    G, D = pair()
    g, d = adam(G), adam(D)
    with uc.watch(generator=G, discriminator=D, every=1) as watch:
        outputs = []
        for _ in range(150):
            outputs.append(G(latents(2)).detach())  # an archive of fakes that grows
            D(outputs[-1]).mean().backward()
            D(G(latents(2))).mean().backward()
            if never == "generator":
                d.step()
            elif never == "discriminator":
                g.step()
        listener = watch.listener
        assert len(listener.lineage._memory) <= 64
        assert len(listener.lineage._nodes) <= 64
        kept = [listener._calls, listener._made, listener._passes]
        assert all(len(each) <= listening.REMEMBERED for each in kept)
        assert listener.guard.errors == 0


@pytest.mark.parametrize(
    ("style", "missing"),
    [(style, "end") for style in ("probabilities", "shared_forward", "critic", "recomputed")]
    + [(style, "both") for style in ("probabilities", "both_first", "critic")],
)
def test_passes_are_told_apart_without_what_torch_may_take_away(monkeypatch, style, missing):
    """Without its end by a pass's number, without both by the calls and steps in between."""
    monkeypatch.setattr(listening, "when_pass_ends", lambda tell: False)
    if missing == "both":
        monkeypatch.setattr(listening, "present_pass", lambda: -1)
    truth, _loop, watch, glimpses, _ = run(style, watch=True, rounds=8)
    assert watch.listener.guard.errors == 0
    assert len(glimpses) == 8
    for glimpse in glimpses:
        assert set(glimpse.d_real.tolist()) <= truth.answers["real"]
        assert set(glimpse.d_fake.tolist()) <= truth.answers["fake"]
        assert set(glimpse.fooled.tolist()) <= truth.answers["fooled"]


def test_the_end_of_a_pass_is_asked_for_only_where_torch_has_it(monkeypatch):
    engine = torch.autograd.Variable._execution_engine
    assert not hooks.when_pass_ends(lambda: None)  # no pass is going on
    monkeypatch.setattr(torch.autograd.Variable, "_execution_engine", object())
    assert not hooks.when_pass_ends(lambda: None)
    monkeypatch.setattr(torch.autograd.Variable, "_execution_engine", engine)
    monkeypatch.delattr(torch._C, "_current_graph_task_id")
    assert hooks.present_pass() == -1


@pytest.mark.filterwarnings("ignore:.*torch.jit.trace.*:DeprecationWarning")
def test_what_is_recorded_is_not_looked_at():
    """Tracing writes down what a hook does, and would repeat it."""
    D = Own()
    with uc.watch(generator=pair()[0], discriminator=D, every=1) as watch:
        traced = torch.jit.trace(D, points(), check_trace=False)
        exported = torch.export.export(D, (points(),))
        assert watch.listener.heartbeat.calls["discriminator"] == 0
    for graph in (traced.graph, exported.graph):
        assert "aten::clone" not in str(graph)


def test_weights_that_come_later_are_known():
    """A lazy layer, one that is frozen at first, and one that is put in while it is trained."""
    G, D = nn.Sequential(nn.LazyLinear(2)), pair()[1]
    D.requires_grad_(False)
    with uc.watch(generator=G, discriminator=D, every=1) as watch:
        G(latents())
        D.requires_grad_(True)
        G.append(nn.Linear(2, 2))
        g, d = adam(G), adam(D)
        for _ in range(3):
            d.zero_grad()
            (D(G(latents()).detach()).mean() - D(points()).mean()).backward()
            d.step()
            g.zero_grad()
            (-D(G(latents())).mean()).backward()
            g.step()
        assert watch.listener.steps == {"generator": 3, "discriminator": 3}
        assert watch.sorter.signs == {(0, 0): -1.0}
        assert watch.listener.guard.errors == 0


def test_what_imports_draw_is_given_back(monkeypatch):
    """Some of what signals need draws from Python's generator when it is imported first."""
    monkeypatch.setattr(sys.modules["uncollapse.diagnosis.attaching"], "prepare", random.random)
    before = random.getstate()
    watched(plain()[0]).close()
    assert random.getstate() == before


def test_a_training_that_is_looked_at_now_and_then_is_not_changed():
    """Falling asleep and waking up leave no trace either."""
    _, loop = begin("patches")
    for _ in range(25):
        loop.step()
    unwatched = state(loop)
    assert run("patches", watch=True, every=3, rounds=25)[-1] == unwatched
