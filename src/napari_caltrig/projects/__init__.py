"""Many recordings: what a project is, finding them, and running analyses over them in batches."""

from napari_caltrig.projects.batch import BatchResult, batch_steps, run_batch
from napari_caltrig.projects.discovery import Discovery, discover_steps, find_moved, project_steps
from napari_caltrig.projects.project import Project, ProjectRecording
from napari_caltrig.projects.project_file import read_project, write_project

__all__ = [
    "BatchResult",
    "Discovery",
    "Project",
    "ProjectRecording",
    "batch_steps",
    "discover_steps",
    "find_moved",
    "project_steps",
    "read_project",
    "run_batch",
    "write_project",
]
