"""Where studies and instances are, in the root of all spaces. Source: PS3.18 Table 10.1-1."""

from pydicom.dataset import Dataset


def study_path(dataset: Dataset) -> str:
    return f"/dicomweb/studies/{dataset.StudyInstanceUID}"


def instance_path(dataset: Dataset) -> str:
    return (
        f"{study_path(dataset)}/series/{dataset.SeriesInstanceUID}"
        f"/instances/{dataset.SOPInstanceUID}"
    )
