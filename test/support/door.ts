import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LogLine } from '../../agent/demo/agent-process.ts';
import type { Platform } from '../../agent/demo/platform.ts';
import { expect } from './current-test.ts';
import { type Agent, type Life, statusEvents } from './life.ts';

/** Something to publish as it is. */
export type Raw = { readonly topic: string; readonly payload: string | Uint8Array };

/** Resolves when the agent has received a message of each of the topics; needs the log level trace. */
export async function heardAll(agent: Agent, topics: readonly string[]): Promise<void> {
  for (const topic of topics) await agent.logged((line) => isReceipt(line) && line['topic'] === topic);
}

/** Publishes the messages, waits until the agent is done with them, and returns what it logged about them. */
export async function linesAbout(messages: readonly Raw[], platform: Platform, agent: Agent): Promise<LogLine[]> {
  const from = agent.lines.length;
  for (const { topic, payload } of messages) await platform.publishRaw(topic, payload);
  const receipts = () => agent.lines.slice(from).filter(isReceipt).length;
  await expect.poll(receipts, { timeout: 20_000 }).toBe(messages.length);
  // The last one is received, but is it done with? It is when the next one is received.
  await platform.cleanupMember('somebody-else');
  await expect.poll(receipts, { timeout: 10_000 }).toBe(messages.length + 1);
  return agent.lines.slice(from).filter((line) => line.event.startsWith('message.') && !isReceipt(line));
}

/** Takes the instance down, and looks whether it has said what it should have in all its life, and leaves content. */
export async function expectEnd(platform: Platform, agent: Agent, said: readonly string[]): Promise<void> {
  await platform.waitFor(said.at(-3) ?? 'HealthStatisticsEvent');
  await platform.cleanupMember();
  await platform.waitFor('InstanceReadyToShutdownEvent');
  expect(await agent.exited).toBe(0);
  expect(statusEvents(platform.heard)).toEqual(said);
  expect(platform.refused).toEqual([]);
}

/** All that an agent has left behind in files: its output, and what it keeps. */
export async function everythingWritten(life: Life): Promise<string> {
  const files = ['agent.log', 'state/journal'].map((name) => readFile(join(life.folder, name), 'utf8'));
  return (await Promise.all(files)).join('\n');
}

function isReceipt({ event }: LogLine): boolean {
  return event === 'message.received';
}
