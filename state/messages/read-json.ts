import { z } from 'zod';
import { problemOf } from './message-error.ts';
import { JsonReader, JsonSyntaxError, maxValueBytes } from './raw-json.ts';

/** What was left out of a large message, and why. The first twenty are kept, the others counted. */
export class Problems {
  readonly #kept: string[] = [];
  #count = 0;

  add(problem: string): void {
    this.#count += 1;
    if (this.#kept.length < 20) this.#kept.push(problem);
  }

  get list(): readonly string[] {
    const more = this.#count - this.#kept.length;
    return more === 0 ? this.#kept : [...this.#kept, `and ${more} more`];
  }
}

/**
 * Reads the array `key` of a message, element by element: one that does not fit is left out and reported, the others
 * count; nulls are left out in silence.
 *
 * @throws JsonSyntaxError, or ZodError if there is no such array
 */
export function readList<T extends z.ZodType>(payload: Uint8Array, key: string, item: T) {
  const reader = new JsonReader(payload);
  const problems = new Problems();
  const found: { items?: z.output<T>[] | undefined } = {};
  reader.object((name) => {
    if (name !== key) return void reader.skip();
    const list: z.output<T>[] = [];
    const isArray = reader.array(() => readValue(reader, item, problems, (value) => list.push(value)));
    found.items = isArray ? list : undefined;
  });
  reader.end();
  const { items } = found;
  if (items === undefined) throw misfit([key], 'expected an array');
  return { items, problems: problems.list };
}

/**
 * A message that is small enough to be parsed at once.
 *
 * @throws JsonSyntaxError, or ZodError if it is larger than {@link maxValueBytes}
 */
export function parseJson(payload: Uint8Array): unknown {
  if (payload.length > maxValueBytes) throw misfit([], `larger than ${maxValueBytes} bytes`);
  const value = new JsonReader(payload).parse({ start: 0, end: payload.length });
  if (value === undefined) throw new JsonSyntaxError();
  return value;
}

/** What zod would say of a field that is not checked by a schema. */
export function misfit(path: string[], message: string): z.ZodError {
  return new z.ZodError([{ code: 'custom', path, message, input: undefined }]);
}

/** Reads the value that comes next and hands it to `accept`; reports one that is not JSON, too large, or does not fit. */
export function readValue<T extends z.ZodType>(
  reader: JsonReader,
  schema: T,
  problems: Problems,
  accept: (value: z.output<T>) => void,
): void {
  const slice = reader.skip();
  const raw = reader.parse(slice);
  if (raw === null) return;
  const result = schema.safeParse(raw);
  if (result.success) accept(result.data);
  else problems.add(`at byte ${slice.start}: ${raw === undefined ? notRead : problemOf(result.error)}`);
}

const notRead = `not JSON, or larger than ${maxValueBytes} bytes`;
