import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { Aedes } from 'aedes';
import { AgentError } from '../../state/errors.ts';

/** A message broker inside this process, for demonstrations and tests: MQTT 3.1.1 on loopback, nothing on disk. */
export type EmbeddedBroker = {
  readonly port: number;
  /** Cuts every connection, as a broker that stops does. */
  close(): Promise<void>;
};

/** The library of the embedded broker comes with the development packages only. */
export class EmbeddedBrokerMissingError extends AgentError {
  override readonly name = 'EmbeddedBrokerMissingError';
  readonly code = 'EMBEDDED_BROKER_MISSING';
  readonly remedy = 'Name a broker with --broker URL, or install the development packages with npm ci.';
}

/**
 * @param options - `port`: to come back where an earlier one was; 0, the default, takes a free one
 * @throws {@link EmbeddedBrokerMissingError}
 */
export async function startEmbeddedBroker({ port = 0 }: { port?: number } = {}): Promise<EmbeddedBroker> {
  const aedes = await createAedes();
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.once('close', () => sockets.delete(socket)));
    aedes.handle(socket);
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      await new Promise<void>((resolve) => aedes.close(resolve));
      // Also those that never got as far as to be a client.
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

async function createAedes(): Promise<Aedes> {
  try {
    const { Aedes } = await import('aedes');
    return await Aedes.createBroker();
  } catch (cause) {
    if (!(cause instanceof Error && 'code' in cause && cause.code === 'ERR_MODULE_NOT_FOUND')) throw cause;
    throw new EmbeddedBrokerMissingError('cannot start the embedded broker: aedes is not installed', { cause });
  }
}
