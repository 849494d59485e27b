"""identjax: the empirical study of what the loss does not determine."""

from identjax import languages, models, studies
from identjax.sweep.folder.load import Run as open

__all__ = ["languages", "models", "open", "studies"]
