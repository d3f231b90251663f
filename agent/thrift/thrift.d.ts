// What client.ts uses of the library, which brings no types of its own.
declare module 'thrift' {
  import type { EventEmitter } from 'node:events';
  import type { Socket } from 'node:net';

  export class TBufferedTransport {}
  export class TBinaryProtocol {
    constructor(transport: TBufferedTransport, strictRead?: boolean, strictWrite?: boolean);
  }
  /** Emits `error` for what it cannot read; calls that wait for an answer when it is gone are never told. */
  export class Connection extends EventEmitter {
    constructor(
      socket: Socket,
      options: {
        transport: typeof TBufferedTransport;
        protocol: new (transport: TBufferedTransport) => TBinaryProtocol;
      },
    );
  }
  export function createClient<T>(service: new (...args: never) => T, connection: Connection): T;
}
