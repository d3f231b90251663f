import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectAsync, type MqttClient } from 'mqtt';
import { type Broker, connectBroker } from '../../agent/broker/broker.ts';
import type { BrokerOptions } from '../../agent/broker/client.ts';
import type { LinkNote } from '../../agent/broker/complaints.ts';
import { createLog, type Log } from '../../agent/log.ts';
import { onTestFinished } from './current-test.ts';

export type LogLine = Readonly<Record<string, unknown>> & { readonly event: string };
export type Message = { readonly topic: string; readonly text: string };

/** A connection of the agent, alone: what comes through it, what it says, and what a person is told of it. */
export type Link = Broker & {
  readonly messages: readonly Message[];
  readonly notes: readonly (LinkNote | null)[];
  lines(event?: string): LogLine[];
};

export type LinkOptions = Partial<BrokerOptions> & {
  readonly log?: RecordedLog;
  readonly onMessage?: (topic: string, payload: Uint8Array) => void;
};

export type RecordedLog = { readonly log: Log; lines(event?: string): LogLine[] };

/** One broker on loopback. */
export function at(...ports: number[]) {
  return ports.map((port) => ({ host: '127.0.0.1', port }));
}

/** As the agent connects, if `options` do not say otherwise; closed after the test. */
export function openLink(options: LinkOptions & Pick<BrokerOptions, 'servers'>): Link {
  const { log = recordedLog(), onMessage, ...further } = options;
  const messages: Message[] = [];
  const notes: (LinkNote | null)[] = [];
  const broker = connectBroker(
    {
      username: null,
      password: null,
      protocolVersion: 4,
      tls: null,
      clientId: 'cartridge-agent-shop-1',
      persistent: true,
      subscriptions: { 'to/us/#': 1 },
      ...further,
    },
    {
      log: log.log,
      onNote: (note) => notes.push(note),
      onMessage: (topic, payload) => {
        messages.push({ topic, text: Buffer.from(payload).toString() });
        onMessage?.(topic, payload);
      },
    },
  );
  onTestFinished(() => broker.close());
  return Object.create(broker, {
    messages: { value: messages },
    notes: { value: notes },
    lines: { value: log.lines },
  }) as Link;
}

/** A log that can be read. */
export function recordedLog(): RecordedLog {
  const folder = mkdtempSync(join(tmpdir(), 'link-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'log');
  const log = createLog({ level: 'debug', pretty: false, colour: false, output: openSync(file, 'a') });
  const all = () => readFileSync(file, 'utf8').split('\n').slice(0, -1);
  return {
    log,
    lines: (event) =>
      all()
        .map((line) => JSON.parse(line) as LogLine)
        .filter((line) => event === undefined || line.event === event),
  };
}

/** Somebody else at the broker, who hears everything. */
export async function spectate(port: number): Promise<{ client: MqttClient; heard: Message[] }> {
  const heard: Message[] = [];
  const client = await connectAsync(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 100, clientId: 'spectator' });
  onTestFinished(() => client.endAsync(true));
  client.on('message', (topic, payload) => heard.push({ topic, text: payload.toString() }));
  await client.subscribeAsync('#', { qos: 1 });
  return { client, heard };
}

/** What the broker keeps on that topic; null: nothing. */
export async function retained(port: number, topic: string): Promise<Record<string, unknown> | null> {
  const client = await connectAsync(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 0 });
  const kept: string[] = [];
  client.on('message', (on, payload) => void (on === topic && kept.push(payload.toString())));
  await client.subscribeAsync(topic, { qos: 1 });
  // Behind the retained one, if there is one.
  const barrier = `barrier/${Math.random()}`;
  const passed = new Promise<void>((resolve) => client.on('message', (on) => void (on === barrier && resolve())));
  await client.subscribeAsync(barrier, { qos: 1 });
  await client.publishAsync(barrier, '', { qos: 1 });
  await passed;
  await client.endAsync();
  return kept[0] === undefined ? null : JSON.parse(kept[0]);
}

export const soon = () => AbortSignal.timeout(10_000);
