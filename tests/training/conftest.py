import pytest
from picture_cohorts import write_picture, write_table


@pytest.fixture
def bright_cohort(tmp_path):
    """Forty participants, half of them with a bright square."""
    folder = tmp_path / "cohort"
    rows = []
    for index in range(40):
        name = f"images/{index:02d}.png"
        write_picture(folder / name, index, index % 2 == 1)
        label = "bright" if index % 2 else "plain"
        rows.append({"participant_id": f"p{index:02d}", "image": name, "label": label})
    return write_table(folder, rows)
