import subprocess
import sys


def test_the_report_needs_no_torch():
    modules = ("cohort_report", "figures.comparison", "page.html", "figures.scores")
    code = "; ".join(f"import hrcam.report.{name}" for name in modules)
    code += "; import sys; sys.exit('torch' in sys.modules or 'matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
