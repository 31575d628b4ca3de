"""Everything that can be done to a curation, as data.

An edit can be stored, replayed, undone and shown in a history without a
window. ``apply`` makes a new curation, ``inverse`` the edit that takes it back.
"""

from napari_caltrig.curation.cell_edits import (
    RemoveMissedCells,
    SetMissedCell,
    SetStatus,
    restore_statuses,
)
from napari_caltrig.curation.edit import Compound, Edit, edit_from_json
from napari_caltrig.curation.group_edits import (
    AddToGroup,
    DeleteGroup,
    RemoveFromGroup,
    RenameGroup,
    SetGroup,
    SetNote,
)
from napari_caltrig.curation.recording_edits import SetBehaviourFiles, SetFrameRate, SetMovieTraces
from napari_caltrig.curation.transient_edits import (
    AddTransients,
    RemoveTransients,
    ReplaceTransients,
    numbered,
)

__all__ = [
    "AddToGroup",
    "AddTransients",
    "Compound",
    "DeleteGroup",
    "Edit",
    "RemoveFromGroup",
    "RemoveMissedCells",
    "RemoveTransients",
    "RenameGroup",
    "ReplaceTransients",
    "SetBehaviourFiles",
    "SetFrameRate",
    "SetGroup",
    "SetMissedCell",
    "SetMovieTraces",
    "SetNote",
    "SetStatus",
    "edit_from_json",
    "numbered",
    "restore_statuses",
]
