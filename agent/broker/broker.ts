import { EventEmitter, once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import type { AgentError } from '../../state/errors.ts';
import type { Log } from '../log.ts';
import {
  type BrokerOptions,
  createClient,
  end,
  forgetSession,
  leave,
  type PublishOptions,
  publish,
  subscribe,
} from './client.ts';
import { createComplaints, type LinkNote } from './complaints.ts';
import { CutOffError, DeadLinkError, HungUpError, understood } from './failures.ts';
import { createHoming } from './homing.ts';
import { createRoute } from './route.ts';
import { openStream, type Server } from './stream.ts';
import { defaultTimings } from './timings.ts';

/** The one connection to the message broker. Reconnects for ever; closing it is the owner's. */
export type Broker = {
  /** `up`: connected and subscribed (SUBACK received). */
  readonly link: 'up' | 'down';
  /** The server in use, or tried last. */
  readonly server: Server;
  /** What went wrong last, if anything did since the last connection; while the link is up: what was refused. */
  readonly failure: Error | null;
  /** The failure that a person must mend, at whichever server; null: there is none. */
  readonly blocking: Error | null;
  /**
   * Resolves once the broker acknowledged it (QoS 1), or it was written (QoS 0); QoS 1 survives reconnects, QoS 0 rejects
   * without a link.
   *
   * @throws PublishRefusedError over MQTT 5
   */
  publish(topic: string, payload: string | Uint8Array, options: PublishOptions): Promise<void>;
  /** Resolves at once when the link is up, else as soon as it is. */
  up(signal: AbortSignal): Promise<void>;
  /** Calls back on each change of the link, until the signal is aborted. */
  onLink(listener: (link: 'up' | 'down') => void, signal: AbortSignal): void;
  /** Calls back before we return to a server we prefer; the answer is waited for, a moment. */
  onMoving(listener: (to: Server) => Promise<void>, signal: AbortSignal): void;
  /** Gives the connection up, and begins the next one. */
  drop(reason: AgentError): void;
  /**
   * Makes every broker of the list forget our session, and what our will says: nothing is kept for an instance that is
   * gone, nor where an earlier run was. The connection is closed for good.
   */
  endSession(): Promise<void>;
  close(): Promise<void>;
};

const lettersTimeoutMs = 2_000;
const movingTimeoutMs = 1_000;

/**
 * Connects in the background and calls `onMessage` for each message, in order. A QoS 1 message is acknowledged when
 * `onMessage` has returned, so it must be quick, and must not wait for anything this connection brings.
 *
 * @param parts - `onNote`: told what a person should know of the link; null: nothing any more
 * @see design.md, "The bus"; stack.md, section 2
 */
export function connectBroker(
  options: BrokerOptions,
  parts: {
    log: Log;
    onMessage: (topic: string, payload: Uint8Array) => void;
    onNote?: (note: LinkNote | null) => void;
  },
): Broker {
  const { log, onMessage, onNote = () => {} } = parts;
  const timings = { ...defaultTimings, ...options.timings };
  const events = new EventEmitter<{ up: []; down: [] }>().setMaxListeners(0);
  const movers = new Set<(to: Server) => Promise<void>>();
  const letters = new Set<Promise<void>>();
  const visited = new Set<Server>();
  const route = createRoute(options.servers, timings);
  const complaints = createComplaints({ log, remindEveryMs: timings.remindEveryMs, servers: options.servers, onNote });
  const homing = createHoming({ route, tls: options.tls, timings, log, onHome: (index) => void move(index) });
  const client = createClient(options, timings, open);
  let link: 'up' | 'down' = 'down';
  let closing = false;
  let isMoving = false;
  let lastFailure: Error | null = null;
  let isConnected = false;
  let hasFailed = false;
  let impatient: NodeJS.Timeout | undefined;
  const isTls = options.tls !== null;

  // Acknowledged by the callback, after our own handling: the `message` event would not be waited for.
  client.handleMessage = (packet, acknowledge) => {
    if (packet.cmd === 'publish') onMessage(packet.topic, packet.payload as Uint8Array);
    acknowledge();
  };
  client.on('connect', ({ sessionPresent }) => {
    const { server } = route;
    route.connected();
    isConnected = true;
    lastFailure = null;
    log.info({ event: 'broker.connected', ...server, sessionPresent }, 'connected to the broker');
    if (options.persistent && !sessionPresent && visited.has(server))
      log.warn(
        { event: 'broker.sessionLost', ...server },
        'the broker has forgotten our session, and what waited in it',
      );
    subscribe(client, options.subscriptions, log, (refusal) => {
      clearTimeout(impatient);
      lastFailure = refusal;
      complaints.settled(refusal);
      visited.add(server);
      homing.start();
      link = 'up';
      events.emit('up');
    });
  });
  client.prependListener('close', () => {
    clearTimeout(impatient);
    homing.stop();
    if (link === 'up' && !closing) log.warn({ event: 'broker.disconnected', ...route.server }, 'lost the broker');
    // Hung up on without a word: the library does not call that an error.
    if (link === 'down' && !hasFailed && !isMoving) failed(closed());
    link = 'down';
    isConnected = hasFailed = isMoving = false;
    events.emit('down');
    // A connection that ends late must not begin the attempts again: 0 is the library's word for none.
    client.options.reconnectPeriod = closing ? 0 : route.next();
  });
  client.on('error', (cause) => failed(understood(cause, route.server, { isTls, isAnswered: isConnected })));
  client.on('disconnect', ({ reasonCode }) => failed(new HungUpError(reasonCode)));
  client.connect();

  function open() {
    // The library waits for the acknowledgement of all that was on its way before it says `connect`, without a limit.
    clearTimeout(impatient);
    impatient = setTimeout(
      () => drop(new DeadLinkError('cannot get the link up: the broker has stopped answering')),
      timings.upWithinMs,
    );
    return openStream(route.server, options.tls);
  }

  function failed(err: Error): void {
    if (closing) return;
    hasFailed = true;
    lastFailure = err;
    complaints.failed(err, route.server);
  }

  function closed(): Error {
    if (isConnected) return new Error('closed instead of confirming the subscriptions');
    return new CutOffError(new Error('closed'), { isTls });
  }

  function drop(reason: AgentError): void {
    client.stream.destroy(reason);
  }

  /** Back to a server we prefer: in order, so that nobody has to take us for dead, and nothing is sent twice. */
  async function move(index: number): Promise<void> {
    const [from, to] = [route.server, route.at(index)];
    log.info({ event: 'broker.returning', from, to }, 'a broker we prefer is back: going there');
    isMoving = true;
    link = 'down';
    events.emit('down');
    await Promise.race([Promise.allSettled(letters), pause(lettersTimeoutMs)]);
    await Promise.race([Promise.allSettled([...movers].map((tell) => tell(to))), pause(movingTimeoutMs)]);
    // Lost, or closed, meanwhile.
    if (closing || !isMoving) return;
    route.choose(index);
    leave(client);
  }

  async function close(packet: Parameters<typeof end>[1] = {}): Promise<void> {
    closing = true;
    homing.stop();
    clearTimeout(impatient);
    client.options.reconnectPeriod = 0;
    await end(client, packet);
  }

  return {
    get link() {
      return link;
    },
    get server() {
      return route.server;
    },
    get failure() {
      return lastFailure ?? complaints.refused;
    },
    get blocking() {
      return complaints.blocking;
    },
    publish(topic, payload, publishOptions) {
      const letter = publish(client, topic, payload, publishOptions);
      // What is retained is about us, for people: whoever says it tells of its refusal.
      if (publishOptions.retain !== true) complaints.watch(topic, letter);
      if (publishOptions.qos === 1) {
        letters.add(letter);
        const forget = () => letters.delete(letter);
        letter.then(forget, forget);
      }
      return letter;
    },
    up: async (signal) => {
      if (link === 'down') await once(events, 'up', { signal });
    },
    onLink: (listener, signal) => {
      for (const change of ['up', 'down'] as const) {
        const notice = () => listener(change);
        events.on(change, notice);
        signal.addEventListener('abort', () => events.off(change, notice), { once: true });
      }
    },
    onMoving: (listener, signal) => {
      movers.add(listener);
      signal.addEventListener('abort', () => movers.delete(listener), { once: true });
    },
    drop,
    endSession: async () => {
      const servers = new Set(options.persistent ? options.servers : []);
      // MQTT 5 can say so at the end; MQTT 3.1.1 has to come again.
      const byGoodbye = options.protocolVersion === 5 && client.connected;
      if (byGoodbye) servers.delete(route.server);
      await close(byGoodbye ? { properties: { sessionExpiryInterval: 0 } } : {});
      await Promise.all([...servers].map((server) => forgetSession(server, { options, timings, log })));
    },
    close: () => close(),
  };
}
