"""What a recording is: immutable types that know no files and no GUI."""

from napari_caltrig.recording.behaviour import Behaviour, BehaviourFile, BehaviourVideo
from napari_caltrig.recording.clock import Clock
from napari_caltrig.recording.errors import FormatError
from napari_caltrig.recording.footprints import Crop, Footprints
from napari_caltrig.recording.recording import Background, PipelineStatus, Recording
from napari_caltrig.recording.transients import Transients

__all__ = [
    "Background",
    "Behaviour",
    "BehaviourFile",
    "BehaviourVideo",
    "Clock",
    "Crop",
    "Footprints",
    "FormatError",
    "PipelineStatus",
    "Recording",
    "Transients",
]
