"""UIDs that are the same whenever the same object is made again, so that an archive has it once."""

import uuid

_OURS = uuid.UUID("5f0a8a1e-7a55-4f0e-9d3b-6c1d0f2f4b73")


def derived_uid(*parts: str) -> str:
    """Return a UID that parts of text determine, and that does not give them away.

    Parameters
    ----------
    parts
        What the object is made from.

    Returns
    -------
    The UUID (version 5) of the parts under the root 2.25, as PS3.5 B.2 of DICOM has it.
    """
    return f"2.25.{uuid.uuid5(_OURS, chr(0).join(parts)).int}"
