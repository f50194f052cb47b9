"""The road, stage by stage: extract, standardise, check, mask, write, seal. CLI, DAGs and tests walk it through here."""

from etl.pipeline.context import Progress, RunContext, RunRequest
from etl.pipeline.road import STAGES, RunResult, resume_run, start_run

__all__ = ["STAGES", "Progress", "RunContext", "RunRequest", "RunResult", "resume_run", "start_run"]
