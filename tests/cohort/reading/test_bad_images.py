"""Every file that cannot be used is refused with its reason, and never as another exception."""

import pytest
from broken_files import BROKEN

from hrcam.cohort.problems import ImageError
from hrcam.cohort.reading import read_image


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_refused_with_its_reason(name, tmp_path):
    make, reason = BROKEN[name]
    path = make(tmp_path)
    with pytest.raises(ImageError) as refused:
        read_image(path)
    assert refused.value.reason == reason
    assert refused.value.advice
    assert str(tmp_path) not in str(refused.value)
