"""``stressnet report``: figures and pages from a run."""

from stressnet.stages.report.config import ReportConfig, report_run

__all__ = ["ReportConfig", "report_run"]
