"""What the search for cells returns: cells at any threshold, and why others were rejected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_caltrig.cells.instances import select_cells
from napari_caltrig.cells.paper_finding import PaperOutlines
from napari_caltrig.cells.resampling import Resampler
from napari_caltrig.cells.summary import Summary
from napari_caltrig.recording import Footprints

if TYPE_CHECKING:
    import pandas as pd

    from napari_caltrig.cells.confidence import Calibration
    from napari_caltrig.cells.rois import Candidates


@dataclass(frozen=True, eq=False)
class CellProbabilities:
    """Everything the network said; cells at any threshold follow without running it again.

    Parameters
    ----------
    probability
        Of a soma (compact) or a cell's centre disk (Apthorpe et al.), (Y, X) of the movie.
    diameter
        Cell diameter in pixels that was used.
    threshold
        The model's default.
    model
        Its name.
    summary
        Summary images, at a scale of their own.
    factor
        Their pixels per movie pixel.
    candidates
        Every candidate cell of the compact network with its confidence, the most
        confident first; None for Apthorpe et al., where the threshold shapes the cells.
    paper
        How cells are cut out of the map of a network of Apthorpe et al.; None for others.
    reasons
        Per candidate why it is rejected when its confidence is below the threshold.
    details
        Per candidate what its confidence rests on, by name; see `rois`.
    evidence
        The candidates in the order they were found, with all that another confidence could be
        computed from; see `with_confidence`.
    """

    probability: NDArray[np.float32]
    diameter: float
    threshold: float
    model: str
    summary: Summary
    factor: float
    candidates: Footprints | None
    paper: PaperOutlines | None = None
    reasons: tuple[str, ...] = ()
    details: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    evidence: Candidates | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Field of view in pixels (Y, X)."""
        return self.probability.shape[0], self.probability.shape[1]

    @property
    def resampler(self) -> Resampler:
        """Between the movie's scale and that of the summary images."""
        return Resampler(self.shape, self.factor, self.summary.offset)

    def summary_image(self, name: str) -> NDArray[np.float32]:
        """One of the summary images at the movie's scale, (Y, X).

        Parameters
        ----------
        name
            ``"mean"``, ``"peak"``, ``"blobs"``, ``"snr"``, ``"correlation"``
            or ``"skewness"``; see `Summary`.
        """
        return self.resampler.to_movie(getattr(self.summary, name))

    def rois(self, threshold: float | None = None) -> pd.DataFrame:
        """Every candidate, accepted or not, as a table; fast, nothing is computed again.

        Parameters
        ----------
        threshold
            Lowest confidence of a cell; the model's own by default.

        Returns
        -------
        DataFrame
            Rows as in `candidates`: ``confidence`` (probability of being a cell, calibrated on
            simulated movies), ``accepted``, ``reason`` (empty where accepted: ``"too small"``,
            ``"too large"``, ``"elongated"``, ``"edge"``, ``"low contrast"``, ``"no activity"``,
            ``"overlaps a clearer cell"``), ``area_px``, ``found_by`` (``"activity"`` or
            ``"image"``), ``soma`` and ``centre`` (probabilities of the network), ``snr`` (peak of
            the trace over its noise), ``fit`` (share of its pixels' variation that is its
            own), ``skewness`` (of the trace), ``roundness`` (short over long axis).
        """
        import pandas as pd

        check_threshold(threshold)
        level = self.threshold if threshold is None else threshold
        if self.candidates is None or self.candidates.scores is None:
            raise ValueError(
                f"the model {self.model!r} has no candidates: its threshold shapes the cells"
            )
        confidence = self.candidates.scores
        accepted = confidence >= level
        return pd.DataFrame(
            {
                "confidence": confidence,
                "accepted": accepted,
                "reason": ["" if a else r for a, r in zip(accepted, self.reasons, strict=True)],
                "area_px": self.candidates.areas(),
                **self.details,
            }
        )


class FoundCells(NamedTuple):
    """What `find_cells` returns when it is asked for what it rejected, too.

    Parameters
    ----------
    cells, rejected
        Both numbered from 0, the most confident first.
    rois
        See `CellProbabilities.rois`; first the rows of `cells`, then those of `rejected`.
    """

    cells: Footprints
    rejected: Footprints
    rois: pd.DataFrame


def with_confidence(result: CellProbabilities, calibration: Calibration) -> CellProbabilities:
    """The result with the confidence of its candidates, the most confident first.

    Raises
    ------
    ValueError
        If it has no `evidence`: only the compact network gives candidates.
    """
    candidates = result.evidence
    if candidates is None:
        raise ValueError(f"the model {result.model!r} has no candidates")
    confidence = candidates.confidence(calibration)
    order = np.argsort(-confidence, kind="stable")
    reasons = candidates.doubts()
    names = ("soma", "centre", "snr", "fit", "skewness", "roundness")
    found_by = np.where(candidates.active, "activity", "image")
    return replace(
        result,
        candidates=Footprints(
            candidates.weights[order], candidates.shape, scores=confidence[order]
        ),
        reasons=tuple(reasons[i] for i in order),
        details={
            "found_by": found_by[order],
            **{name: candidates.values[name][order] for name in names},
        },
    )


def footprints_from_probabilities(
    result: CellProbabilities, threshold: float | None = None
) -> Footprints:
    """Cells at a threshold; fast, the network does not run again.

    Parameters
    ----------
    result
        Of `cell_probabilities`.
    threshold
        See `find_cells`.

    Returns
    -------
    Footprints
        ``unit_ids`` 0, 1, ... and ``scores`` 0 to 1, the best first.

    Raises
    ------
    ValueError
        If the threshold is not between 0 and 1.
    """
    check_threshold(threshold)
    level = result.threshold if threshold is None else float(threshold)
    if result.candidates is not None:
        return select_cells(result.candidates, level)
    assert result.paper is not None
    return result.paper.cells(level)


def check_threshold(threshold: float | None) -> None:
    """Raise a `ValueError` for a threshold that is not between 0 and 1."""
    if threshold is not None and not 0 <= threshold <= 1:
        raise ValueError(f"a threshold lies between 0 and 1, not {threshold}")
