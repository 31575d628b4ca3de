"""Images at another scale, so that cells have the size that a network knows."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse


class Resampler:
    """Resizes images between the movie's pixels and the network's.

    Parameters
    ----------
    shape
        Field of view in pixels (Y, X).
    factor
        Network pixels per movie pixel.
    offset
        How far (y, x) what the network sees lies from its place in the movie, in pixels of the
        movie; images come back to their places.
    resized
        Network pixels (Y, X); as `factor` says by default.

    Notes
    -----
    Shrinking averages over the area of a new pixel (no aliasing), enlarging
    interpolates linearly; both are one sparse matrix per axis.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        factor: float,
        offset: tuple[float, float] = (0.0, 0.0),
        resized: tuple[int, ...] | None = None,
    ) -> None:
        self.shape, self.factor, self.offset = shape, factor, offset
        self.resized = resized or tuple(max(round(n * factor), 8) for n in shape)
        self._down = [_operator(n, m) for n, m in zip(shape, self.resized, strict=True)]
        self._up = [_operator(m, n, o) for n, m, o in zip(shape, self.resized, offset, strict=True)]

    @cached_property
    def _dense_up(self) -> list[NDArray[np.float32] | None]:
        return [None if up is None else up.toarray() for up in self._up]

    def to_network(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Images (..., Y, X) at the network's scale."""
        return _apply(self._down, images)

    def to_movie(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Images of the network's scale at that of the movie."""
        return _apply(self._up, images)

    def window_to_movie(
        self, corner: tuple[int, int], window: NDArray[np.float32]
    ) -> tuple[tuple[int, int], NDArray[np.float32]]:
        """Bring a small part of an image to the movie's scale.

        Parameters
        ----------
        corner
            (y, x) of the window in the network's pixels; it may reach beyond the image.
        window
            (height, width); zero where it lies beyond.

        Returns
        -------
        corner, window
            The same in the movie's pixels.
        """
        start, part = [], window
        for axis in (0, 1):
            n_out, n_in = self.shape[axis], self.resized[axis]
            first, last = max(corner[axis], 0), min(corner[axis] + window.shape[axis], n_in)
            part = np.take(part, np.arange(first, last) - corner[axis], axis=axis)
            moved = self.offset[axis]
            low = min(max(int(np.floor(first * n_out / n_in + moved)) - 1, 0), n_out)
            high = max(min(int(np.ceil(last * n_out / n_in + moved)) + 1, n_out), low)
            start.append(low)
            up = self._dense_up[axis]
            if up is None:
                start[-1] = first
                continue
            weights = up[low:high, first:last]
            part = weights @ part if axis == 0 else part @ weights.T
        return (start[0], start[1]), np.asarray(part, dtype=np.float32)


def _operator(n_in: int, n_out: int, offset: float = 0.0) -> sparse.csr_array | None:
    """Matrix (n_out, n_in) that resizes one axis and moves it; None where nothing changes."""
    if n_in == n_out and not offset:
        return None
    scale = n_in / n_out
    width = max(scale, 1.0)  # triangle of at least one old pixel
    centres = np.clip((np.arange(n_out) - offset + 0.5) * scale - 0.5, -0.5, n_in - 0.5)
    reach = int(np.ceil(width)) + 1
    taps = np.floor(centres)[:, None].astype(int) + np.arange(-reach, reach + 1)
    weights = np.clip(1 - np.abs(taps - centres[:, None]) / width, 0, None)
    inside = (taps >= 0) & (taps < n_in)
    weights = np.where(inside, weights, 0)
    weights /= weights.sum(axis=1, keepdims=True)
    rows = np.repeat(np.arange(n_out), taps.shape[1])
    keep = weights.ravel() > 0
    return sparse.csr_array(
        (weights.ravel()[keep].astype(np.float32), (rows[keep], taps.ravel()[keep])),
        shape=(n_out, n_in),
    )


def _apply(
    operators: list[sparse.csr_array | None], images: NDArray[np.float32]
) -> NDArray[np.float32]:
    stack = images.reshape(-1, *images.shape[-2:])
    along_y, along_x = operators
    if along_y is not None:
        n, height, width = stack.shape
        flat = stack.transpose(1, 0, 2).reshape(height, n * width)
        stack = (along_y @ flat).reshape(-1, n, width).transpose(1, 0, 2)
    if along_x is not None:
        n, height, width = stack.shape
        flat = stack.transpose(2, 0, 1).reshape(width, n * height)
        stack = (along_x @ flat).reshape(-1, n, height).transpose(1, 2, 0)
    return np.ascontiguousarray(
        stack.reshape(*images.shape[:-2], *stack.shape[-2:]), dtype=np.float32
    )
