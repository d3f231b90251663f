import type { Secret } from '../../state/secret.ts';
import { bundleOf, type StreamDefinition, type StreamEvent } from './bundle.ts';
import { type Client, openClient } from './client.ts';
import type { Receiver } from './failures.ts';
import type { ReceiverTls } from './socket.ts';

/** How to come to a session. */
export type Access = {
  readonly receiver: Receiver;
  readonly username: string;
  readonly password: Secret;
  readonly tls: ReceiverTls;
};

/** Logged in, and the stream is defined. */
export type Session = {
  readonly isOpen: boolean;
  /** Resolves once the receiver has them. */
  publish(events: readonly StreamEvent[]): Promise<void>;
  /** Says goodbye, and does not wait long for an answer. */
  leave(): Promise<void>;
  close(): void;
};

const goodbyeMs = 1_000;

/** @throws what the calls of the client throw */
export async function openSession(
  { receiver, username, password, tls }: Access,
  definition: StreamDefinition,
  options: { timeoutMs: number; signal: AbortSignal },
): Promise<Session> {
  const client = await openClient(receiver, { tls, ...options });
  try {
    const sessionId = await client.connect(username, password);
    const streamId = await client.defineStream(sessionId, definition);
    return sessionOver(client, { sessionId, streamId, definition });
  } catch (thrown) {
    client.close();
    throw thrown;
  }
}

function sessionOver(
  client: Client,
  { sessionId, streamId, definition }: { sessionId: string; streamId: string; definition: StreamDefinition },
): Session {
  return {
    get isOpen() {
      return client.isOpen;
    },
    publish: (events) => client.publish(bundleOf(definition, events, { sessionId, streamId })),
    async leave() {
      const patience = setTimeout(() => client.close(), goodbyeMs);
      // The session ends by itself, too.
      if (client.isOpen) await client.disconnect(sessionId).catch(() => {});
      clearTimeout(patience);
      client.close();
    },
    close: () => client.close(),
  };
}
