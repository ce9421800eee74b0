"""The robustness report against a stub of the service that answers some texts and refuses others."""

from __future__ import annotations

import json
import tempfile
import threading
import unittest
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from tdi_training.robustness import SENTENCES, robustness, write_markdown


class Stub(BaseHTTPRequestHandler):
    def do_POST(self):
        text = json.loads(self.rfile.read(int(self.headers["content-length"])))["text"]
        reply = {"code": "text_unreadable"} if text == "?" else {"model": "stub", "results": [{"text": text.replace("12", "13")}]}
        self.send_response(422 if text == "?" else 200)
        self.end_headers()
        self.wfile.write(json.dumps(reply).encode())

    def log_message(self, *_):
        pass


class Robustness(unittest.TestCase):
    def test_the_report(self):
        server = HTTPServer(("127.0.0.1", 0), Stub)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        rows = [{"category": "a", "text": "It has 12 | 4 legs."}, {"category": "a", "text": "?"}, {"category": "b", "text": "So it is."}]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "sentences.jsonl"
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
            report = robustness(f"http://127.0.0.1:{server.server_port}", path, {})
            write_markdown(report, Path(folder) / "out.md")
            written = (Path(folder) / "out.md").read_text()
        everything = report["categories"]["all"]
        self.assertEqual([everything[k] for k in ("rows", "refused", "copies", "numbers_kept", "numbers_invented")], [3, 1, 50.0, 50.0, 50.0])
        self.assertIn("| a | It has 12 \\| 4 legs. | It has 13 \\| 4 legs. |", written)
        self.assertIn("| a | ? | (refused) |", written)

    def test_our_own_sentences(self):
        rows = [json.loads(line) for line in SENTENCES.read_text(encoding="utf-8").splitlines()]
        self.assertEqual(len({row["text"] for row in rows}), 200)


if __name__ == "__main__":
    unittest.main()
