"""Run ``python -m include.cli``."""

import sys

from include.cli.main import main
from include.orchestration.connections import use_airflow_from_command_line

use_airflow_from_command_line()
sys.exit(main())
