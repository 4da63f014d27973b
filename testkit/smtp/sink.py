"""A mail server that keeps what it is sent, as one line of JSON for each email, taken apart by Python's own parser.

A recipient `code-NNN@…` is refused with that code.
"""

import asyncio
import base64
import email
import email.policy
import json
import re
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

OPTIONS = json.loads(sys.argv[1])


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        refused = re.match(r"code-(\d)(\d\d)@", address)
        if refused:
            first, rest = refused.groups()
            return f"{first}{rest} {first}.1.1 hunter2 <{address}>"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.original_content, policy=email.policy.default)
        parts = []
        for part in message.walk():
            if not part.is_multipart():
                content = part.get_payload(decode=True)
                parts.append({
                    "content_type": part.get_content_type(),
                    "filename": part.get_filename(),
                    "content": base64.b64encode(content).decode(),
                })
        entry = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "headers": {name.lower(): str(value) for name, value in message.items()},
            "parts": parts,
            "tls": session.ssl is not None or OPTIONS["tls"] == "implicit",
            "user": session.auth_data.login.decode() if session.auth_data else None,
        }
        with open(OPTIONS["file"], "a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
        return "250 2.0.0 queued"


def authenticate(server, session, envelope, mechanism, data):
    known = (OPTIONS["user"].encode(), OPTIONS["password"].encode())
    if isinstance(data, LoginPassword) and (data.login, data.password) == known:
        return AuthResult(success=True, auth_data=data)
    return AuthResult(success=False, handled=False)


def context():
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(OPTIONS["certificate"], OPTIONS["key"])
    return made


def session():
    keys = {"hostname": "mail.example.com", "enable_SMTPUTF8": True}
    if OPTIONS["tls"] == "starttls":
        keys |= {"tls_context": context(), "require_starttls": True}
    if OPTIONS["user"]:
        keys |= {"authenticator": authenticate, "auth_required": True, "auth_require_tls": False}
    return SMTP(Handler(), **keys)


async def main():
    tls = context() if OPTIONS["tls"] == "implicit" else None
    server = await asyncio.get_running_loop().create_server(session, "127.0.0.1", OPTIONS["port"], ssl=tls)
    await server.serve_forever()


asyncio.run(main())
