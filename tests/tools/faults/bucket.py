"""A real S3 server on loopback that writes down what it is asked, and refuses, is away or lies on demand."""

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import cast

DENIED = b"<Error><Code>%s</Code><Message>no</Message></Error>"


class Server:
    """moto's S3 behind a door that writes down every request, and can refuse it or change what is read."""

    def __init__(self):
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

        self.requests: list[tuple[str, str, str]] = []  # method, path, query
        self.refused: Callable[[str, str], str] = lambda method, path: ""  # status and code, such as "403 AccessDenied"
        self.altered: Callable[[str, bytes], bytes] = lambda path, data: data  # what a GET of an object brings
        self._app = DomainDispatcherApplication(create_backend_app)
        self._port = 0
        self.start()
        self.address = f"127.0.0.1:{self._port}"

    def start(self) -> None:
        """Listen, after a ``stop`` at the same port and with the same objects."""
        from werkzeug.serving import WSGIRequestHandler, make_server

        class Quiet(WSGIRequestHandler):
            def log(self, type: str, message: str, *args) -> None:
                pass

        self._server = make_server("127.0.0.1", self._port, self._answer, threaded=True, request_handler=Quiet)
        self._port = self._server.port
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def _answer(self, environ: dict, start_response: Callable):
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        self.requests.append((method, path, environ["QUERY_STRING"]))
        if refusal := self.refused(method, path):
            status, _, code = refusal.partition(" ")
            start_response(f"{status} No", [("Content-Type", "application/xml")])
            return [b"" if method == "HEAD" else DENIED % code.encode()]
        if method != "GET" or "list-type" in environ["QUERY_STRING"]:
            return self._app(environ, start_response)
        begun: list = []
        data = b"".join(cast("Iterable[bytes]", self._app(environ, lambda *words: begun.extend(words))))
        brought = self.altered(path, data)
        # A shorter object, and not a connection that breaks: the client would try again.
        headers = [(name, value) for name, value in begun[1] if brought == data or name.lower() != "content-length"]
        start_response(begun[0], headers if brought == data else [*headers, ("Content-Length", str(len(brought)))])
        return [brought]

    def methods(self, since: int = 0) -> list[str]:
        """Of all requests since one: PUT, GET and so on; LIST for a listing."""
        return ["LIST" if "list-type" in query else method for method, _, query in self.requests[since:]]

    def fill(self, place: str, names: Sequence[str]) -> None:
        """Put empty objects into the results folder ``place`` without a request for each."""
        from moto.s3.models import s3_backends

        bucket, _, prefix = place.partition("?")[0].removeprefix("s3://").partition("/")
        for name in names:
            s3_backends["123456789012"]["aws"].put_object(bucket, f"{prefix}/{name}", b"")

    def stop(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
