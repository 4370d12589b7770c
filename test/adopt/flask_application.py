# Flask with Flask-Session, as its documents set it up, unsigned with msgpack and signed with JSON, and the
# routes of the other old applications.
# Arguments: the port of Redis, and the secret. Prints its version and the ports of two applications.
import sys
import threading
import warnings

warnings.simplefilter("ignore")  # The signer is deprecated.

from flask import Flask, session
from flask_session import Session, __version__
from redis import Redis
from werkzeug.serving import make_server

port, secret = sys.argv[1:]


def start(serialization, use_signer):
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY=secret,
        SESSION_TYPE="redis",
        SESSION_REDIS=Redis(port=int(port)),
        SESSION_SERIALIZATION_FORMAT=serialization,
        SESSION_USE_SIGNER=use_signer,
    )
    Session(app)

    @app.get("/in/<name>")
    def sign_in(name):
        session.update(name=name, cart={"items": ["apple", "Grüße"]}, count=2**40)
        return {}

    @app.get("/who")
    def who():
        return {"name": session.get("name")}

    server = make_server("127.0.0.1", 0, app)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.port


print(__version__, start("msgpack", False), start("json", True), flush=True)
# It ends with the test that has started it.
sys.stdin.read()
