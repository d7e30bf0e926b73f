"""What the preflight leaves behind: nothing in the training, in the modules, or twice in a list."""

import copy
import io
import threading

import pytest
import torch
from buggy_loop import Loop, discriminator, generator
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

import uncollapse as uc
from uncollapse.diagnosis.bugs import lines
from uncollapse.diagnosis.bugs.scout import LOOKED, Scout
from uncollapse.errors import ConfigError


def trained(watched, monkeypatch):
    """All that a training consists of: weights, buffers, gradients, random numbers."""
    torch.manual_seed(0)
    loop = Loop("wgan-gp", G=generator(norm=True), D=discriminator(nn.Dropout(0.1)))
    spectral_norm(loop.D[0])  # whose weight moves on when it is asked for
    if not watched:
        with monkeypatch.context() as patch:
            patch.setattr("uncollapse.diagnosis.bugs.Scout", lambda *_: Scout([], [], _[-1]))
            assert loop.run().preflight.scout.steps["generator"] == 0
    else:
        loop.run()
    networks = loop.G, loop.D
    kept = [t for net in networks for t in net.state_dict().values()]
    kept += [p.grad for net in networks for p in net.parameters()]
    return [*kept, torch.get_rng_state()]


def test_nothing_of_the_training_is_changed(monkeypatch):
    with_it, without = trained(True, monkeypatch), trained(False, monkeypatch)
    assert all(map(torch.equal, with_it, without))


def test_hooks_are_gone_after_the_first_rounds():
    seen = []

    def each(loop, step):
        weights = [*loop.G.parameters(), *loop.D.parameters()]
        seen.append(sum(len(p._backward_hooks or ()) for p in weights))

    watch = Loop(each=each, watch={"every": 1_000_000}).run(LOOKED + 3)
    assert not watch.preflight.scout.awake
    assert watch.preflight.scout.steps == {"generator": LOOKED, "discriminator": LOOKED}
    assert seen[-1] < seen[1]  # those of the watch itself remain


def test_copies_and_files_of_a_watched_network():
    def each(loop, step):
        if step == 2:
            again = copy.deepcopy(loop.G)
            assert not any(p._backward_hooks for p in again.parameters())
            torch.save(loop.G, io.BytesIO())
            again(torch.randn(2, 4))

    watch = Loop(each=each).run(5)
    assert not watch.bugs


def test_a_bug_is_told_once_and_kept_in_a_state():
    watch = Loop(zero_d="").run()
    (bug,) = watch.bugs
    assert 0 < bug.step <= 5
    assert bug.name in str(watch.verdict)
    assert watch.verdict.as_dict()["bugs"][0]["name"] == "gradients-accumulate"
    again = uc.watch(generator=generator(), discriminator=discriminator())
    again.load_state_dict(watch.state_dict())
    assert again.bugs == (bug,)


def test_what_is_expected():
    assert not Loop(zero_d="", watch={"expect": ["gradients-accumulate"]}).run().bugs
    with pytest.raises(ConfigError, match=r"called 'frozen'\. Did you mean 'frozen-network'"):
        uc.watch(generator=generator(), discriminator=discriminator(), expect=["frozen"])


def test_optimisers_need_not_be_named():
    watch = uc.watch(generator=(G := generator()), discriminator=(D := discriminator()))
    opt_g, opt_d = torch.optim.Adam(G.parameters()), torch.optim.Adam(G.parameters())
    for _ in range(10):
        for optimizer, sign in ((opt_d, 1), (opt_g, -1)):
            optimizer.zero_grad()
            (sign * D(G(torch.randn(8, 4))).mean()).backward()
            optimizer.step()
    watch.close()
    assert "wrong-optimizer-parameters" in [bug.name for bug in watch.bugs]


class Wrapped:
    """As accelerate and Lightning wrap an optimiser."""

    def __init__(self, optimizer):
        self.optimizer = optimizer

    def __getattr__(self, name):
        return getattr(self.optimizer, name)


def test_wrapped_optimisers():
    def optimizers(G, D):
        return tuple(Wrapped(torch.optim.Adam(net.parameters())) for net in (G, D))

    assert not Loop(optimizers=optimizers).run().bugs


def test_a_pass_that_runs_in_a_thread_of_torchs_own(monkeypatch):
    """As on a GPU: the loop is in the main thread, hooks are called in another."""
    weight, heard = torch.ones(2, requires_grad=True), []

    def elsewhere(gradient):
        thread = threading.Thread(target=lambda: heard.append(lines.asked()))
        thread.start()
        thread.join()

    monkeypatch.setattr(lines, "_is_pythons", lambda frame: False)
    weight.register_hook(elsewhere)
    loss = weight.sum()
    loss.backward()
    torch.autograd.grad((weight**2).sum(), weight, create_graph=True)
    first, second = heard
    assert first.roots[0] is loss
    assert "`loss.backward()`" in first.line
    assert second.inputs[0] is weight
    assert second.kept
    assert "torch.autograd.grad" in second.line
