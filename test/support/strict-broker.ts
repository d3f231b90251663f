import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { Aedes, type AedesOptions } from 'aedes';

/** What a broker of somebody else's may refuse. */
export type Rules = Pick<AedesOptions, 'authenticate' | 'authorizeSubscribe'>;

/** An embedded broker with access rules, on a free port of the loopback address. */
export async function startStrictBroker(rules: Rules): Promise<AsyncDisposable & { readonly port: number }> {
  const aedes = await Aedes.createBroker(rules);
  const server = createServer((socket) => void aedes.handle(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      await new Promise<void>((resolve) => aedes.close(resolve));
      await closed;
    },
  };
}
