"""Further movies of a session as layers: what the cells explain, the rest, the animal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_caltrig.formats.behaviour_video import in_step
from napari_caltrig.viewer.layers import contrast_limits
from napari_caltrig.viewer.registry import Tag

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_caltrig.recording import BehaviourVideo
    from napari_caltrig.session import Session
    from napari_caltrig.viewer.link import ViewerLink

_GAP = 0.04


class ExtraMovies:
    """Adds movies to the layers of a session, and takes them away again.

    Parameters
    ----------
    viewer
        napari viewer or viewer model.
    session
        Whose movies.
    link
        Its link to the viewer.
    """

    def __init__(self, viewer: Any, session: Session, link: ViewerLink) -> None:
        self._viewer = viewer
        self._session = session
        self._link = link

    def layer(self, name: str) -> Any | None:
        """The layer of this name that belongs to the session, None while there is none."""
        return next((layer for layer in self._link.layers() if layer.name == name), None)

    def remove(self, name: str) -> None:
        """Take a layer away."""
        layer = self.layer(name)
        if layer is not None:
            self._viewer.layers.remove(layer)

    def add_movie(self, name: str, frames: Any) -> Image:
        """Show a movie of the field of view.

        Parameters
        ----------
        name
            Of the layer.
        frames
            Dask array (frames, Y, X).
        """
        pixel, origin = self._pixels()
        return self._add(name, frames, scale=(1, *pixel), translate=(0, *origin))

    def add_video(self, name: str, video: BehaviourVideo) -> Image:
        """Show a video of the animal beside the field of view, as high as it, in step with it."""
        frames = in_step(video)
        height, width = self._session.recording.shape
        factor = height / max(frames.shape[1], 1)
        pixel, origin = self._pixels()
        left = origin[1] + width * pixel[1] * (1 + _GAP)
        return self._add(
            name,
            frames,
            scale=(1, factor * pixel[0], factor * pixel[0]),
            translate=(0, origin[0], left),
        )

    def _pixels(self) -> tuple[Any, Any]:
        """Scale and place of the session's images in the world, (y, x)."""
        model = self._link.layers()[0]
        return model.scale[-2:], model.translate[-2:]

    def _add(self, name: str, frames: Any, **placed: Any) -> Image:
        from napari.layers import Image

        n = int(frames.shape[0])
        some = [np.asarray(frames[i]) for i in sorted({0, n // 3, 2 * n // 3, n - 1})] if n else []
        tag = self._link.layers()[0].metadata["caltrig"]
        layer = Image(
            frames,
            name=name,
            axis_labels=("frame", "y", "x"),
            colormap="gray",
            contrast_limits=contrast_limits(np.stack(some)) if some else (0, 1),
            metadata={"caltrig": Tag(**{**tag, "role": "extra", "name": name})},
            **placed,
        )
        active = self._viewer.layers.selection.active
        self._viewer.layers.insert(self._place(), layer)
        if active is not None:
            self._viewer.layers.selection.active = active
        return layer

    def _place(self) -> int:
        """Above the last movie of the session, below its cells."""
        places = [
            i + 1
            for i, layer in enumerate(self._viewer.layers)
            if layer.metadata.get("caltrig", {}).get("role") in ("movie", "summary", "extra")
        ]
        return max(places, default=0)
