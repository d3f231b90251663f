import { readFileSync } from 'node:fs';
import { describe } from 'vitest';
import { createMetadataClient, type MetadataService, metadataOf } from '../agent/metadata/client.ts';
import type { MetadataClient } from '../plugins/contract.ts';
import { Secret } from '../state/secret.ts';
import { minimal, test as plainTest, quiet } from './support/config-folder.ts';
import { expect } from './support/current-test.ts';
import { recordedLog } from './support/link.ts';
import { type MetadataServer, startMetadataServer, tokenFor } from './support/metadata-server.ts';

const test = plainTest.extend<{ server: MetadataServer; metadata: MetadataService }>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the names of what a fixture needs from here.
  server: async ({}, use) => {
    await using server = await startMetadataServer();
    await use(server);
  },
  metadata: async ({ server }, use) => {
    const stopping = new AbortController();
    await use(
      createMetadataClient(
        { url: server.url, token: new Secret(tokenFor('shop-app')), applicationId: 'shop-app' },
        { log: recordedLog().log, signal: stopping.signal },
      ),
    );
    stopping.abort();
  },
});

describe('properties of the application', () => {
  test('are lists, also when there is one value', async ({ metadata }) => {
    await metadata.put('PUBLIC_URL', 'http://a');
    await metadata.put('HOSTS', ['10.0.0.1', '10.0.0.2']);

    expect(await metadata.get('PUBLIC_URL')).toEqual(['http://a']);
    expect(await metadata.get('HOSTS')).toEqual(['10.0.0.1', '10.0.0.2']);
  });

  test('are added to', async ({ metadata }) => {
    await metadata.put('HOSTS', ['a', 'b']);
    await metadata.put('HOSTS', ['b', 'c']);

    expect(await metadata.get('HOSTS')).toEqual(['a', 'b', 'c']);
  });

  test('are deleted, all values or one', async ({ metadata }) => {
    await metadata.put('A', ['x/y z', 'b']);
    await metadata.put('B', 'b');

    await metadata.delete('A', 'x/y z');
    await metadata.delete('B');

    expect(await metadata.get('A')).toEqual(['b']);
    expect(await metadata.get('B')).toBeNull();
  });

  test('may be gone when they are deleted', async ({ metadata }) => {
    await metadata.delete('A');
    await metadata.delete('A', 'x');

    expect(await metadata.get('A')).toBeNull();
  });
});

describe('properties of a cluster', () => {
  test('are apart from those of the application, and replaced', async ({ metadata }) => {
    await metadata.put('HOSTS', 'all');
    await metadata.put('HOSTS', ['a', 'b'], { cluster: 'db' });
    await metadata.put('HOSTS', ['c', 'd'], { cluster: 'db' });

    expect(await metadata.get('HOSTS', { cluster: 'db' })).toEqual(['c', 'd']);
    expect(await metadata.get('HOSTS')).toEqual(['all']);
  });
});

test('nothing stored is no failure', async ({ metadata, server }) => {
  expect(await metadata.get('A')).toBeNull();
  expect(await metadata.get('A', { cluster: 'web' })).toBeNull();
  expect(server.requests).toHaveLength(2);
});

test('a property is posted alone, as the service wants it', async ({ metadata, server }) => {
  const sample = JSON.parse(readFileSync(new URL('samples/metadata-property-post.json', import.meta.url), 'utf8'));

  await metadata.put(sample.key, sample.values[0]);

  expect(JSON.parse(server.requests[0]?.body ?? '')).toEqual(sample);
});

test('is that of the configuration, if there is one', async ({ server, folder }) => {
  server.applications.add('a');
  const { config: without } = folder.load();
  const { config } = folder.load({
    conf: `${minimal}metadata.service.url = ${server.url}/\n`,
    params: `${quiet},TOKEN=${tokenFor('a')}`,
  });
  const times: number[] = [];
  const onServerTime = (timeMs: number) => void times.push(timeMs);
  const parts = { log: recordedLog().log, signal: new AbortController().signal, onServerTime };

  await metadataOf(config, parts)?.put('A', 'x');
  expect(times).toHaveLength(1);
  expect(Math.abs((times[0] ?? 0) - Date.now())).toBeLessThan(60_000);

  expect(server.requests.map(({ path }) => path)).toEqual(['/metadata/api/applications/a/properties']);
  expect(await metadataOf(config, parts)?.get('A')).toEqual(['x']);
  expect(metadataOf(without, parts)).toBeUndefined();
});

test('is what plugins are promised', async ({ metadata }) => {
  const forPlugins: MetadataClient = metadata;

  await forPlugins.put('A', 'b', { cluster: 'web' });

  expect(await forPlugins.get('A', { cluster: 'web' })).toEqual(['b']);
});

describe('answers', () => {
  const { properties } = JSON.parse(
    readFileSync(new URL('samples/metadata-properties-response.json', import.meta.url), 'utf8'),
  );
  const [url, hosts] = properties.map((property: object) => JSON.stringify(property));
  const cases = [
    { summary: 'the sample of one value', text: url, values: ['http://shop-app.web.php.example.com:80'] },
    { summary: 'the sample of several', text: hosts, values: ['10.0.0.31', '10.0.0.32'] },
    {
      summary: 'a number, as it is written',
      text: '{"key":"A","values":12345678901234567890}',
      values: ['12345678901234567890'],
    },
    {
      summary: 'numbers and booleans',
      text: '{"key":1,"values":[8080,1.50,true,"x"]}',
      values: ['8080', '1.50', 'true', 'x'],
    },
    { summary: 'a key without values', text: '{"key":"A"}', values: [] },
    { summary: 'a key with none', text: '{"key":"A","values":null}', values: [] },
    { summary: 'more than we know', text: '{"key":"__proto__","values":"x","more":1}', values: ['x'] },
    { summary: 'nothing', text: '', values: null },
  ];

  test.for(cases)('are understood: $summary', async ({ text, values }, { metadata, server }) => {
    server.faults.push({ kind: 'text', text });

    expect(await metadata.get('A')).toEqual(values);
  });
});

describe('names', () => {
  for (const name of ['a/b', 'ä ö', '%2e%2e', 'a?b#c', '...', '..;', 'a\\b', '__proto__', ' ', '🂡']) {
    test(`are kept as they are: ${JSON.stringify(name)}`, async ({ metadata }) => {
      await metadata.put(name, [name, 'x']);
      await metadata.put(name, [name, 'y'], { cluster: name });

      await metadata.delete(name, name);

      expect(await metadata.get(name)).toEqual(['x']);
      expect(await metadata.get(name, { cluster: name })).toEqual([name, 'y']);
    });
  }

  for (const name of ['', '.', '..', '\ud800']) {
    test(`that would lead elsewhere are refused: ${JSON.stringify(name)}`, async ({ metadata, server }) => {
      await metadata.put('A', 'x');
      const refused = { code: 'METADATA_INPUT_INVALID' };

      await expect(metadata.delete(name)).rejects.toMatchObject(refused);
      await expect(metadata.delete('A', name)).rejects.toMatchObject(refused);
      await expect(metadata.get(name)).rejects.toMatchObject(refused);
      await expect(metadata.put(name, 'x')).rejects.toMatchObject(refused);
      await expect(metadata.get('A', { cluster: name })).rejects.toMatchObject(refused);

      expect(server.requests).toHaveLength(1);
      expect(await metadata.get('A')).toEqual(['x']);
    });
  }

  test.for([[], [[]], [['a', 1]], [null], [undefined], [{}], [7]])(
    'values that are no text are refused: %j',
    async ([values], { metadata, server }) => {
      const writing = metadata.put('A', values as string);

      await expect(writing).rejects.toMatchObject({ code: 'METADATA_INPUT_INVALID' });
      expect(server.requests).toEqual([]);
    },
  );
});
