"""A mail server on this machine, right or wrong, for the tests.

Its only argument is JSON:
  tls          "starttls" (required), "implicit" or "none"
  certificate  PEM files, unless there is no TLS
  key
  username     whoever has to sign in, if anybody has
  password
  refused      addresses of recipients, and the answers that they get
  steps        what becomes of the first connections, one each: null for nothing special, or
               {"at": "connect" | "mail" | "data", "answer": a line | "hang up" | "silence"}

It prints a line of JSON with its port, and then one for each mail, taken apart by a parser that is not ours.
"""

import asyncio
import email
import email.policy
import json
import logging
import os
import ssl
import sys
import warnings

from aiosmtpd.smtp import SMTP, AuthResult

# What a server should not be is what some tests want.
logging.disable()
warnings.simplefilter("ignore")

settings = json.loads(sys.argv[1])
steps = list(settings.get("steps", []))


def say(what):
    print(json.dumps(what), flush=True)


class Handler:
    def __init__(self, step):
        self.step = step or {}
        self.server = None

    async def special(self, server, at):
        """The wrong answer at this place, if there is one."""
        if self.step.get("at") != at:
            return None
        answer = self.step["answer"]
        if answer == "silence":
            await asyncio.Event().wait()
        if answer == "hang up":
            server.transport.abort()
        return answer

    async def handle_MAIL(self, server, session, envelope, address, options):
        if answer := await self.special(server, "mail"):
            return answer
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        if answer := settings.get("refused", {}).get(address):
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if answer := await self.special(server, "data"):
            return answer
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        defects = [str(defect) for defect in message.defects]
        for value in message.values():
            defects += [str(defect) for defect in getattr(value, "defects", [])]
        say(
            {
                "from": envelope.mail_from,
                "to": envelope.rcpt_tos,
                "user": session.auth_data,
                "encrypted": server.transport.get_extra_info("sslcontext") is not None,
                "headers": [[name, str(value)] for name, value in message.items()],
                "defects": defects,
                "type": message.get_content_type(),
                "multipart": message.is_multipart(),
                "body": message.get_content(),
                "raw": envelope.content.decode("latin-1"),
            }
        )
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    username, password = data.login.decode(), data.password.decode()
    if (username, password) == (settings["username"], settings["password"]):
        return AuthResult(success=True, auth_data=username)
    # A server that is careless with what it was told.
    return AuthResult(success=False, handled=False, message=f"535 5.7.8 no {username} with {password}")


class Wrong(asyncio.Protocol):
    """Somebody who is wrong from the first line."""

    def __init__(self, answer):
        self.answer = answer

    def connection_made(self, transport):
        if self.answer == "hang up":
            transport.abort()
        elif self.answer != "silence":
            transport.write(self.answer.encode("latin-1") + b"\r\n")


def context():
    if settings["tls"] == "none":
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(settings["certificate"], settings["key"])
    return context


async def main():
    tls, loop = context(), asyncio.get_running_loop()
    starttls = settings["tls"] == "starttls"

    def connection():
        step = steps.pop(0) if steps else None
        if step and step["at"] == "connect":
            return Wrong(step["answer"])
        signs_in = settings.get("username") is not None
        return SMTP(
            Handler(step),
            hostname="mail.example.org",
            tls_context=tls if starttls else None,
            require_starttls=starttls,
            authenticator=authenticate if signs_in else None,
            auth_required=signs_in,
            auth_require_tls=starttls,
            auth_exclude_mechanism=[] if signs_in else ["LOGIN", "PLAIN"],
            loop=loop,
        )

    wrapped = None if starttls else tls
    server = await loop.create_server(connection, "127.0.0.1", 0, ssl=wrapped)
    say({"port": server.sockets[0].getsockname()[1]})
    # Whoever started this closes its standard input at the end, however it ends.
    await loop.run_in_executor(None, sys.stdin.read)
    os._exit(0)


asyncio.run(main())
