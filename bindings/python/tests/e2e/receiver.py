"""A Flask app with one endpoint per profile, which writes a line about everything it handles.

Served by werkzeug when it is run, and by gunicorn as `receiver:create_app()`. Its settings are a file, so that a reload
reads new secrets.
"""

import base64
import json
import os
import pathlib
import sys

from flask import Flask, request

from hookwright.dedupe import SqliteDedupe
from hookwright.flask import Hookwright


def tell(**line):
    # One write, so that lines of several workers do not mix.
    os.write(sys.stdout.fileno(), json.dumps(line).encode() + b"\n")


def create_app():
    settings = json.loads(pathlib.Path(os.environ["RECEIVER_SETTINGS"]).read_text())
    app = Flask(__name__)
    hooks = Hookwright(app)
    dedupe = SqliteDedupe(settings["dedupe"])
    for name, secrets in settings["secrets"].items():
        blueprint = hooks.blueprint(name, secrets, dedupe=dedupe, validate=settings["validate"].get(name, False))

        @blueprint.on("*")
        def handle(event, name=name):
            headers = [[key, value] for key, value in request.headers.items() if key != "Content-Length"]
            tell(
                endpoint=name,
                id=event.id,
                type=event.type,
                data=event.data,
                secret=event.secret_index,
                body=base64.b64encode(event.body).decode(),
                headers=headers,
            )

        app.register_blueprint(blueprint)
    return app


if __name__ == "__main__":
    from werkzeug.serving import make_server

    server = make_server("127.0.0.1", 0, create_app(), threaded=True)
    os.write(sys.stdout.fileno(), f"Listening at: http://127.0.0.1:{server.server_port} \n".encode())
    server.serve_forever()
