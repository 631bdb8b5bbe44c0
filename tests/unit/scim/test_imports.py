"""The import of the SCIM server."""

import subprocess
import sys


def test_a_command_does_not_import_the_scim_server() -> None:
    """The commands start without scim2-models, whose import takes as long as half of all other imports."""
    code = "import sys, webhook_service.cli.main; sys.exit('scim2_models' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
