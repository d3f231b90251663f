import { z } from 'zod';
import { MessageError, problemOf } from '../../../state/messages/message-error.ts';
import { JsonSyntaxError } from '../../../state/messages/raw-json.ts';
import { type Message, parseMessage } from '../../../state/messages/topics.ts';
import { presenceSentence, presenceTopic, readPresence } from './presence.ts';
import { eventNames, sentenceOf } from './sentences.ts';
import { leftOutOf, membersIn, summaryOf } from './summaries.ts';

/** Which events to print: all, or those of these names and about these members. */
export type Filter = {
  /** Names as they are spelt; empty: all. */
  readonly events: ReadonlySet<string>;
  /** Parts of member ids, in lower case; empty: all. */
  readonly members: readonly string[];
};

/** One message as it is printed. Still as it came: what prints it makes it harmless. */
export type Entry = {
  readonly topic: string;
  /** The topic without its last part; empty if there is but one. */
  readonly folder: string;
  readonly event: string;
  readonly memberId: string | null;
  readonly clusterId: string | null;
  readonly body: object | null;
  readonly says: string;
  /** Why it cannot be read. */
  readonly problem: { readonly code: string; readonly message: string } | null;
};

/** What the names of events are to `--event`. */
export const knownEvents: readonly string[] = [...eventNames, 'Presence'];

type Told = Pick<Entry, 'memberId' | 'clusterId' | 'body' | 'says'> & {
  /** Members the event brings with it, of those asked for. */
  readonly members: readonly { readonly memberId: string; readonly status: string }[];
};

const shownMembers = 20;

/**
 * Understands one message. Never throws, whatever it is.
 *
 * @returns null if nobody asked for it
 */
export function decode(topic: string, payload: Uint8Array, filter: Filter): Entry | null {
  const presence = presenceTopic(topic);
  const name = presence === null ? nameOf(topic) : { folder: presence.folder, event: 'Presence' };
  // Before anything is parsed: who waits for one event does not pay for complete topologies.
  if (filter.events.size > 0 && !filter.events.has(name.event)) return null;
  try {
    const told = presence === null ? tell(parseMessage(topic, payload), filter) : tellPresence(presence, payload);
    if (filter.members.length > 0 && told.members.length === 0 && !isAbout(told.memberId, filter)) return null;
    const { members: _members, ...rest } = told;
    return { topic, ...name, ...rest, problem: null };
  } catch (thrown) {
    // This is the message door: what one message breaks must not keep the others from being seen.
    return filter.members.length > 0 ? null : { topic, ...name, ...unreadable(thrown, payload) };
  }
}

function tell(message: Message, filter: Filter): Told {
  const members =
    filter.members.length === 0 ? [] : membersIn(message).filter(({ memberId }) => isAbout(memberId, filter));
  const found = members
    .slice(0, shownMembers)
    .map(({ memberId, clusterId, status }) => ({ memberId, clusterId, status }));
  const statuses = found.map(({ memberId, status }) => `${shortId(memberId)} is ${status}`);
  const leftOut = leftOutOf(message).map((problem) => `left out ${problem}`);
  return {
    memberId: idIn(message.body, 'memberId'),
    clusterId: idIn(message.body, 'clusterId'),
    body: members.length === 0 ? summaryOf(message) : { ...summaryOf(message), members: found },
    says: [sentenceOf(message), ...statuses, ...leftOut].join('; '),
    members: found,
  };
}

function tellPresence({ memberId }: { memberId: string }, payload: Uint8Array): Told {
  const body = readPresence(payload);
  return { memberId, clusterId: null, body, says: presenceSentence(body), members: [] };
}

function unreadable(thrown: unknown, payload: Uint8Array): Omit<Entry, 'topic' | 'folder' | 'event'> {
  const problem = problemIn(thrown);
  const says = `cannot be read: ${problem.message} (${payload.length} bytes)`;
  return { memberId: null, clusterId: null, body: null, says, problem };
}

/** Without the topic, which stands in the line already, and without what others say: it may quote the payload. */
function problemIn(thrown: unknown): { code: string; message: string } {
  if (thrown instanceof MessageError) {
    const { code, facts } = thrown;
    const summary = code === 'MESSAGE_EMPTY' ? 'it is empty' : 'unknown event';
    return { code, message: typeof facts['problem'] === 'string' ? facts['problem'] : summary };
  }
  if (thrown instanceof JsonSyntaxError) return { code: 'MESSAGE_NOT_JSON', message: thrown.message };
  if (thrown instanceof z.ZodError) return { code: 'MESSAGE_INVALID', message: problemOf(thrown) };
  return { code: 'MESSAGE_UNREADABLE', message: thrown instanceof Error ? thrown.name : 'defect' };
}

function nameOf(topic: string): { folder: string; event: string } {
  const end = topic.lastIndexOf('/');
  return { folder: topic.slice(0, Math.max(end, 0)), event: topic.slice(end + 1) };
}

function idIn(body: object, key: 'memberId' | 'clusterId'): string | null {
  const id: unknown = Object.hasOwn(body, key) ? Reflect.get(body, key) : undefined;
  return typeof id === 'string' ? id : null;
}

function isAbout(memberId: string | null, { members }: Filter): boolean {
  const id = memberId?.toLowerCase() ?? null;
  return id !== null && members.some((part) => id.includes(part));
}

/** The end of a long member id: its beginning is that of the cluster, and the same for all. */
export function shortId(memberId: string): string {
  return memberId.length > 24 ? `…${memberId.slice(-12)}` : memberId;
}
