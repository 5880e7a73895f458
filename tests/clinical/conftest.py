"""A real archive, once for all tests of a worker."""

from collections.abc import Iterator

import pytest
from archives import Orthanc, orthanc


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    with orthanc(tmp_path_factory.mktemp("orthanc")) as found:
        yield found
