"""The command `webhook-service` as `python -m webhook_service`."""

from webhook_service.cli.main import main

if __name__ == "__main__":
    main(prog_name="webhook-service")
