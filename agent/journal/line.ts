import { crc32 } from 'node:zlib';
import { z } from 'zod';
import type { StatusEvent } from '../../state/lifecycle/context.ts';
import { Facts } from '../../state/lifecycle/facts.ts';
import { Provenance } from '../../state/provenance.ts';

/** The shape of the lines; written into the first one of each run. Fields are only ever added. */
export const schema = 1;

const maxInputLength = 16_384;

const StatusEventName = z.enum([
  'InstanceStartedEvent',
  'InstanceActivatedEvent',
  'InstanceMaintenanceModeEvent',
  'InstanceReadyToShutdownEvent',
]) satisfies z.ZodType<StatusEvent>;

/** A decided event that has no receipt; the sequence number is that of the line that decided it, if it is there. */
const Undelivered = z.object({ sequence: z.number().nullable().catch(null), event: StatusEventName });
export type Undelivered = z.infer<typeof Undelivered>;

const number = z.number().nullable().catch(null);
const text = z.string().nullable().catch(null);

/**
 * One line as it is read, whatever version wrote it: what it does not say is null, what it says besides stays.
 *
 * `opened` begins a run; `input` is one that mattered; `receipt` says that the broker has acknowledged an event;
 * `artifact` says what is in place from then on, and where it came from; `checkpoint` holds all that is known, and makes the lines before it mere history.
 */
const Line = z.looseObject({
  kind: z.string(),
  sequence: z.number().catch(0),
  at: z.string().catch(''),
  sinceBootMs: number,
  bootId: text,
  memberId: text,
  state: text,
  input: z.unknown().optional(),
  decided: tolerant(StatusEventName),
  facts: Facts.nullable().catch(null),
  /** Of a receipt: the event, and the sequence number of the line that decided it. */
  event: StatusEventName.nullable().catch(null),
  for: number,
  /** Of an artifact. */
  record: Provenance.nullable().catch(null),
  /** Of a checkpoint. */
  undelivered: tolerant(Undelivered),
  leavingForMs: number,
  startedAgoMs: number,
  stateForMs: number,
});
export type Line = z.infer<typeof Line>;

/** A record as the line that is written, with its line feed. The checksum is that of the record without it. */
export function sealed(record: Readonly<Record<string, unknown>>): string {
  const json = JSON.stringify(record);
  return `${json.slice(0, -1)},"crc32":${crc32(json)}}\n`;
}

/** @returns null for what nobody has written so: damaged, or not ours */
export function parseLine(line: string): Line | null {
  const [, record, checksum] = /^(\{.*),"crc32":(\d+)\}$/s.exec(line) ?? [];
  if (record === undefined || crc32(`${record}}`) !== Number(checksum)) return null;
  try {
    return Line.safeParse(JSON.parse(line)).data ?? null;
  } catch {
    return null;
  }
}

/**
 * The whole records in a damaged stretch: a line feed that is no longer one would cost two of them. Within the strings of a
 * record a quote is escaped, so what looks like its end is its end.
 */
export function wholeRecordsIn(stretch: string): string[] {
  const candidates = stretch.match(/\{"sequence":.*?,"crc32":\d+\}/gs) ?? [];
  return candidates.filter((candidate) => parseLine(candidate) !== null);
}

/** An input as it may be written: plain JSON of bounded length. What is longer is named, not told. */
export function inputToWrite(input: unknown): unknown {
  const told = jsonOf(input);
  if (told !== null && told.length <= maxInputLength) return input;
  const type = typeof input === 'object' && input !== null && 'type' in input ? String(input.type) : typeof input;
  return { type: type.slice(0, 200), leftOut: true };
}

function jsonOf(value: unknown): string | null {
  try {
    return JSON.stringify(value) ?? null;
  } catch {
    // Circular, or a bigint. The line matters more than this part of it.
    return null;
  }
}

/** A list without the items that this version does not know. */
function tolerant<Item>(item: z.ZodType<Item>) {
  return z
    .array(z.unknown())
    .catch([])
    .transform((items) => items.flatMap((it) => item.safeParse(it).data ?? []));
}
