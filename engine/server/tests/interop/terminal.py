"""A person at redis-cli's prompt, played through a pseudo terminal. Called with the server's port."""

import os
import pty
import select
import sys
import time

PORT = sys.argv[1]
PATIENCE_SECONDS = 20


class Terminal:
    def __init__(self, arguments):
        self.seen = ""
        self.child, self.descriptor = pty.fork()
        if self.child == 0:
            os.environ.update(TERM="dumb", HOME="/nonexistent")
            os.execvp(arguments[0], arguments)

    def expect(self, words):
        """Waits until the words appear after what was expected before; returns what came up to them."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while words not in self.seen:
            assert time.monotonic() < deadline, f"waited in vain for {words!r} in {self.seen!r}"
            if select.select([self.descriptor], [], [], 0.1)[0]:
                self.seen += os.read(self.descriptor, 65536).decode(errors="replace")
        before, self.seen = self.seen.split(words, 1)
        return before

    def type(self, line):
        os.write(self.descriptor, line.encode() + b"\r")

    def exit_code(self):
        return os.waitstatus_to_exitcode(os.waitpid(self.child, 0)[1])


def main():
    terminal = Terminal(["redis-cli", "-p", PORT])
    prompt = f"127.0.0.1:{PORT}> "
    conversation = [
        ("set greeting hello", "OK", prompt),
        ("get greeting", '"hello"', prompt),
        ("strlen greeting", "(integer) 5", prompt),
        ("get nothing", "(nil)", prompt),
        ("incr greeting", "(error) ERR value is not an integer or out of range", prompt),
        ("multi", "OK", f"127.0.0.1:{PORT}(TX)> "),
        ("set greeting there", "QUEUED", f"127.0.0.1:{PORT}(TX)> "),
        ("exec", "1) OK", prompt),
        ("select 3", "OK", f"127.0.0.1:{PORT}[3]> "),
        ("dbsize", "(integer) 0", f"127.0.0.1:{PORT}[3]> "),
        ("select 0", "OK", prompt),
        ("hello 3", '"proto" => (integer) 3', prompt),
        ("help get", "since:", prompt),
    ]
    terminal.expect(prompt)
    for line, answer, next_prompt in conversation:
        terminal.type(line)
        terminal.expect(answer)
        terminal.expect(next_prompt)
    terminal.type("quit")
    assert terminal.exit_code() == 0
    print("all is well")


main()
