"""A receiver of webhooks that answers 204 where their own package takes the signature, and 401 where it does not.

Whatever came is kept, as one line of JSON for each request.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook, WebhookVerificationError

OPTIONS = json.loads(sys.argv[1])
WEBHOOK = Webhook(OPTIONS["secret"])


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        entry = {"id": self.headers["webhook-id"], "payload": None, "error": None}
        try:
            entry["payload"] = WEBHOOK.verify(body, dict(self.headers))
        except WebhookVerificationError as error:
            entry["error"] = str(error)
        with open(OPTIONS["file"], "a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
        self.send_response(401 if entry["error"] else 204)
        self.end_headers()

    def log_message(self, *args):
        """What came is in the file."""


ThreadingHTTPServer(("127.0.0.1", OPTIONS["port"]), Handler).serve_forever()
