import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type EventName, type Message, parseMessage, topicOf } from '../../state/messages/topics.ts';

const folder = join(import.meta.dirname, '..', 'samples');

/** Samples of events, by file name; a new file is picked up. Some events have two: `Event-variant.json`. */
export const sampleFiles = readdirSync(folder)
  .filter((file) => /^[A-Z]\w*Event(-[\w.-]+)?\.json$/.test(file))
  .map((file) => ({ file, event: file.replace(/(-.*)?\.json$/, '') as EventName }));

/** A sample exactly as published. */
export function sampleBytes(file: string): Buffer {
  return readFileSync(join(folder, file));
}

/** The sample of an event, understood. */
export function sampleMessage<E extends EventName>(event: E): Message<E> {
  return parseMessage(topicOf(event), sampleBytes(`${event}.json`)) as unknown as Message<E>;
}

/** A message as if it came over the wire; a body that is text or bytes is taken as it is. */
export function messageOf<E extends EventName>(event: E, body: unknown): Message<E> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const payload = body instanceof Uint8Array ? body : Buffer.from(text);
  return parseMessage(topicOf(event), payload) as unknown as Message<E>;
}

/** What was thrown; undefined if nothing was. */
export function errorOf(act: () => unknown): unknown {
  try {
    act();
    return undefined;
  } catch (thrown) {
    return thrown;
  }
}

/** All that a log could show of a failure. */
export function everythingIn(error: unknown): string {
  return JSON.stringify([String(error), error, (error as Error).cause ?? null, (error as Error).stack]);
}
