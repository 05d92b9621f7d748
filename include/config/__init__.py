"""Settings: the defaults of ``include/defaults``, overlaid by ``PERENNIAL_CONFIG_DIR``.

``load()`` returns all settings, ``today()`` the day in their time zone. ``files.find`` finds any overlaid file (SQL,
mapping, playbook). ``documents.parse`` reads a file into a model, with errors that name file and line.
"""

from include.config.loader import Shown, config_hash, load, show, today
from include.config.models import Settings

__all__ = ["Settings", "Shown", "config_hash", "load", "show", "today"]
