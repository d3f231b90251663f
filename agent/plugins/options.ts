import type { z } from 'zod';

/** The parts of a JSON Schema that say how a text is to be read. */
type Shape = {
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly additionalProperties?: Shape | boolean;
  readonly items?: Shape;
  readonly anyOf?: readonly Shape[];
  readonly oneOf?: readonly Shape[];
  readonly allOf?: readonly Shape[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, Shape>>;
};

/**
 * Reads the texts of a section of agent.conf as the values a schema wants, by the JSON Schema of what goes into it:
 *
 * - a number or integer: `12`, `-0.5`, `1e3`; a boolean: `true` or `false` in any case;
 * - a list: its items separated by commas, without the blanks around them; an empty text is an empty list. A list of
 *   objects or lists is written as JSON: `[{"port": 80}]`;
 * - an object: as JSON;
 * - one of several (a union, an enum, something nullable): the first of literal, number, boolean, list and object that
 *   the text can be read as; `null` is written as `null` where no text is allowed. Else it stays a text.
 *
 * What cannot be read so stays a text, and the schema says what is wrong with it. A key is not changed.
 */
export function valuesOf(
  texts: Readonly<Record<string, string>>,
  schema: z.ZodType,
  toJSONSchema: typeof z.toJSONSchema,
): Record<string, unknown> {
  const root = toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Shape;
  const entries = Object.entries(texts).map(([key, text]) => [key, read(text, propertyOf(root, key, root), root)]);
  return Object.fromEntries(entries);
}

/** The keys a section may have, as far as its schema names them. */
export function keysOf(schema: z.ZodType, toJSONSchema: typeof z.toJSONSchema): string[] {
  const root = toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Shape;
  return alternatives(root, root).flatMap(({ properties = {} }) => Object.keys(properties));
}

function propertyOf(shape: Shape, key: string, root: Shape): Shape {
  const found = alternatives(shape, root).flatMap(({ properties, additionalProperties }) => {
    if (properties !== undefined && Object.hasOwn(properties, key)) return [properties[key] ?? {}];
    return typeof additionalProperties === 'object' ? [additionalProperties] : [];
  });
  return found.length === 1 && found[0] !== undefined ? found[0] : { anyOf: found };
}

function read(text: string, shape: Shape, root: Shape): unknown {
  const all = alternatives(shape, root);
  const types = new Set(all.flatMap(({ type = [] }) => type));
  const literals = all.flatMap((one) => ('const' in one ? [one.const] : (one.enum ?? [])));
  const literal = literals.find((value) => String(value) === text);
  if (literal !== undefined) return literal;
  const word = text.trim();
  if ((types.has('number') || types.has('integer')) && isNumber(word)) return Number(word);
  if (types.has('boolean') && /^(true|false)$/i.test(word)) return word.toLowerCase() === 'true';
  if (types.has('array')) return readList(word, all, root, types.has('string')) ?? text;
  if (types.has('object') && word.startsWith('{')) return parsed(word) ?? text;
  if (types.has('null') && word === 'null' && !types.has('string')) return null;
  return text;
}

/** Null: where a text is as good, only JSON is surely a list. */
function readList(word: string, all: readonly Shape[], root: Shape, orText: boolean): unknown[] | null {
  const json = word.startsWith('[') ? parsed(word) : undefined;
  if (Array.isArray(json)) return json;
  if (orText) return null;
  const items = { anyOf: all.flatMap(({ items = [] }) => items) };
  const parts = word.split(',').map((part) => part.trim());
  return parts.filter((part) => part !== '').map((part) => read(part, items, root));
}

/** What a shape may be, unions and references resolved. A schema that contains itself ends at `depth`. */
function alternatives(shape: Shape, root: Shape, depth = 0): Shape[] {
  if (depth > 8) return [];
  const inner = [...(shape.anyOf ?? []), ...(shape.oneOf ?? []), ...(shape.allOf ?? [])];
  const name = shape.$ref?.replace(/^#\/\$defs\//, '');
  const target = shape.$ref === '#' ? root : name === undefined ? undefined : root.$defs?.[name];
  if (target !== undefined) inner.push(target);
  return [shape, ...inner.flatMap((one) => alternatives(one, root, depth + 1))];
}

function isNumber(word: string): boolean {
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(word);
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
