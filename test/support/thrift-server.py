"""A receiver of the data bridge, as the tests' peer: what Apache Thrift makes of our IDL for Python.

Usage: thrift-server.py GENERATED CERTIFICATE KEY OPTIONS
Prints a JSON line for each thing that happens; ends with its input. OPTIONS is JSON:
  port          0 for any
  password      of any user
  sessionIds    given out one after the other; the last one for ever
  slowMs        how long each call takes
  expireAfter   publishes after which a session expires
  refuseStream  a definition is refused with this text
  weakKey       has a certificate that is not safe any more
  oldTls        speaks nothing newer than TLS 1.0
"""

import json
import os
import socket
import ssl
import sys
import threading
import time

generated, certificate, key, options = sys.argv[1:5]
sys.path.insert(0, generated)
options = json.loads(options)

from event_transmission import ThriftSecureEventTransmissionService as service  # noqa: E402
from event_transmission import ttypes  # noqa: E402
from thrift.protocol.TBinaryProtocol import TBinaryProtocol  # noqa: E402
from thrift.transport.TSocket import TSocket  # noqa: E402
from thrift.transport.TTransport import TBufferedTransport, TTransportException  # noqa: E402

lock = threading.Lock()
sessions = {}
streams = {}


def tell(**event):
    with lock:
        print(json.dumps(event), flush=True)


class RecordingSocket(TSocket):
    """Keeps the bytes of the present call."""

    received = b""

    def read(self, size):
        data = super().read(size)
        self.received += data
        return data


class Handler:
    def connect(self, userName, password):
        time.sleep(options.get("slowMs", 0) / 1000)
        if password != options["password"]:
            tell(event="refused", userName=userName)
            raise ttypes.ThriftAuthenticationException("wrong credentials for " + userName)
        ids = options.get("sessionIds", ["session"])
        session = ids[min(len(sessions), len(ids) - 1)]
        sessions[session] = 0
        tell(event="connected", userName=userName, sessionId=session)
        return session

    def disconnect(self, sessionId):
        sessions.pop(sessionId, None)
        tell(event="disconnected", sessionId=sessionId)

    def defineStream(self, sessionId, streamDefinition):
        time.sleep(options.get("slowMs", 0) / 1000)
        self.check(sessionId)
        if "refuseStream" in options:
            raise ttypes.ThriftDifferentStreamDefinitionAlreadyDefinedException(options["refuseStream"])
        definition = json.loads(streamDefinition)
        stream = definition["name"] + ":" + definition["version"]
        streams[stream] = definition
        tell(event="defined", sessionId=sessionId, definition=streamDefinition)
        return stream

    def publish(self, eventBundle):
        time.sleep(options.get("slowMs", 0) / 1000)
        self.check(eventBundle.sessionId)
        sessions[eventBundle.sessionId] += 1
        if sessions[eventBundle.sessionId] > options.get("expireAfter", 1e9):
            sessions.pop(eventBundle.sessionId)
            tell(event="expired", sessionId=eventBundle.sessionId)
            raise ttypes.ThriftSessionExpiredException("session expired")
        if eventBundle.stringAttributeList[0] not in streams:
            raise ttypes.ThriftUndefinedEventTypeException("no such stream")
        raw = self.socket.received.hex()
        tell(event="published", bundle=as_json(eventBundle), raw=raw, at=time.time() * 1000)

    def check(self, sessionId):
        if sessionId not in sessions:
            raise ttypes.ThriftSessionExpiredException("no session " + sessionId)


def as_json(bundle):
    """In the order of the field ids; a field that was not sent is missing."""
    fields = [spec[2] for spec in bundle.thrift_spec if spec is not None]
    return {name: getattr(bundle, name) for name in fields if getattr(bundle, name) is not None}


def serve(raw):
    try:
        stream = context.wrap_socket(raw, server_side=True)
    except (ssl.SSLError, OSError) as error:
        tell(event="handshakeFailed", reason=str(error))
        raw.close()
        return
    tell(event="secured")
    recording = RecordingSocket()
    recording.setHandle(stream)
    handler = Handler()
    handler.socket = recording
    processor = service.Processor(handler)
    transport = TBufferedTransport(recording)
    protocol = TBinaryProtocol(transport, strictRead=True, strictWrite=True)
    try:
        while True:
            processor.process(protocol, protocol)
            recording.received = b""
    except (TTransportException, OSError):
        tell(event="closed")
    except Exception as error:  # what is not strict, or not the protocol
        tell(event="unreadable", reason=repr(error))
    finally:
        transport.close()


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
if options.get("oldTls") or options.get("weakKey"):
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
if options.get("oldTls"):
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1
context.load_cert_chain(certificate, key)
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", options.get("port", 0)))
listener.listen(16)


def end_with_input():
    sys.stdin.read()
    os._exit(0)


threading.Thread(target=end_with_input, daemon=True).start()
tell(event="listening", port=listener.getsockname()[1])
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
