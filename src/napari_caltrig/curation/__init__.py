"""Everything the user decided: invertible edits, history and the ``.caltrig`` file."""

from napari_caltrig.curation.adopting import adoption
from napari_caltrig.curation.change import Change
from napari_caltrig.curation.choosing import find_curation, recording_path
from napari_caltrig.curation.edits import (
    AddToGroup,
    AddTransients,
    Compound,
    DeleteGroup,
    Edit,
    RemoveFromGroup,
    RemoveMissedCells,
    RemoveTransients,
    RenameGroup,
    ReplaceTransients,
    SetBehaviourFiles,
    SetFrameRate,
    SetGroup,
    SetMissedCell,
    SetMovieTraces,
    SetNote,
    SetStatus,
    edit_from_json,
    numbered,
    restore_statuses,
)
from napari_caltrig.curation.errors import CurationError, WrongRecordingError
from napari_caltrig.curation.merging import merge, take_apart
from napari_caltrig.curation.missed_cell import MissedCell
from napari_caltrig.curation.splitting import parts_by_line, parts_by_seeds, split
from napari_caltrig.curation.state import CellStatus, Curation, Scope, next_missed_id
from napari_caltrig.curation.store import CurationStore, load_curation
from napari_caltrig.curation.tables import Entry

__all__ = [
    "AddToGroup",
    "AddTransients",
    "CellStatus",
    "Change",
    "Compound",
    "Curation",
    "CurationError",
    "CurationStore",
    "DeleteGroup",
    "Edit",
    "Entry",
    "MissedCell",
    "RemoveFromGroup",
    "RemoveMissedCells",
    "RemoveTransients",
    "RenameGroup",
    "ReplaceTransients",
    "Scope",
    "SetBehaviourFiles",
    "SetFrameRate",
    "SetGroup",
    "SetMissedCell",
    "SetMovieTraces",
    "SetNote",
    "SetStatus",
    "WrongRecordingError",
    "adoption",
    "edit_from_json",
    "find_curation",
    "load_curation",
    "merge",
    "next_missed_id",
    "numbered",
    "parts_by_line",
    "parts_by_seeds",
    "recording_path",
    "restore_statuses",
    "split",
    "take_apart",
]
