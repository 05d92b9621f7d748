"""Settings: defaults shipped in this folder, overlaid by ``PERENNIAL_CONFIG_DIR``.

``load()`` is the way in; ``files.find`` finds any overlaid file (SQL, mapping, playbook); ``documents.parse`` reads one
into a model with errors that name file and line.
"""

from include.config.loader import Shown, config_hash, load, show
from include.config.models import Settings

__all__ = ["Settings", "Shown", "config_hash", "load", "show"]
