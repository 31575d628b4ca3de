"""Growing one cell from a click: the best closed outline round a point."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from skimage.measure import label

DIRECTIONS = 48
RADII = 0.25, 0.95  # diameters; somata of one field differ by a factor of two
STEPS_PER_DIAMETER = 16
SMOOTHING = 0.06  # diameters, against pixel noise
SIZE_PRIOR = 2.0  # weight of the squared logarithm of radius over half a diameter
ROUNDS = 3  # the outline is sought again round its own centre: a click is rarely central


def grow_cell(image: ArrayLike, seed: tuple[float, float], diameter: float) -> NDArray[np.bool_]:
    """Outline the bright cell or ring at a point.

    Parameters
    ----------
    image
        A summary image in which cells are bright, (Y, X): see `wand_image`. Pixels that are not
        finite count as dark.
    seed
        Point (y, x) inside the cell, in pixels.
    diameter
        Expected diameter in pixels; outlines of 0.5 to 1.9 times it are possible.

    Returns
    -------
    ndarray
        Mask of the cell (Y, X): one part without holes that holds the seed or its nearest
        pixel; cut where the field ends.

    Raises
    ------
    ValueError
        If the image is not 2-D, the seed lies outside, or the diameter is impossible.

    Notes
    -----
    On rays from the seed, an outline is cheap where brightness falls outwards. The closed
    outline of lowest total cost (neighbouring rays differ by at most one step) is found exactly,
    see `closed_path`; then once more from the centre of what it encloses. The Cell Magic Wand
    of Apthorpe et al. (2016) follows the brightest ring greedily instead, and need not close.
    """
    pixels = _checked(image, seed, diameter)
    height, width = pixels.shape
    # Nothing further away can be reached: a click costs the same in any field.
    reach = int(np.ceil(3 * RADII[1] * diameter))
    top, left = max(round(seed[0]) - reach, 0), max(round(seed[1]) - reach, 0)
    crop = pixels[top : round(seed[0]) + reach + 1, left : round(seed[1]) + reach + 1]
    finite = np.isfinite(crop)
    crop = np.where(finite, crop, crop[finite].min() if finite.any() else 0.0)
    mask = np.zeros((height, width), bool)
    point = seed[0] - top, seed[1] - left
    mask[top : top + crop.shape[0], left : left + crop.shape[1]] = _grown(crop, point, diameter)
    return mask


def _grown(
    pixels: NDArray[np.float64], seed: tuple[float, float], diameter: float
) -> NDArray[np.bool_]:
    smooth = ndimage.gaussian_filter(pixels, SMOOTHING * diameter, mode="nearest")
    clicked = _nearest_pixel(seed, pixels.shape)
    y, x = float(seed[0]), float(seed[1])
    mask = np.zeros(pixels.shape, bool)
    for _ in range(ROUNDS):
        mask = _inside(pixels.shape, (y, x), outline_radii(smooth, (y, x), diameter))
        rows, columns = np.nonzero(mask)
        centre = float(rows.mean()), float(columns.mean())
        if not mask[clicked] or np.hypot(centre[0] - y, centre[1] - x) < 0.02 * diameter:
            break
        y, x = centre
    if not mask[clicked]:
        # The centre has wandered to a neighbour: stay with what was clicked on.
        mask = _inside(pixels.shape, seed, outline_radii(smooth, seed, diameter))
    return _one_part(mask, clicked)


def wand_image(images: ArrayLike) -> NDArray[np.float32]:
    """One image to grow cells in, from several summary images of comparable units.

    Parameters
    ----------
    images
        (images, Y, X), each in units of its own spread as `channels.channels_of` gives them.

    Returns
    -------
    ndarray
        Their mean after clipping to 0 .. 5, (Y, X): what is bright at rest or when active.
    """
    stack = np.asarray(images, np.float32)
    if stack.ndim != 3 or not len(stack):
        raise ValueError(f"expected summary images (images, Y, X), got shape {stack.shape}")
    return np.asarray(np.clip(np.nan_to_num(stack), 0, 5).mean(axis=0), dtype=np.float32)


def outline_radii(
    image: NDArray[np.float64], centre: tuple[float, float], diameter: float
) -> NDArray[np.float64]:
    """Distance from `centre` to the best closed outline in evenly spaced directions, in pixels.

    Parameters
    ----------
    image
        Smoothed, (Y, X).
    centre
        (y, x) in pixels.
    diameter
        Expected diameter in pixels.

    Returns
    -------
    ndarray
        (48,); direction i lies at ``2 pi i / 48`` from +x towards +y.
    """
    angle = 2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS
    step = diameter / STEPS_PER_DIAMETER
    radii = np.arange(RADII[0] * diameter, RADII[1] * diameter, step)
    outer, inner = radii + 0.5 * step, radii - 0.5 * step
    fall = _sampled(image, centre, angle, inner) - _sampled(image, centre, angle, outer)
    fall /= max(float(fall.std()), 1e-9 * float(np.abs(image).max()), 1e-30)
    prior = SIZE_PRIOR * np.log(radii / (0.5 * diameter)) ** 2
    return np.asarray(radii[closed_path(prior[None] - fall)])


def closed_path(cost: NDArray[np.float64]) -> NDArray[np.intp]:
    """Cheapest closed path through all columns of a ring.

    Parameters
    ----------
    cost
        Of each place, (directions, radii).

    Returns
    -------
    ndarray
        Index of the radius in each direction, (directions,): neighbours, the last and the first
        among them, differ by at most one. No such path is cheaper.

    Notes
    -----
    Dynamic programming from every possible start at once, with the end held to the start.
    """
    n, m = cost.shape
    total = np.full((m, m + 2), np.inf)  # (start, radius), padded on both sides
    starts = np.arange(m)
    total[starts, starts + 1] = cost[0]
    moves = np.zeros((n, m, m), np.int8)
    for i in range(1, n):
        options = np.stack([total[:, :-2], total[:, 1:-1], total[:, 2:]])
        best = options.argmin(axis=0)
        moves[i] = best - 1
        total[:, 1:-1] = np.take_along_axis(options, best[None], axis=0)[0] + cost[i]
    ends = np.stack([total[starts, starts + k] for k in range(3)])  # start - 1, start, start + 1
    choice = np.unravel_index(int(ends.argmin()), ends.shape)
    start = int(choice[1])
    path = np.empty(n, np.intp)
    path[-1] = start + int(choice[0]) - 1
    for i in range(n - 1, 0, -1):
        path[i - 1] = path[i] + moves[i, start, path[i]]
    return path


def _sampled(
    image: NDArray[np.float64],
    centre: tuple[float, float],
    angle: NDArray[np.float64],
    radii: NDArray[np.float64],
) -> NDArray[np.float64]:
    y = centre[0] + np.outer(np.sin(angle), radii)
    x = centre[1] + np.outer(np.cos(angle), radii)
    return np.asarray(ndimage.map_coordinates(image, [y, x], order=1, mode="nearest"))


def _inside(
    shape: tuple[int, ...], centre: tuple[float, float], radii: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Pixels whose centre lies inside an outline."""
    reach = float(radii.max()) + 1
    top, bottom = (int(np.clip(v, 0, shape[0])) for v in (centre[0] - reach, centre[0] + reach + 1))
    left, right = (int(np.clip(v, 0, shape[1])) for v in (centre[1] - reach, centre[1] + reach + 1))
    y = np.arange(top, bottom)[:, None] - centre[0]
    x = np.arange(left, right) - centre[1]
    direction = (np.arctan2(y, x) / (2 * np.pi)) % 1 * len(radii)
    radius = np.interp(direction, np.arange(len(radii) + 1), np.append(radii, radii[0]))
    mask = np.zeros(shape, bool)
    mask[top:bottom, left:right] = np.hypot(y, x) <= radius
    mask[_nearest_pixel(centre, shape)] = True
    return mask


def _one_part(mask: NDArray[np.bool_], pixel: tuple[int, int]) -> NDArray[np.bool_]:
    parts = label(mask, connectivity=1)
    part = parts == parts[pixel] if mask[pixel] else mask
    return np.asarray(ndimage.binary_fill_holes(part), dtype=bool)


def _nearest_pixel(point: tuple[float, float], shape: tuple[int, ...]) -> tuple[int, int]:
    y, x = (int(np.clip(round(p), 0, n - 1)) for p, n in zip(point, shape, strict=True))
    return y, x


def _checked(image: ArrayLike, seed: tuple[float, float], diameter: float) -> NDArray[np.float64]:
    pixels = np.asarray(image, np.float64)
    if pixels.ndim != 2 or not pixels.size:
        raise ValueError(f"cells grow in one image (Y, X), got shape {pixels.shape}")
    height, width = pixels.shape
    if not (-0.5 <= seed[0] <= height - 0.5 and -0.5 <= seed[1] <= width - 0.5):
        raise ValueError(f"the point {tuple(seed)} lies outside the {height} x {width} pixels")
    if not (np.isfinite(diameter) and 2 <= diameter <= max(height, width)):
        raise ValueError(
            f"a cell diameter of {diameter} pixels is impossible in a field of "
            f"{height} x {width} pixels: 2 or more, and less than the field, is needed"
        )
    return pixels
