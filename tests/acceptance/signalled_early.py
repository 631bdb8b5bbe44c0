"""A worker for one test: gunicorn loads it by its name, and nothing else of the tests."""

import os
import signal

from webhook_service.server.worker import Worker


class SignalledEarly(Worker):
    """The server is told to end as the worker has just begun to start, and passes that on to it then and there."""

    def load_wsgi(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        os.kill(self.ppid, signal.SIGTERM)
        signal.sigwait({signal.SIGTERM})
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        os.kill(os.getpid(), signal.SIGTERM)
        super().load_wsgi()
