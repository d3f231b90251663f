import { Connection, createClient, TBinaryProtocol, TBufferedTransport } from 'thrift';
import { AgentError } from '../../state/errors.ts';
import type { Secret } from '../../state/secret.ts';
import type { Bundle, StreamDefinition } from './bundle.ts';
import {
  addressOf,
  notReached,
  type Receiver,
  ReceiverFailedError,
  ReceiverLoginError,
  SessionExpired,
  StreamRefusedError,
} from './failures.ts';
import { ThriftEventBundle } from './generated/event-transmission_types.js';
import { Client as Service } from './generated/ThriftSecureEventTransmissionService.js';
import { openSocket, type ReceiverTls, secured } from './socket.ts';

/** One connection to a receiver. Each call is answered within the limit, or the connection is closed. */
export type Client = {
  readonly isOpen: boolean;
  /** Resolves with the id of a session. @throws ReceiverLoginError */
  connect(username: string, password: Secret): Promise<string>;
  /** Resolves with the id of the stream. @throws StreamRefusedError, SessionExpired */
  defineStream(sessionId: string, definition: StreamDefinition): Promise<string>;
  /** @throws SessionExpired */
  publish(bundle: Bundle): Promise<void>;
  disconnect(sessionId: string): Promise<void>;
  close(): void;
};

/** Answers are a few hundred bytes; whoever sends more without an end is not the data bridge. */
const answerLimitBytes = 1024 * 1024;

/** A peer that answers anything else is told from one that takes its time. */
class StrictProtocol extends TBinaryProtocol {
  constructor(transport: TBufferedTransport) {
    super(transport, true, true);
  }
}

/**
 * Connects over TLS; does not log in.
 *
 * @param options - `timeoutMs`: for the connection, and for each call; `signal`: closes it
 * @throws ReceiverNotReachedError, ReceiverTlsError, ReceiverTlsFileError
 * @see protocol.md section 9.1
 */
export async function openClient(
  receiver: Receiver,
  options: { tls: ReceiverTls; timeoutMs: number; signal: AbortSignal },
): Promise<Client> {
  const { tls, timeoutMs, signal } = options;
  const socket = openSocket(receiver, tls);
  const isSecured = secured(socket, receiver);
  // Before it is connected, or the library would wait for a connection that there is already.
  const connection = new Connection(socket, { transport: TBufferedTransport, protocol: StrictProtocol });
  const service = createClient(Service, connection);
  const gone = Promise.withResolvers<never>();
  gone.promise.catch(() => {}); // nobody may be waiting
  let answerBytes = 0;
  const fail = (cause: Error) => {
    gone.reject(notReached(receiver, cause));
    socket.destroy();
  };
  connection.on('error', fail);
  connection.on('close', () => fail(new Error('it hung up')));
  socket.on('data', (chunk) => {
    answerBytes += chunk.length;
    if (answerBytes > answerLimitBytes) fail(new Error('its answer has no end'));
  });
  const abort = () => fail(new Error('the agent stops'));
  signal.addEventListener('abort', abort, { once: true });
  socket.once('close', () => signal.removeEventListener('abort', abort));
  if (signal.aborted) abort();

  /** The library never tells those who wait for an answer that the connection is gone. */
  async function within<T>(answer: Promise<T>): Promise<T> {
    answerBytes = 0;
    const timer = setTimeout(() => fail(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs).unref();
    try {
      return await Promise.race([answer, gone.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  const call = <T>(answer: Promise<T>) => within(answer).catch((thrown) => Promise.reject(meant(thrown, receiver)));

  await within(isSecured).catch((thrown) => {
    socket.destroy();
    throw thrown;
  });
  return {
    get isOpen() {
      return socket.writable && !socket.readableEnded;
    },
    connect: (username, password) => call(service.connect(username, password.reveal())),
    defineStream: (sessionId, definition) => call(service.defineStream(sessionId, JSON.stringify(definition))),
    publish: (bundle) => call(service.publish(new ThriftEventBundle(bundle))),
    disconnect: (sessionId) => call(service.disconnect(sessionId)),
    close: () => void socket.destroy(),
  };
}

/** What the receiver answered, as the failure it means. */
function meant(thrown: unknown, receiver: Receiver): Error {
  if (thrown instanceof AgentError) return thrown; // of the connection
  const address = addressOf(receiver);
  const reason = reasonIn(thrown);
  const options = { cause: thrown, facts: { ...receiver, reason } };
  // The generated classes carry their names; this is all that is known of them once they have been bundled.
  const kind = thrown instanceof Error ? thrown.name : '';
  if (kind === 'ThriftSessionExpiredException') return new SessionExpired(reason);
  if (kind === 'ThriftAuthenticationException')
    return new ReceiverLoginError(`cannot log in at ${address}: ${reason}`, options);
  if (refusals.includes(kind)) return new StreamRefusedError(`cannot use the stream at ${address}: ${reason}`, options);
  return new ReceiverFailedError(`cannot use ${address}: ${reason}`, options);
}

const refusals = [
  'ThriftDifferentStreamDefinitionAlreadyDefinedException',
  'ThriftMalformedStreamDefinitionException',
  'ThriftStreamDefinitionException',
  'ThriftUndefinedEventTypeException',
];

/** Others' text, for one line. */
function reasonIn(thrown: unknown): string {
  const message = thrown instanceof Error ? thrown.message || thrown.name : String(thrown);
  return message.slice(0, 200).replace(/\p{Cc}/gu, ' ');
}
