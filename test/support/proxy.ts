import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** One MQTT packet on its way through the proxy. */
export type Packet = {
  readonly from: 'client' | 'broker';
  /** `PUBLISH`, `SUBACK`, ... */
  readonly type: string;
  /** Of a PUBLISH only. */
  readonly topic: string | null;
  /** Counted from 1. */
  readonly connection: number;
};

/** `hold`: it waits for `release`, what comes later passes it; `cut`: half of it is sent, then both ends are closed. */
export type Fate = 'pass' | 'hold' | 'cut';

/** A TCP proxy in front of a broker that knows MQTT well enough to do harm at any packet. */
export type Proxy = AsyncDisposable & {
  readonly port: number;
  /** What was sent on as a whole, oldest first. */
  readonly packets: readonly Packet[];
  /** `false`: whoever connects is hung up on. */
  accepts: boolean;
  fate: (packet: Packet) => Fate;
  /** How many have connected so far, those that were hung up on included. */
  readonly connections: number;
  /** How many packets are held now. */
  readonly held: number;
  /** Sends on what was held, in its order. */
  release(): void;
  /** Closes every connection, as a broken cable that both ends notice. */
  cut(): void;
};

/** Starts it on the loopback address. @param options - `port`: to be there from now on, where nobody was; default a free one */
export async function startProxy(brokerPort: number, options: { readonly port?: number } = {}): Promise<Proxy> {
  const packets: Packet[] = [];
  const sockets = new Set<Socket>();
  let held: (() => void)[] = [];
  let connections = 0;

  const server = createServer({ noDelay: true }, (client) => {
    connections += 1;
    if (!proxy.accepts) return void client.destroy();
    const broker = connect({ port: brokerPort, host: '127.0.0.1', noDelay: true });
    const ends = [client, broker];
    const hangUp = () => {
      for (const end of ends) end.destroy();
    };
    for (const end of ends) {
      sockets.add(end);
      end.on('error', hangUp).on('end', hangUp);
      end.on('close', () => {
        sockets.delete(end);
        hangUp();
      });
    }
    relay(client, broker, { from: 'client', connection: connections }, hangUp);
    relay(broker, client, { from: 'broker', connection: connections }, hangUp);
  });

  function relay(source: Socket, sink: Socket, about: Pick<Packet, 'from' | 'connection'>, hangUp: () => void) {
    let isCut = false;
    source.on(
      'data',
      packetReader((bytes) => {
        if (isCut || source.destroyed || sink.destroyed) return;
        const packet = { ...about, ...headOf(bytes) };
        const send = () => {
          packets.push(packet);
          sink.write(bytes);
        };
        const fate = proxy.fate(packet);
        if (fate === 'pass') send();
        else if (fate === 'hold') held.push(send);
        else {
          // Nothing may follow the half: it would become one packet with it.
          isCut = true;
          sink.write(bytes.subarray(0, Math.ceil(bytes.length / 2)), hangUp);
        }
      }),
    );
  }

  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const proxy: Proxy = {
    port: (server.address() as AddressInfo).port,
    packets,
    accepts: true,
    fate: () => 'pass',
    get connections() {
      return connections;
    },
    get held() {
      return held.length;
    },
    release() {
      const sends = held;
      held = [];
      for (const send of sends) send();
    },
    cut() {
      for (const socket of sockets) socket.destroy();
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
  return proxy;
}

/** Puts chunks together to whole packets. @see MQTT 3.1.1, 2.2.3 */
export function packetReader(onPacket: (bytes: Buffer) => void): (chunk: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    for (let size = sizeOf(rest); size !== null && size <= rest.length; size = sizeOf(rest)) {
      const packet = rest.subarray(0, size);
      rest = rest.subarray(size);
      onPacket(packet);
    }
  };
}

const types = [
  ...['RESERVED', 'CONNECT', 'CONNACK', 'PUBLISH', 'PUBACK', 'PUBREC', 'PUBREL', 'PUBCOMP'],
  ...['SUBSCRIBE', 'SUBACK', 'UNSUBSCRIBE', 'UNSUBACK', 'PINGREQ', 'PINGRESP', 'DISCONNECT', 'AUTH'],
];

function headOf(bytes: Buffer): Pick<Packet, 'type' | 'topic'> {
  const type = types[(bytes[0] ?? 0) >> 4] ?? '';
  if (type !== 'PUBLISH') return { type, topic: null };
  const start = 1 + lengthBytes(bytes);
  return { type, topic: bytes.toString('utf8', start + 2, start + 2 + bytes.readUInt16BE(start)) };
}

/** Of the whole packet; null: its length has not come yet. */
function sizeOf(bytes: Buffer): number | null {
  const count = lengthBytes(bytes);
  if (bytes.length < 1 + count) return null;
  let remaining = 0;
  for (let index = count; index >= 1; index -= 1) remaining = remaining * 128 + ((bytes[index] ?? 0) & 127);
  return 1 + count + remaining;
}

function lengthBytes(bytes: Buffer): number {
  let count = 1;
  while (count < 4 && ((bytes[count] ?? 0) & 128) !== 0) count += 1;
  return count;
}
