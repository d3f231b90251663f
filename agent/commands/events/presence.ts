import { parseJson } from '../../../state/messages/read-json.ts';
import { withoutUserInfo } from './harmless.ts';

/** How an agent is, as it last said itself, or as its will says. @see design.md, "The bus" */
export type Presence = Readonly<Record<string, Value>>;
type Value = Scalar | Readonly<Record<string, Scalar>>;
type Scalar = string | number | boolean | null;

const folder = 'cartridge-agent/presence';

/** @returns the member the presence on this topic is of; null if it is another topic */
export function presenceTopic(topic: string): { readonly folder: string; readonly memberId: string } | null {
  return topic.startsWith(`${folder}/`) ? { folder, memberId: topic.slice(folder.length + 1) } : null;
}

/**
 * Reads it tolerantly: agents of other versions are on the same broker. Nothing deeper than one level is taken.
 *
 * @returns null for an empty message: an agent that is gone deletes its presence
 * @throws JsonSyntaxError, ZodError
 */
export function readPresence(payload: Uint8Array): Presence | null {
  if (payload.length === 0) return null;
  const body = parseJson(payload);
  const entries = isObject(body) ? Object.entries(body) : [];
  return Object.fromEntries(entries.flatMap(([key, value]) => (isValue(value) ? [[key, value]] : [])));
}

/** `active / blocked, link up: git: Permission denied (publickey)`. */
export function presenceSentence(presence: Presence | null): string {
  if (presence === null) return 'has taken back its presence';
  const { state, condition, link, message } = presence;
  const words = [state, condition].filter((word) => typeof word === 'string');
  const how = [words.join(' / '), ...(typeof link === 'string' ? [`link ${link}`] : [])].filter((part) => part !== '');
  const why = typeof message === 'string' && message !== '' ? `: ${withoutUserInfo(message)}` : '';
  return `is ${how.join(', ') || 'present'}${why}`;
}

function isValue(value: unknown): value is Value {
  return isScalar(value) || (isObject(value) && Object.values(value).every(isScalar));
}

function isScalar(value: unknown): value is Scalar {
  return value === null || ['string', 'number', 'boolean'].includes(typeof value);
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
