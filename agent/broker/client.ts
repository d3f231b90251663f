import { type IClientOptions, type IDisconnectPacket, MqttClient } from 'mqtt';
import type { Secret } from '../../state/secret.ts';
import { failure, type Log } from '../log.ts';
import { PublishRefusedError, SubscriptionRefusedError } from './failures.ts';
import { openStream, type Server, type TlsFiles } from './stream.ts';
import type { Timings } from './timings.ts';

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
  /** Asked for at each connection. */
  readonly will?: () => Will;
  readonly timings?: Partial<Timings>;
};

/** What the broker says in our name when we vanish; retained, QoS 1. */
export type Will = { readonly topic: string; readonly payload: string };

/** The library's client, for the files of this folder. */
export type Client = MqttClient;

export type PublishOptions = { readonly qos: 0 | 1; readonly retain?: boolean };

const closeTimeoutMs = 300;
const forgetTimeoutMs = 2_000;
/** DISCONNECT, of either version: no will is published, the session is kept. */
const goodbye = Buffer.from([0xe0, 0x00]);

/** @param open - makes the stream of each connection; it begins with `connect()` */
export function createClient(options: BrokerOptions, timings: Timings, open: (client: Client) => unknown): Client {
  const build = (client: Client) => {
    if (options.will !== undefined) client.options.will = { ...bytesOf(options.will()), qos: 1, retain: true };
    return open(client) as Client['stream'];
  };
  return new MqttClient(build, {
    ...clientOptions(options, timings),
    clean: !options.persistent,
    ...(options.protocolVersion === 5 && options.persistent
      ? { properties: { sessionExpiryInterval: 0xffff_ffff } }
      : {}),
    manualConnect: true,
  });
}

/** @param done - called when the broker has answered; not if the connection is lost before */
export function subscribe(
  client: Client,
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

/** @throws {@link PublishRefusedError} (MQTT 5) */
export function publish(
  client: Client,
  topic: string,
  payload: string | Uint8Array,
  options: PublishOptions,
): Promise<void> {
  return new Promise((resolve, reject) => {
    client.publish(topic, typeof payload === 'string' ? payload : Buffer.from(payload), options, (err) => {
      if (!err) resolve();
      else if ('code' in err && Number(err.code) >= 128)
        reject(
          new PublishRefusedError(`cannot publish on ${topic}: ${err.message}, reason code ${err.code}`, {
            cause: err,
            facts: { topic, reason: err.code },
          }),
        );
      else reject(err);
    });
  });
}

/** Leaves this connection in order, and begins the next one; what is on its way is sent again there. */
export function leave(client: Client): void {
  // The library's own way forgets what is on its way; without a connection it keeps what comes meanwhile.
  client.connected = false;
  const { stream } = client;
  const impatient = setTimeout(() => stream.destroy(), closeTimeoutMs);
  stream.once('close', () => clearTimeout(impatient));
  stream.end(goodbye);
}

/**
 * Says goodbye (no will is sent); who does not let us in time is left standing.
 *
 * @param packet - `sessionExpiryInterval: 0` ends the session, too (MQTT 5)
 */
export async function end(client: Client, packet: Partial<IDisconnectPacket> = {}): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const impatient = setTimeout(() => client.end(true, () => resolve()), closeTimeoutMs);
  if (client.connected) client.end(false, packet, () => resolve());
  else client.end(true, () => resolve());
  await promise;
  clearTimeout(impatient);
}

/**
 * Ends the session by a clean one under the same id, and takes back what our will may have said. Best effort: that
 * broker may be gone too.
 *
 * @see MQTT 3.1.1, 3.1.2.4
 */
export async function forgetSession(
  server: Server,
  { options, timings, log }: { options: BrokerOptions; timings: Timings; log: Log },
): Promise<void> {
  const settings = { ...clientOptions(options, timings), clean: true, reconnectPeriod: 0 };
  const client = new MqttClient(() => openStream(server, options.tls) as never, settings);
  const { promise, resolve } = Promise.withResolvers<void>();
  const impatient = setTimeout(resolve, forgetTimeoutMs);
  client.on('connect', () => {
    if (options.will === undefined) resolve();
    else publish(client, options.will().topic, '', { qos: 1, retain: true }).then(resolve, resolve);
  });
  client.on('error', (err) =>
    log.debug({ event: 'broker.sessionKept', ...server, ...failure(err) }, 'cannot end the session'),
  );
  client.on('close', () => resolve());
  await promise;
  clearTimeout(impatient);
  await end(client);
}

function clientOptions(options: BrokerOptions, timings: Timings): IClientOptions {
  return {
    protocolVersion: options.protocolVersion,
    clientId: options.clientId,
    ...(options.username === null ? {} : { username: options.username }),
    ...(options.password === null ? {} : { password: options.password.reveal() }),
    connectTimeout: timings.connectTimeoutMs,
    keepalive: timings.keepaliveSeconds,
    resubscribe: false,
    queueQoSZero: false,
    // Else 65,536 small buffers are made before the first packet: 7 MB for numbers we hardly use.
    writeCache: false,
    reconnectOnConnackError: true,
  };
}

function bytesOf({ topic, payload }: Will): { topic: string; payload: Buffer } {
  return { topic, payload: Buffer.from(payload) };
}
