"""Reports: tables, figures and one offline page, drawn from what was evaluated."""

from identjax.report.page import write

__all__ = ["write"]
