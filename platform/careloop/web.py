"""What the web server imports: the application, put together from the environment."""

from contextlib import ExitStack

from litestar import Litestar

from careloop import jobs
from careloop.app import create_app
from careloop.assemble import assembled, database_server
from foundation.settings import Settings


def create() -> Litestar:
    """The application of one web worker process; its connections close when the process ends."""
    jobs.load()
    settings = Settings()
    stack = ExitStack()
    server = stack.enter_context(database_server(settings, purpose="web"))
    parts = stack.enter_context(assembled(settings, server, name="web"))
    application = create_app(parts)
    application.on_shutdown.append(stack.close)
    return application
