"""The import of the SCIM server."""

import subprocess
import sys

CODE = """
import sys, webhook_service.app, webhook_service.cli.main
sys.exit("scim2_models" in sys.modules or "pydantic" in sys.modules)
"""


def test_a_start_does_not_import_the_library_of_scim() -> None:
    """The server and the commands start without scim2-models, whose import takes as long as half of all others."""
    assert subprocess.run([sys.executable, "-c", CODE], check=False).returncode == 0
