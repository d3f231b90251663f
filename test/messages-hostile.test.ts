import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MessageError } from '../state/messages/message-error.ts';
import { parseMessage, topicOf } from '../state/messages/topics.ts';
import { bigTopology } from './support/big-topology.ts';
import { errorOf, messageOf, sampleBytes, sampleFiles } from './support/sample-messages.ts';

const canary = 'pa55word-canary';
const ownMember = 'shop-app.web.php.domain1c2f6d0e-8a4b-4f5c-9f1a-0d3b6e7a9c21';
const megabyte = 1 << 20;

describe('large and hostile messages', () => {
  const deepKnown = `{"memberId":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
  const deepUnknown = `{"x":${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)},"memberId":"m"}`;

  test('deep nesting inside a known field is refused, inside an unknown one ignored', () => {
    expect(errorOf(() => messageOf('InstanceCleanupMemberEvent', deepKnown))).toMatchObject({
      code: 'MESSAGE_INVALID',
    });
    expect(messageOf('InstanceCleanupMemberEvent', deepUnknown).body).toEqual({ memberId: 'm' });
  });

  test.for(['properties', 'portMap', 'memberStateManager', 'memberPublicIPs'])(
    'deep nesting in %s of a member costs that member',
    (field) => {
      const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`;
      const bad = JSON.stringify({ ...wireMember('bad'), [field]: 0 }).replace(
        `"${field}":0`,
        `"${field}":${field === 'memberStateManager' ? `{"stateStack":[${deep}]}` : deep}`,
      );

      const { body } = messageOf(
        'CompleteTopologyEvent',
        topologyText(`"bad":${bad},"good":${JSON.stringify(wireMember('good'))}`),
      );

      expect([...(body.topology.serviceMap.get('s')?.clusters.get('c')?.members.keys() ?? [])]).toEqual(['good']);
      expect(body.problems).toEqual([expect.stringContaining(field)]);
    },
  );

  const huge = {
    'zero bytes': () => Buffer.alloc(50 * megabyte),
    brackets: () => Buffer.alloc(50 * megabyte, '['),
    braces: () => Buffer.alloc(50 * megabyte, '{"a":'),
    'one text': () =>
      Buffer.concat([Buffer.from('{"memberId":"'), Buffer.alloc(50 * megabyte, 'x'), Buffer.from('"}')]),
    'one topology': () =>
      Buffer.concat([Buffer.from('{"topology":"'), Buffer.alloc(50 * megabyte, 'x'), Buffer.from('"}')]),
    'one service': () =>
      Buffer.concat([Buffer.from('{"topology":{"serviceMap":'), Buffer.alloc(50 * megabyte, '['), Buffer.from('}}')]),
  };

  test.for(Object.entries(huge))('50 MB of %s are refused', ([, payload]) => {
    const bytes = payload();

    for (const event of ['InstanceCleanupMemberEvent', 'CompleteTopologyEvent', 'CompleteTenantEvent'] as const) {
      expect(errorOf(() => parseMessage(topicOf(event), bytes))).toBeInstanceOf(MessageError);
    }
  });

  test('one bad thing in a topology stays one bad thing', () => {
    const members = `"1":${JSON.stringify(wireMember('1'))},"2":{"memberId":"${canary}"},"3":null,"4":{"a":nonsense},"5":${JSON.stringify({ ...wireMember('5'), memberStateManager: { stateStack: ['Dancing'] } })},"6":${JSON.stringify({ ...wireMember('6'), padding: 'x'.repeat(2 * megabyte) })}`;
    const text = topologyText(
      members,
      `,"bad":{"serviceName":"s","clusterId":7,"x":"${canary}"},"worse":[]`,
      ',"none":{},"no":1',
    );

    const { body } = messageOf('CompleteTopologyEvent', text);
    const { serviceMap } = body.topology;

    expect([...serviceMap.keys()]).toEqual(['s']);
    expect([...(serviceMap.get('s')?.clusters.keys() ?? [])]).toEqual(['c']);
    expect([...(serviceMap.get('s')?.clusters.get('c')?.members.keys() ?? [])]).toEqual(['1']);
    expect(body.problems).toHaveLength(9);
    expect(body.problems.join()).not.toContain(canary);
  });

  test('problems are counted, not piled up', () => {
    const tenants = Array.from({ length: 500 }, (_, index) =>
      index % 5 === 0 ? { tenantId: index, tenantDomain: 'd' } : { tenantId: canary },
    );

    const { body } = messageOf('CompleteTenantEvent', { tenants });

    expect(body.tenants).toHaveLength(100);
    expect(body.problems).toHaveLength(21);
    expect(body.problems.at(-1)).toBe('and 380 more');
    expect(body.problems.join()).not.toContain(canary);
  });

  test('an installation of twenty thousand members is read whole', () => {
    const { body } = messageOf(
      'CompleteTopologyEvent',
      bigTopology({ members: 20_000, memberId: ownMember, status: 'Active' }),
    );
    const clusters = [...(body.topology.serviceMap.get('php')?.clusters.values() ?? [])];

    expect(clusters.reduce((sum, { members }) => sum + members.size, 0)).toBe(20_001);
    expect(clusters.find(({ members }) => members.has(ownMember))?.members.get(ownMember)?.status).toBe('Active');
    expect(body.problems).toEqual([]);
  });

  test('a damaged sample is read or refused, never anything else', () => {
    const damage = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(fc.constantFrom(...sampleFiles), damage, ({ file, event }, bytes) => {
        const payload = sampleBytes(file);
        for (const [at, byte] of bytes) payload[at % payload.length] = byte;

        expect(errorOf(() => parseMessage(topicOf(event), payload))).toSatisfy(isNothingOrMessageError);
      }),
      { numRuns: 3_000 },
    );
  });

  test('a sample with fields of any other kind is read or refused, never anything else', () => {
    fc.assert(
      fc.property(fc.constantFrom(...sampleFiles), fc.nat(), fc.jsonValue(), ({ file, event }, place, value) => {
        const body = replaced(JSON.parse(sampleBytes(file).toString()), place, value);

        expect(errorOf(() => messageOf(event, body))).toSatisfy(isNothingOrMessageError);
      }),
      { numRuns: 3_000 },
    );
  });
});

function wireMember(memberId: string) {
  return { serviceName: 's', clusterId: 'c', memberId, memberStateManager: { stateStack: ['Created'] } };
}

function topologyText(members: string, clusters = '', services = ''): string {
  return `{"topology":{"serviceMap":{"s":{"clusterIdClusterMap":{"c":{"memberMap":{${members}},"serviceName":"s","clusterId":"c"}${clusters}},"serviceName":"s"}${services}}}}`;
}

/** The body with the value at the n-th place replaced, wherever that is. */
function replaced(body: unknown, place: number, value: unknown): unknown {
  const places: (() => void)[] = [];
  const visit = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return;
    for (const key of Object.keys(node)) {
      places.push(() => Object.assign(node, { [key]: value }));
      visit((node as Record<string, unknown>)[key]);
    }
  };
  visit(body);
  places[place % places.length]?.();
  return places.length === 0 ? value : body;
}

function isNothingOrMessageError(thrown: unknown): boolean {
  return thrown === undefined || thrown instanceof MessageError;
}
