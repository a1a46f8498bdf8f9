"""A real SMTP server for tests: aiosmtpd, with STARTTLS and AUTH when asked.

The first line on standard output says where it listens, then comes one line of JSON per message, parsed by Python's own
email package. It ends when standard input does, so it never outlives the test that started it.
"""

import argparse
import asyncio
import email
import email.policy
import json
import ssl
import sys

import trustme
from aiosmtpd.smtp import SMTP, AuthResult


class Messages:
    def __init__(self, refused):
        self.refused = refused

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address in self.refused:
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.original_content, policy=email.policy.default)
        tell(
            {
                "from": envelope.mail_from,
                "to": envelope.rcpt_tos,
                "headers": [[name, str(value)] for name, value in message.items()],
                "text": message.get_content(),
                "raw": envelope.original_content.decode("utf-8", "replace"),
                "tls": session.ssl is not None,
                "user": getattr(session, "user", None),
            }
        )
        return "250 OK"


def tell(line):
    print(json.dumps(line), flush=True)


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--login", help="USER:PASSWORD; then STARTTLS and AUTH are required")
    parser.add_argument("--refuse", action="append", default=[], help="a recipient that does not exist")
    options = parser.parse_args()

    settings = {}
    authority_pem = None
    if options.login:
        authority = trustme.CA()
        authority_pem = authority.cert_pem.bytes().decode()
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("127.0.0.1").configure_cert(tls)
        user, password = (part.encode() for part in options.login.split(":"))

        def authenticate(server, session, envelope, mechanism, login):
            good = (login.login, login.password) == (user, password)
            session.user = login.login.decode() if good else None
            return AuthResult(success=good)

        settings = {
            "tls_context": tls,
            "require_starttls": True,
            "authenticator": authenticate,
            "auth_required": True,
        }

    loop = asyncio.get_running_loop()
    messages = Messages(options.refuse)
    server = await loop.create_server(lambda: SMTP(messages, **settings), "127.0.0.1", 0)
    tell({"port": server.sockets[0].getsockname()[1], "authority": authority_pem})

    # Ends with whoever started it.
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()


asyncio.run(main())
