"""A layer by which a discriminator sees how alike the samples of its batch are."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

BLOCK = 65536
"""Pairs that are worked on at a time: as many floats stay in a core's cache."""


class MinibatchLayer(nn.Module):
    """Minibatch discrimination (Salimans et al. 2016, §3.2): features, and how near others are.

    ``M_i = f(x_i) T`` is a matrix of ``kernels x dims``; ``c_b(x_i, x_j) = exp(-‖M_ib - M_jb‖₁)``;
    ``o(x_i)_b = Σ_{j≠i} c_b(x_i, x_j)``. The layer gives f(x_i) and o(x_i) side by side. Samples of
    one call are compared with each other and with no others, so reals and fakes must come in calls
    of their own.

    T starts normal, such that features of size 1 make rows of size 1.

    Args:
        inputs: size of f(x).
        kernels: size of o(x), b = 1 … kernels.
        dims: length of each row of M.
    """

    def __init__(self, inputs: int, kernels: int, dims: int) -> None:
        super().__init__()
        self.kernels = kernels
        self.projection = nn.Parameter(torch.randn(inputs, kernels * dims) / inputs**0.5)

    def forward(self, features: Tensor) -> Tensor:
        """``[batch, inputs]`` -> ``[batch, inputs + kernels]``."""
        rows = (features @ self.projection).reshape(len(features), self.kernels, -1)
        return torch.cat([features, similarities(rows)], 1)


def similarities(rows: Tensor) -> Tensor:
    """``o_ib = Σ_{j≠i} exp(-‖rows_ib - rows_jb‖₁)``.

    Args:
        rows: ``[batch, kernels, dims]``.

    Returns:
        ``[batch, kernels]``, from 0 (all far apart) to batch - 1 (all alike).
    """
    near: Tensor = _Similarities.apply(rows)[0]  # type: ignore[no-untyped-call]
    return near


def plain_similarities(rows: Tensor) -> Tensor:
    """The same, written as the equation: more memory, and as often differentiable as one likes."""
    rows_kid = rows.transpose(0, 1)
    distance_kij = (rows_kid[:, :, None] - rows_kid[:, None]).abs().sum(-1)
    return (torch.exp(-distance_kij).sum(2) - 1).T


class _Similarities(torch.autograd.Function):
    """A few kernels at a time, so that the batch² numbers of each are read from the cache."""

    @staticmethod
    def forward(rows: Tensor) -> tuple[Tensor, Tensor]:
        rows_dki = rows.permute(2, 1, 0).contiguous()
        batch, kernels, _ = rows.shape
        near_kij = rows.new_empty(kernels, batch, batch)
        scratch_kij = torch.empty_like(near_kij[_parts(kernels, batch)[0]])
        for part in _parts(kernels, batch):
            here = near_kij[part]
            for d, row_ki in enumerate(rows_dki[:, part]):
                into = scratch_kij[: len(here)] if d else here
                torch.sub(row_ki[:, :, None], row_ki[:, None], out=into).abs_()
                if d:
                    here.add_(into)
            here.neg_().exp_()
        return (near_kij.sum(2) - 1).T, near_kij

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: tuple[Tensor, Tensor]) -> None:
        ctx.save_for_backward(inputs[0], output[1])
        ctx.mark_non_differentiable(output[1])
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, slope_ik: Tensor | None, _: Tensor | None) -> Tensor | None:
        if slope_ik is None:
            return None
        rows, near_kij = ctx.saved_tensors
        if torch.is_grad_enabled():  # to be differentiated again: penalties, unrolling
            near = plain_similarities(rows)
            slope: Tensor = torch.autograd.grad(near, rows, slope_ik, create_graph=True)[0]
            return slope
        rows_dki = rows.permute(2, 1, 0).contiguous()
        slope_dki, slope_ki = torch.empty_like(rows_dki), slope_ik.T.contiguous()
        for part in _parts(len(near_kij), len(rows)):
            # Both o_i and o_j have c(i, j) in them.
            here = slope_ki[part]
            weight_kij = (here[:, :, None] + here[:, None]).mul_(near_kij[part])
            sign_kij = torch.empty_like(weight_kij)
            for d, row_ki in enumerate(rows_dki[:, part]):
                torch.sub(row_ki[:, None], row_ki[:, :, None], out=sign_kij).sign_()
                torch.sum(sign_kij.mul_(weight_kij), 2, out=slope_dki[d, part])
        return slope_dki.permute(2, 1, 0)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int], rows: Tensor) -> Any:
        """Members are so many more kernels."""
        rows_bmkd = rows.movedim(in_dims[0], 1)
        batch, members, kernels, dims = rows_bmkd.shape
        near_bk, near_kij = _Similarities.apply(  # type: ignore[no-untyped-call]
            rows_bmkd.reshape(batch, members * kernels, dims)
        )
        split = (members, kernels)
        return (near_bk.unflatten(1, split), near_kij.unflatten(0, split)), (1, 0)


def _parts(kernels: int, batch: int) -> list[slice]:
    step = max(1, BLOCK // batch**2)
    return [slice(k, k + step) for k in range(0, kernels, step)]
