/** Where a value stands inside a JSON document: bytes from `start` up to, not including, `end`. */
export type JsonSlice = { readonly start: number; readonly end: number };

/**
 * The largest JSON text that is turned into objects at once, in bytes: they may take thirty times its size. A member
 * takes one thousandth of it.
 */
export const maxValueBytes = 1 << 20;

/** The document is cut off or its brackets, quotes and separators do not fit. Says where, never what stands there. */
export class JsonSyntaxError extends Error {
  override readonly name = 'JsonSyntaxError';

  /** @param position - bytes from the start of the document, where known */
  constructor(position?: number) {
    super(position === undefined ? 'not JSON' : `not JSON at byte ${position}`);
  }
}

/**
 * Finds the text of the value at `path` without building anything: what is handed on as received keeps its unknown
 * keys, their order and their spelling. Where a key is repeated the last one counts, as for `JSON.parse`.
 *
 * @param path - keys of nested objects, from the outside in; `[]` is the whole document
 * @returns null if there is no such value
 * @throws {@link JsonSyntaxError} if the document has no end
 * @see protocol.md 7.1
 */
export function sliceJson(bytes: Uint8Array, path: readonly string[]): JsonSlice | null {
  const reader = new JsonReader(bytes);
  let found: JsonSlice | null = null;
  const descend = (depth: number): void => {
    found = null;
    const wanted = path[depth];
    if (wanted === undefined) found = reader.skip();
    else reader.object((key) => (key === wanted ? descend(depth + 1) : reader.skip()));
  };

  descend(0);
  reader.end();
  return found;
}

/**
 * Walks through a JSON document in one pass, value by value. Depth and size of what is skipped cost no memory; only
 * brackets, quotes and separators are checked, so a slice that is used must still go through `JSON.parse`.
 */
export class JsonReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Where the value that comes next begins. */
  get position(): number {
    return this.#next();
  }

  /**
   * Calls `visit` for each entry of the object that comes next; `visit` must consume the value.
   *
   * @returns false if it is something else, which is skipped
   */
  object(visit: (key: string) => void): boolean {
    return this.#each(openBrace, (key) => visit(this.#textOf(key)));
  }

  /** Like {@link object} for the entries of an object whose keys do not matter: no text is made of them. */
  valuesOfObject(visit: () => void): boolean {
    return this.#each(openBrace, visit);
  }

  /** Like {@link object} for the elements of an array. */
  array(visit: () => void): boolean {
    return this.#each(openBracket, visit);
  }

  /** Passes over the value that comes next. */
  skip(): JsonSlice {
    const start = this.#next();
    this.#at = endOfValue(this.#bytes, start);
    return { start, end: this.#at };
  }

  /** The value of a slice; undefined if it is not JSON after all, or larger than {@link maxValueBytes}. */
  parse({ start, end }: JsonSlice): unknown {
    if (end - start > maxValueBytes) return undefined;
    try {
      return JSON.parse(utf8.decode(this.#bytes.subarray(start, end)));
    } catch {
      return undefined;
    }
  }

  /** @throws {@link JsonSyntaxError} if anything but white space follows */
  end(): void {
    if (this.#next() < this.#bytes.length) throw new JsonSyntaxError(this.#at);
  }

  #each(open: number, visit: (key: JsonSlice) => void): boolean {
    if (this.#bytes[this.#next()] !== open) {
      this.skip();
      return false;
    }
    this.#at += 1;
    if (this.#consume(open + 2)) return true;
    do visit(open === openBrace ? this.#key() : noKey);
    while (this.#consume(comma));
    if (!this.#consume(open + 2)) throw new JsonSyntaxError(this.#at);
    return true;
  }

  #key(): JsonSlice {
    const start = this.#next();
    if (this.#bytes[start] !== quote) throw new JsonSyntaxError(start);
    this.#at = endOfString(this.#bytes, start);
    const key = { start, end: this.#at };
    if (!this.#consume(colon)) throw new JsonSyntaxError(this.#at);
    return key;
  }

  /** Keys are compared as text, so `"topolog\u0079"` is the same key; one with broken escapes is nobody's. */
  #textOf({ start, end }: JsonSlice): string {
    const inside = this.#bytes.subarray(start + 1, end - 1);
    const text = utf8.decode(inside);
    if (!inside.includes(backslash)) return text;
    try {
      return String(JSON.parse(`"${text}"`));
    } catch {
      throw new JsonSyntaxError(start);
    }
  }

  #consume(byte: number): boolean {
    if (this.#bytes[this.#next()] !== byte) return false;
    this.#at += 1;
    return true;
  }

  /** Where the next thing begins, after white space. */
  #next(): number {
    while (isSpace(this.#bytes[this.#at])) this.#at += 1;
    return this.#at;
  }
}

const [quote, backslash, comma, colon] = [0x22, 0x5c, 0x2c, 0x3a];
// `]` and `}` come two after their opening brackets, and `{` `}` differ from `[` `]` in one bit.
const [openBracket, openBrace, closeBrace, braceBit] = [0x5b, 0x7b, 0x7d, 0x20];
const noKey: JsonSlice = { start: 0, end: 0 };
const scalar = /^(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)$/;
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

/** Counts brackets instead of recursing: a hundred thousand of them are no deeper for us than one. */
function endOfValue(bytes: Uint8Array, start: number): number {
  if (bytes[start] === quote) return endOfString(bytes, start);
  if (((bytes[start] ?? 0) | braceBit) !== openBrace) return endOfScalar(bytes, start);
  const { length } = bytes;
  let depth = 0;
  for (let at = start; at < length; ) {
    const byte = bytes[at] ?? 0;
    if (byte === quote) {
      at = endOfString(bytes, at);
      continue;
    }
    at += 1;
    if ((byte | braceBit) === openBrace) depth += 1;
    else if ((byte | braceBit) === closeBrace && --depth === 0) return at;
  }
  throw new JsonSyntaxError(length);
}

function endOfString(bytes: Uint8Array, start: number): number {
  const { length } = bytes;
  for (let at = start + 1; at < length; at += 1) {
    const byte = bytes[at];
    if (byte === quote) return at + 1;
    if (byte === backslash) at += 1;
  }
  throw new JsonSyntaxError(length);
}

function endOfScalar(bytes: Uint8Array, start: number): number {
  let end = start;
  while (isScalarByte(bytes[end] ?? 0)) end += 1;
  if (!scalar.test(utf8.decode(bytes.subarray(start, end)))) throw new JsonSyntaxError(start);
  return end;
}

/** Digits, lower case letters, and what else numbers consist of: `+`, `-`, `.`, `E`. */
function isScalarByte(byte: number): boolean {
  if ((byte >= 0x30 && byte <= 0x39) || (byte >= 0x61 && byte <= 0x7a)) return true;
  return byte === 0x2b || byte === 0x2d || byte === 0x2e || byte === 0x45;
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}
