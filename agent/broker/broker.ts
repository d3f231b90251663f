import { EventEmitter, once } from 'node:events';
import { type IClientOptions, MqttClient } from 'mqtt';
import { AgentError } from '../../state/errors.ts';
import type { Secret } from '../../state/secret.ts';
import { failure, type Log } from '../log.ts';
import { createRoute } from './route.ts';
import { openStream, type Server, type TlsFiles } from './stream.ts';

/** Where and as whom to connect. Servers in order of preference. */
export type BrokerOptions = {
  readonly servers: readonly Server[];
  readonly username: string | null;
  readonly password: Secret | null;
  readonly protocolVersion: 4 | 5;
  readonly tls: TlsFiles | null;
  readonly clientId: string;
  /** The broker keeps our subscriptions and what arrives for them while we are away. */
  readonly persistent: boolean;
  readonly subscriptions: Readonly<Record<string, 0 | 1>>;
};

/** The one connection to the message broker. Reconnects for ever; closing it is the owner's. */
export type Broker = {
  /** `up`: connected and subscribed (SUBACK received). */
  readonly link: 'up' | 'down';
  /** The server in use, or tried last. */
  readonly server: Server;
  /** What went wrong last, if anything did since the last connection; while the link is up: a subscription that was refused. */
  readonly failure: Error | null;
  /** Resolves once the broker acknowledged it (QoS 1), or it was written (QoS 0); QoS 1 survives reconnects, QoS 0 rejects without a link. */
  publish(topic: string, payload: string | Uint8Array, options: { qos: 0 | 1; retain?: boolean }): Promise<void>;
  /** Resolves at once when the link is up, else as soon as it is. */
  up(signal: AbortSignal): Promise<void>;
  /** Calls back on each change of the link, until the signal is aborted. */
  onLink(listener: (link: 'up' | 'down') => void, signal: AbortSignal): void;
  /** Makes the broker forget our session: nothing is kept for an instance that is gone. The connection is closed for good. */
  endSession(): Promise<void>;
  close(): Promise<void>;
};

/** A topic the broker will not let us hear. */
export class SubscriptionRefusedError extends AgentError {
  override readonly name = 'SubscriptionRefusedError';
  readonly code = 'BROKER_SUBSCRIPTION_REFUSED';
  readonly remedy = 'Allow this user to read the topic in the access list of the broker.';
}

/** The broker answers, but not to this user. */
export class LoginRefusedError extends AgentError {
  override readonly name = 'LoginRefusedError';
  readonly code = 'BROKER_LOGIN_REFUSED';
  readonly remedy = 'Check the user name and the password, and that the broker lets this user connect.';
}

const connectTimeoutMs = 5_000;
const keepaliveSeconds = 30;
const closeTimeoutMs = 300;

/**
 * Connects in the background and calls `onMessage` for each message, in order. A QoS 1 message is acknowledged when
 * `onMessage` has returned, so it must be quick, and must not wait for anything this connection brings.
 *
 * @see design.md, "The bus"; stack.md, section 2
 */
export function connectBroker(
  options: BrokerOptions,
  { log, onMessage }: { log: Log; onMessage: (topic: string, payload: Uint8Array) => void },
): Broker {
  const events = new EventEmitter<{ up: []; down: [] }>().setMaxListeners(0);
  const route = createRoute(options.servers);
  const client = new MqttClient(() => openStream(route.server, options.tls), {
    ...clientOptions(options),
    clean: !options.persistent,
    manualConnect: true,
  });
  let link: 'up' | 'down' = 'down';
  let closing = false;
  let lastFailure: Error | null = null;
  let isConnected = false;
  let hasFailed = false;
  const told = new Set<string>();

  // Acknowledged by the callback, after our own handling: the `message` event would not be waited for.
  client.handleMessage = (packet, acknowledge) => {
    if (packet.cmd === 'publish') onMessage(packet.topic, packet.payload as Uint8Array);
    acknowledge();
  };
  client.on('connect', () => {
    route.connected();
    isConnected = true;
    lastFailure = null;
    log.info({ event: 'broker.connected', ...route.server }, 'connected to the broker');
    subscribe(client, options.subscriptions, log, (refusal) => {
      lastFailure = refusal;
      told.clear();
      link = 'up';
      events.emit('up');
    });
  });
  client.prependListener('close', () => {
    if (link === 'up' && !closing) log.warn({ event: 'broker.disconnected', ...route.server }, 'lost the broker');
    // Hung up on without a word: the library does not call that an error.
    if (link === 'down' && !hasFailed && !closing)
      failed(new Error(isConnected ? 'closed instead of confirming the subscriptions' : 'closed instead of answering'));
    link = 'down';
    isConnected = hasFailed = false;
    events.emit('down');
    // A connection that ends late must not begin the attempts again: 0 is the library's word for none.
    client.options.reconnectPeriod = closing ? 0 : route.next();
  });
  client.on('error', (cause) => failed(understood(cause, route.server)));
  client.connect();

  /** The next attempts fail alike, and each of them may say so twice (stack.md): told once per server and reason. */
  function failed(err: Error): void {
    hasFailed = true;
    lastFailure = err;
    const { host, port } = route.server;
    const reason = `${host}:${port} ${'code' in err ? err.code : err.message}`;
    const level = told.has(reason) ? 'debug' : 'warn';
    told.add(reason);
    log[level]({ event: 'broker.failed', host, port, ...failure(err) }, 'cannot reach the broker, trying on');
  }

  async function close(): Promise<void> {
    closing = true;
    client.options.reconnectPeriod = 0;
    await end(client);
  }

  return {
    get link() {
      return link;
    },
    get server() {
      return route.server;
    },
    get failure() {
      return lastFailure;
    },
    publish: (topic, payload, publishOptions) => publish(client, topic, payload, publishOptions),
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
    endSession: async () => {
      await close();
      if (options.persistent) await forgetSession(route.server, options, log);
    },
    close,
  };
}

/** Of what CONNACK may say, a refused login is the one that trying again does not mend. @see MQTT 3.1.1, 3.2.2.3; 5, 3.2.2.2 */
function understood(err: Error, { host, port }: Server): Error {
  const isLogin = 'code' in err && [4, 5, 134, 135].includes(Number(err.code));
  if (!isLogin) return err;
  return new LoginRefusedError(`cannot log in at ${host}:${port}: ${err.message}`, {
    cause: err,
    facts: { host, port },
  });
}

function clientOptions(options: BrokerOptions): IClientOptions {
  return {
    protocolVersion: options.protocolVersion,
    clientId: options.clientId,
    ...(options.username === null ? {} : { username: options.username }),
    ...(options.password === null ? {} : { password: options.password.reveal() }),
    ...(options.protocolVersion === 5 && options.persistent
      ? { properties: { sessionExpiryInterval: 0xffff_ffff } }
      : {}),
    connectTimeout: connectTimeoutMs,
    keepalive: keepaliveSeconds,
    resubscribe: false,
    queueQoSZero: false,
    // Else 65,536 small buffers are made before the first packet: 7 MB for numbers we hardly use.
    writeCache: false,
    reconnectOnConnackError: true,
  };
}

function subscribe(
  client: MqttClient,
  subscriptions: BrokerOptions['subscriptions'],
  log: Log,
  done: (refusal: SubscriptionRefusedError | null) => void,
): void {
  const filters = Object.fromEntries(Object.entries(subscriptions).map(([filter, qos]) => [filter, { qos }]));
  if (Object.keys(filters).length === 0) {
    done(null);
    return;
  }
  client.subscribe(filters, (err, asked, suback) => {
    // Lost in between: the next connection subscribes again.
    if (!client.connected) return;
    // After a refusal the library leaves in `asked` what we asked for; what was granted is in the packet, in that order.
    const refused = asked?.filter((_, index) => Number(suback?.granted[index]) >= 128).map(({ topic }) => topic) ?? [];
    if (err === null && refused.length === 0) {
      done(null);
      return;
    }
    const topics = refused.length > 0 ? refused : Object.keys(filters);
    const refusal = new SubscriptionRefusedError(`cannot subscribe to ${topics.join(', ')}`, {
      cause: err,
      facts: { topics },
    });
    log.error({ event: 'broker.subscriptionRefused', ...failure(refusal) }, 'the broker refused a subscription');
    done(refusal);
  });
}

function publish(
  client: MqttClient,
  topic: string,
  payload: string | Uint8Array,
  options: { qos: 0 | 1; retain?: boolean },
): Promise<void> {
  return new Promise((resolve, reject) => {
    client.publish(topic, typeof payload === 'string' ? payload : Buffer.from(payload), options, (err) =>
      err ? reject(err) : resolve(),
    );
  });
}

/** Says goodbye (no will is sent); who does not let us in time is left standing. */
async function end(client: MqttClient): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const impatient = setTimeout(() => client.end(true, () => resolve()), closeTimeoutMs);
  if (client.connected) client.end(false, () => resolve());
  else client.end(true, () => resolve());
  await promise;
  clearTimeout(impatient);
}

/** MQTT 3.1.1 ends a session by a clean one under the same id. Best effort: the broker may be gone too. */
async function forgetSession(server: Server, options: BrokerOptions, log: Log): Promise<void> {
  const { properties: _expiry, ...clean } = clientOptions(options);
  const client = new MqttClient(() => openStream(server, options.tls), { ...clean, clean: true, reconnectPeriod: 0 });
  const { promise, resolve } = Promise.withResolvers<void>();
  const impatient = setTimeout(resolve, 2_000);
  client.on('connect', () => resolve());
  client.on('error', (err) => log.debug({ event: 'broker.sessionKept', ...failure(err) }, 'cannot end the session'));
  client.on('close', () => resolve());
  await promise;
  clearTimeout(impatient);
  await end(client);
}
