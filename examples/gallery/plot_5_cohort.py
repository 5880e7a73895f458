"""
A cohort, from folder to report
===============================

From images in files to one HTML page: check the cohort, train a network, map the scans that it
has not learnt from, and write the report. Each step is also a command: ``hrcam check``, ``hrcam
train``, ``hrcam map`` and ``hrcam report``.
"""

# %%
# A folder of images with a table
# -------------------------------
#
# Here 150 simulated slices as PNG files; NIfTI and DICOM work alike. ``participants.tsv`` says
# which image has which label.

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from hrcam.cohort import check_cohort, open_cohort
from hrcam.mapping import map_scans
from hrcam.report.cohort_report import write_cohort_report
from hrcam.simulate import LesionCohort, write_cohort
from hrcam.training import Hardware, TrainingConfig, train_cohort

folder = Path(tempfile.mkdtemp())  # where everything goes
simulated = LesionCohort(subjects=150, size=64, radius=(3, 6), strength=0.5)
write_cohort(simulated, folder / "cohort", workers=1)
pd.read_table(folder / "cohort" / "participants.tsv", keep_default_na=False).head(4)

# %%
# Check it
# --------
#
# Every image is decoded. What cannot be used is named, with the reason and what to do about it;
# what a network could learn instead of the disease, such as a site, is pointed out.

cohort = open_cohort(folder / "cohort")
checked = check_cohort(cohort, workers=1)
print(f"{len(checked.accepted.scans)} images accepted, {len(checked.problems)} problems")

# %%
# Train
# -----
#
# The table has a column ``split``: 120 images to learn from, 30 to test. Without one, training is
# cross-validated by participant. Leave ``epochs`` out for a training of ordinary length.

trained = train_cohort(
    cohort,
    folder / "run",
    TrainingConfig(epochs=10),
    hardware=Hardware(accelerator="cpu", workers=1),
)
auc = trained.metrics["network"]["pooled"]["auc"]
print(f"area under the ROC curve on the 30 test images: {auc['value']:.2f}")

# %%
# Map
# ---
#
# Only scans that the network has not learnt from. The folder of maps holds, for each scan, the
# maps, a picture and a record, and a table of all.

tested = [scan for scan in cohort.scans if scan.split == "test"]
map_scans(trained.run, tested, folder / "maps", classes="lesion")
table = pd.read_table(folder / "maps" / "maps.tsv")
table[["scan", "label", "predicted", "probability_lesion"]].head(4)

# %%
# The pictures have the pattern in colour over the image. Which scans are shown should not be
# chosen by eye: here they are the first ten.

pictures = sorted((folder / "maps").rglob("*overlay*.png"))[:10]
figure, panels = plt.subplots(2, 5, figsize=(9, 4.4), layout="constrained")
for axes, picture, scan in zip(panels.flat, pictures, tested[:10], strict=True):
    axes.imshow(plt.imread(picture))
    axes.set_title(scan.label)
    axes.axis("off")
figure.suptitle("The pattern for the class “lesion”, in scans of both labels")
plt.show()

# %%
# Report
# ------
#
# One file that opens in any browser and can be sent to a colleague; here with 20 scans.

page = folder / "report.html"
write_cohort_report(folder / "run", folder / "maps", page, subjects=20)
print(f"{page.name}: {page.stat().st_size / 1e6:.1f} MB")

# %%
# The report says first how well the network predicts and whether the maps passed the checks, and
# then shows them. That the maps find these lesions does not show that they find yours: see
# :doc:`/getting-started` for your own images and :doc:`/reading-maps` for what to ask.
