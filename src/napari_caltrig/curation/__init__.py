"""Everything the user decided: invertible edits, history and the ``.caltrig`` file."""

from napari_caltrig.curation.change import Change
from napari_caltrig.curation.choosing import find_curation, recording_path
from napari_caltrig.curation.edits import (
    AddTransients,
    Compound,
    Edit,
    RemoveMissedCells,
    RemoveTransients,
    ReplaceTransients,
    SetFrameRate,
    SetMissedCell,
    SetStatus,
    edit_from_json,
    numbered,
    restore_statuses,
)
from napari_caltrig.curation.errors import CurationError, WrongRecordingError
from napari_caltrig.curation.state import (
    CellStatus,
    Curation,
    MissedCell,
    Scope,
    next_missed_id,
)
from napari_caltrig.curation.store import CurationStore, load_curation
from napari_caltrig.curation.tables import Entry

__all__ = [
    "AddTransients",
    "CellStatus",
    "Change",
    "Compound",
    "Curation",
    "CurationError",
    "CurationStore",
    "Edit",
    "Entry",
    "MissedCell",
    "RemoveMissedCells",
    "RemoveTransients",
    "ReplaceTransients",
    "Scope",
    "SetFrameRate",
    "SetMissedCell",
    "SetStatus",
    "WrongRecordingError",
    "edit_from_json",
    "find_curation",
    "load_curation",
    "next_missed_id",
    "numbered",
    "recording_path",
    "restore_statuses",
]
