"""The signals of a session's cells: its traces, and those that filters make of dF/F."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from psygnal import Signal

from napari_caltrig.recording.decimate import Pyramid
from napari_caltrig.steps import Step, Steps
from napari_caltrig.transients.smoothing import (
    NoiseFilter,
    SavGol,
    noise_trace,
    savgol_trace,
    snr_trace,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_caltrig.session import Session, TraceKey

FILTERED = ("savgol", "noise", "snr")


@dataclass(frozen=True)
class Filters:
    """How dF/F is smoothed and how its noise is estimated.

    Parameters
    ----------
    savgol
        The Savitzky-Golay filter.
    noise
        The noise estimate.
    """

    savgol: SavGol = field(default_factory=SavGol)
    noise: NoiseFilter = field(default_factory=NoiseFilter)


class Signals:
    """Traces of a session by name, among them ``savgol``, ``noise`` and ``snr``.

    Filtered traces are kept in the session's memory like all others, and
    forgotten when the filters or the frame rate change.

    Parameters
    ----------
    session
        Whose traces.
    """

    changed = Signal()
    """The filters have changed: filtered traces must be loaded anew."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._filters = Filters()

    @property
    def names(self) -> list[str]:
        """Signals that can be shown, dF/F first."""
        names = self._session.trace_names
        return [*names, *FILTERED] if "dff" in names else names

    @property
    def filters(self) -> Filters:
        """The filters in use."""
        return self._filters

    def set_filters(self, filters: Filters) -> None:
        """Use other filters from now on."""
        if filters != self._filters:
            self._filters = filters
            self.forget_filtered()

    def forget_filtered(self) -> None:
        """Drop what the filters have made, for example because the frame rate has changed."""
        self._session.forget_traces(FILTERED)
        self.changed.emit()

    def has_trace(self, name: str, unit_id: int) -> bool:
        """Whether a cell has this signal, loaded or not."""
        if name in FILTERED:
            return self._session.clock.is_known and self._session.has_trace("dff", unit_id)
        return self._session.has_trace(name, unit_id)

    def trace(self, name: str, unit_id: int) -> Pyramid | None:
        """A signal in memory, None where it has not been loaded (or does not exist)."""
        return self._session.trace(name, unit_id)

    def load_steps(self, keys: Sequence[TraceKey]) -> Steps[dict[TraceKey, Pyramid]]:
        """Read and filter what is not in memory yet; give the result to `add_traces`.

        Safe to run in a worker: reads the session, changes nothing.
        """
        session, filters, rate = self._session, self._filters, self._session.clock.frame_rate
        filtered = [
            k for k in keys if k[0] in FILTERED and self.trace(*k) is None and self.has_trace(*k)
        ]
        sources: list[TraceKey] = [("dff", u) for u in dict.fromkeys(u for _, u in filtered)]
        plain = [k for k in keys if k[0] not in FILTERED]
        result = yield from session.load_steps(list(dict.fromkeys([*plain, *sources])))
        for i, (name, unit_id) in enumerate(filtered):
            dff = result.get(("dff", unit_id)) or session.trace("dff", unit_id)
            if dff is None or rate is None:
                continue
            result[name, unit_id] = Pyramid(filtered_trace(name, dff.values, rate, filters))
            yield Step(i + 1, len(filtered), "Filtering traces")
        return _Loaded(result, filters, rate)

    def add_traces(self, traces: Mapping[TraceKey, Pyramid]) -> None:
        """Keep traces in memory and say so; not what filters made that are no longer in use."""
        if isinstance(traces, _Loaded):
            now = (self._filters, self._session.clock.frame_rate)
            if now != (traces.filters, traces.frame_rate):
                traces = {k: p for k, p in traces.items() if k[0] not in FILTERED}
        self._session.add_traces(traces)


class _Loaded(dict["TraceKey", Pyramid]):
    """Traces, and the filters that made them."""

    def __init__(
        self, traces: Mapping[TraceKey, Pyramid], filters: Filters, frame_rate: float | None
    ) -> None:
        super().__init__(traces)
        self.filters, self.frame_rate = filters, frame_rate


def filtered_trace(
    name: str, dff: NDArray[np.floating], frame_rate: float, filters: Filters
) -> NDArray[np.float64]:
    """One of `FILTERED` from one cell's dF/F, shape (frames,).

    Parameters
    ----------
    name
        ``"savgol"``, ``"noise"`` or ``"snr"``.
    dff
        Shape (frames,).
    frame_rate
        Frames per second (Hz).
    filters
        What is applied.
    """
    if name == "savgol":
        return np.asarray(savgol_trace(dff, frame_rate, filters.savgol)[0])
    make = {"noise": noise_trace, "snr": snr_trace}[name]
    values = make(dff, frame_rate, filters.savgol, filters.noise)[0]
    return np.where(np.isfinite(values), values, np.nan)  # an infinite SNR cannot be drawn
