"""A worker for one test. gunicorn loads it by its name, without the rest of the tests."""

import os
import signal

from webhook_service.server.worker import Worker


class SignalledEarly(Worker):
    """A worker that has just begun to start when its server gets a SIGTERM and passes it on at once."""

    def load_wsgi(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        os.kill(self.ppid, signal.SIGTERM)
        signal.sigwait({signal.SIGTERM})
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        os.kill(os.getpid(), signal.SIGTERM)
        super().load_wsgi()
