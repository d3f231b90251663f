import fc from 'fast-check';
import { expect, test } from 'vitest';
import { JsonReader, JsonSyntaxError, sliceJson } from '../state/messages/raw-json.ts';
import { bigTopology } from './support/big-topology.ts';

const found = [
  { summary: 'a text', json: '{"a":"x"}', path: ['a'], text: '"x"' },
  { summary: 'the whole document', json: ' [1,2] ', path: [], text: '[1,2]' },
  {
    summary: 'an inner object as it is spelt',
    json: '{"a":{"b":{ "z":1, "a":2 }}}',
    path: ['a', 'b'],
    text: '{ "z":1, "a":2 }',
  },
  { summary: 'a number at the end', json: '{"a":-1.5e+3}', path: ['a'], text: '-1.5e+3' },
  { summary: 'words', json: '{"a":true,"b":null}', path: ['b'], text: 'null' },
  { summary: 'keys behind white space', json: '{ "a" :\n\t{ "b" : [ ] } }', path: ['a', 'b'], text: '[ ]' },
  { summary: 'brackets and quotes inside texts', json: '{"x":"}]\\"{","a":"\\\\"}', path: ['a'], text: '"\\\\"' },
  { summary: 'a key spelt with escapes', json: '{"\\u0061\\"":1}', path: ['a"'], text: '1' },
  { summary: 'a key beyond ASCII', json: '{"ключ":1}', path: ['ключ'], text: '1' },
  { summary: 'the empty key', json: '{"":7}', path: [''], text: '7' },
  {
    summary: 'keys every object has',
    json: '{"__proto__":{"constructor":1}}',
    path: ['__proto__', 'constructor'],
    text: '1',
  },
  { summary: 'the last of repeated keys', json: '{"a":{"b":1},"a":{"b":2}}', path: ['a', 'b'], text: '2' },
  { summary: 'not the one a repetition took away', json: '{"a":{"b":1},"a":{}}', path: ['a', 'b'], text: null },
  { summary: 'nothing for a missing key', json: '{"a":{}}', path: ['a', 'b'], text: null },
  { summary: 'nothing inside a list', json: '{"a":[{"b":1}]}', path: ['a', 'b'], text: null },
  { summary: 'nothing in a deeper object of that name', json: '{"x":{"a":1}}', path: ['a'], text: null },
  { summary: 'nothing for what every object inherits', json: '{}', path: ['toString'], text: null },
];

test.for(found)('finds $summary', ({ json, path, text }) => {
  expect(sliceText(json, path)).toBe(text);
});

const broken = [
  '',
  ' ',
  '{',
  '{"a"',
  '{"a":',
  '{"a":1',
  '{"a":[1}',
  '{"a":"',
  '{"a":"\\',
  '{"a" 1}',
  '{a:1}',
  '{"a":1}}',
  '{"a":1,}',
  '[1',
  '{"a":01}',
  '{"a":tru}',
  '{"a":1 "b":2}',
  '}',
  '\u0000',
  'x y',
];

test.for(broken)('refuses %j', (json) => {
  expect(() => sliceJson(Buffer.from(json), ['a'])).toThrow(JsonSyntaxError);
});

test('finds what JSON.parse finds, in any document', () => {
  fc.assert(
    fc.property(
      fc.jsonValue(),
      fc.array(fc.string(), { maxLength: 2 }),
      fc.constantFrom(0, 1, 2),
      (value, names, indent) => {
        const path = names.length > 0 ? names : pathInto(value);
        const json = JSON.stringify(value, null, indent);

        const text = sliceText(json, path);

        expect(text === null ? undefined : JSON.parse(text)).toEqual(valueAt(JSON.parse(json), path));
      },
    ),
  );
});

test('never fails otherwise, whatever the bytes are', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.boolean(), (bytes, isObject) => {
      const payload = isObject ? Buffer.concat([Buffer.from('{"a":'), bytes]) : bytes;

      expect(errorOf(() => sliceJson(payload, ['a']))).toSatisfy(isNothingOrSyntax);
    }),
    { numRuns: 2_000 },
  );
});

test('goes past a hundred thousand nested brackets', () => {
  const deep = '['.repeat(100_000) + ']'.repeat(100_000);

  expect(sliceText(`{"x":${deep},"a":1}`, ['a'])).toBe('1');
  expect(sliceText(`{"a":${deep}}`, ['a'])).toBe(deep);
  expect(() => sliceText(`{"a":${'{"a":'.repeat(100_000)}`, ['b'])).toThrow(JsonSyntaxError);
});

test('gives the topology and the own members exactly as received', () => {
  const [clusterId, memberId] = ['shop.web.php.domain', 'shop.web.php.domain-1'];
  const json = bigTopology({ members: 1_000, clusterId, memberId, status: 'Active' });
  const services = JSON.parse(json).topology.serviceMap;

  const memberMap = sliceText(json, ['topology', 'serviceMap', 'php', 'clusterIdClusterMap', clusterId, 'memberMap']);

  expect(sliceText(json, ['topology'])).toBe(json.slice('{"topology":'.length, -1));
  expect(memberMap).toBe(JSON.stringify(services.php.clusterIdClusterMap[clusterId].memberMap));
});

test('walks through lists, and says where it is', () => {
  const reader = new JsonReader(Buffer.from(' [ {"a":1} , 2 ] '));
  const positions: number[] = [];

  const isArray = reader.array(() => {
    positions.push(reader.position);
    reader.skip();
  });
  reader.end();

  expect({ isArray, positions }).toEqual({ isArray: true, positions: [3, 13] });
});

function sliceText(json: string, path: readonly string[]): string | null {
  const bytes = Buffer.from(json);
  const slice = sliceJson(bytes, path);
  return slice && bytes.toString('utf8', slice.start, slice.end);
}

function valueAt(value: unknown, path: readonly string[]): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, key))
    return undefined;
  return valueAt(Object.entries(value).find(([name]) => name === key)?.[1], rest);
}

/** First keys all the way down, so that most paths lead somewhere. */
function pathInto(value: unknown): string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [];
  const [first] = Object.entries(value);
  return first === undefined ? [] : [first[0], ...pathInto(first[1])];
}

function errorOf(act: () => unknown): unknown {
  try {
    act();
    return undefined;
  } catch (thrown) {
    return thrown;
  }
}

function isNothingOrSyntax(thrown: unknown): boolean {
  return thrown === undefined || thrown instanceof JsonSyntaxError;
}
