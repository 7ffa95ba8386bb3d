"""A subscriber in twenty lines: verifies the signature, prints what became available."""

import os
from http.server import BaseHTTPRequestHandler, HTTPServer

from standardwebhooks import Webhook, WebhookVerificationError

VERIFIER = Webhook(os.environ["SIGNING_SECRET"])


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            data = VERIFIER.verify(body, dict(self.headers))
        except WebhookVerificationError:
            self.send_error(403)
            return
        study = data.get("study", data)["studyInstanceUID"]
        print(self.headers["Ce-Type"], "study", study, data.get("changeSet", ""), flush=True)
        self.send_response(204)
        self.end_headers()


if __name__ == "__main__":
    HTTPServer(("127.0.0.1", int(os.environ.get("PORT", "9000"))), Receiver).serve_forever()
