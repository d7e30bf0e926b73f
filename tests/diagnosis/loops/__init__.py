"""Small, honest versions of the loops that people have."""

from __future__ import annotations

from . import engines, inputs, plain
from .parts import Loop, Truth

STYLES = {
    f.__name__: f
    for f in (
        plain.probabilities, plain.smoothed,
        plain.noisy, plain.toggled, plain.hinge, plain.low_is_real,
        plain.least_squares, plain.patches, plain.critic, plain.perturbed, plain.relativistic,
        plain.lazy_penalty, plain.both_first, plain.both_first_generator_steps_first,
        plain.undetached, plain.accumulated, plain.alternate, plain.shared_forward,
        plain.one_optimiser, plain.one_step, plain.two_for_generator, plain.information,
        inputs.pool, inputs.joined,
        inputs.two_domains, inputs.shuffled_squares, inputs.joined_in_both, inputs.packs,
        inputs.augmented, inputs.conditions, inputs.vocoder, inputs.auxiliary, inputs.class_scores,
        inputs.autoencoder, inputs.policy, inputs.inside_loss, inputs.zeroed, inputs.late,
        inputs.best_rows, inputs.among_reals, inputs.objects, inputs.frozen_layers,
        engines.simple, engines.half, engines.compiled, engines.compiled_inside,
        engines.compiled_behind, engines.compiled_in_place, engines.distributed,
        engines.distributed_outside, engines.accelerated, engines.functional,
        engines.parts_of_generator, engines.by_forward, engines.other_modules, engines.by_hand,
        engines.recomputed, engines.recomputed_otherwise, engines.mapped, engines.closures,
        engines.renewed, engines.averaged,
    )
}  # fmt: skip

__all__ = ["STYLES", "Loop", "Truth"]
