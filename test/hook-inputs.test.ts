import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { inputDocument } from '../agent/hooks/input.ts';
import { withReference } from '../conf/plugin-reference.ts';
import {
  type HookInputs,
  type HookName,
  hookInputProblems,
  hookInputSchema,
  hooks,
  sampleDocument,
} from '../plugins/contract.ts';
import { readCompleteTopologyEvent } from '../state/messages/complete-topology.ts';
import { Secret } from '../state/secret.ts';

const names = Object.keys(hooks) as HookName[];
const sample = (file: string) => readFileSync(new URL(`samples/${file}`, import.meta.url));

test.for(names)('the sample of %s is as its schema says', async (name) => {
  const document = await sampleDocument(name);

  expect(await hookInputProblems(name, JSON.parse(JSON.stringify(document)))).toEqual([]);
  expect(await hookInputProblems(name, { ...document, instance: undefined })).not.toEqual([]);
});

test('the sample of a topology is one the agent understands, with the cluster of this instance', async () => {
  const { topology, instance } = await sampleDocument('completeTopology');

  const read = readCompleteTopologyEvent(Buffer.from(JSON.stringify({ topology })));

  const { serviceName, clusterId } = instance;
  expect(read.problems).toEqual([]);
  expect(read.topology.serviceMap.get(serviceName)?.clusters.get(clusterId)?.members.size).toBe(1);
});

test('what the agent writes to stdin is as the schema says', async () => {
  const { instance, ...update } = await sampleDocument('artifactUpdated');
  const { topology } = readCompleteTopologyEvent(sample('CompleteTopologyEvent.json'));
  const clusters = [...topology.serviceMap.values()].flatMap((service) => [...service.clusters.values()]);
  const member = clusters.flatMap(({ members }) => [...members.values()])[0];
  if (member === undefined) throw new Error('the sample has no member');
  const { memberId, clusterId, status } = member;
  const inputs: Partial<HookInputs> = {
    artifactUpdated: { ...update, event: { clusterId: 'c', repoPassword: new Secret('s3cret') } },
    artifactUpdating: { ...update, event: null, oldCommit: null, subject: null },
    memberActivated: { memberId, clusterId, status, member },
    completeTopology: { topology: '{"serviceMap":{}}', members: Buffer.from('{}') },
    drain: {},
  };

  for (const [name, input] of Object.entries(inputs) as [HookName, HookInputs[HookName]][]) {
    const text = Buffer.concat(inputDocument(name, input, instance).map((piece) => Buffer.from(piece))).toString();

    expect(text).not.toContain('s3cret');
    expect({ name, problems: await hookInputProblems(name, JSON.parse(text)) }).toEqual({ name, problems: [] });
  }
});

test('a sample that somebody has written wrongly is told what is wrong, by field', async () => {
  const { newCommit: _, ...document } = await sampleDocument('artifactUpdated');

  const problems = await hookInputProblems('artifactUpdated', { ...document, changedPaths: ['a', 7] });

  expect(problems).toEqual([expect.stringMatching(/^newCommit: /), expect.stringMatching(/^changedPaths\.1: /)]);
});

test('a schema says what every field means, and lets later versions add some', async () => {
  const schema = await hookInputSchema('artifactUpdated');

  expect(schema).toMatchObject({
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'artifactUpdated',
    type: 'object',
    properties: {
      instance: { type: 'object', required: expect.arrayContaining(['memberId']) },
      oldCommit: { description: expect.stringContaining('null before the first checkout') },
      changedPaths: { type: 'array', items: { type: 'string' } },
    },
    required: expect.arrayContaining(['instance', 'tenantId', 'event']),
  });
  expect(JSON.stringify(schema)).not.toContain('"additionalProperties":false');
});

test('plugins/README.md lists the hooks and their inputs as they are', () => {
  const document = readFileSync(new URL('../plugins/README.md', import.meta.url), 'utf8');

  // If this fails: node conf/write-plugin-reference.ts
  expect(withReference(document)).toBe(document);
  for (const name of names) expect(document).toContain(`| \`${name}\` |`);
});

test('loading the contract loads neither zod nor a schema: workers start with it', async () => {
  const contract = fileURLToPath(new URL('../plugins/contract.ts', import.meta.url));
  const script = `const seen = [];
    require('node:module').registerHooks({ resolve(name, context, next) { seen.push(name); return next(name, context); } });
    import(${JSON.stringify(contract)}).then(() => console.log(JSON.stringify(seen)));`;

  const { stdout } = await promisify(execFile)(process.execPath, ['--eval', script]);

  const loaded: string[] = JSON.parse(stdout);
  expect(loaded).toContain('./contract/plugin.ts');
  expect(loaded.filter((name) => /zod|inputs|samples|messages/.test(name))).toEqual([]);
});
