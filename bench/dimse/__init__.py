"""A DICOM peer as lean as can be, the same for every server that is measured."""
