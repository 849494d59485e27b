"""What `launch.calibrate` simulates: planted truths, one file per kind of inference.

Every file here is imported, so that a new file with designs in it is enough.
"""

from identjax.registry import import_all

import_all(__name__, __path__)
