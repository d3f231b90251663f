import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { ownMember, shop } from '../../agent/demo/story.ts';
import { bigTopology } from '../support/big-topology.ts';
import { startGitServer } from '../support/git-server.ts';
import { brokers, lifeTest, statusEvents } from '../support/life.ts';

const wholeLife = [
  'InstanceStartedEvent',
  'InstanceActivatedEvent',
  'InstanceMaintenanceModeEvent',
  'InstanceReadyToShutdownEvent',
];
const request = 'CompleteTopologyRequestEvent';
const timeoutMs = 60_000;

/** What scripts make of what they are told. */
const hooks = {
  'CompleteTopologyEvent.sh': `
    echo "topology $(sha256sum < "$STRATOS_TOPOLOGY_JSON_FILE") $(env | grep -c '^STRATOS_TOPOLOGY_JSON=')" >> $TRACE
    echo "members $STRATOS_MEMBER_LIST_JSON" >> $TRACE`,
  'MemberActivatedEvent.sh': 'echo activated >> $TRACE',
  'StartServers.sh': 'echo servers >> $TRACE',
  'clean.sh': 'echo cleaned >> $TRACE',
};

// The largest once, where it goes through a broker of its own: it is some seconds of work.
const sizes = brokers.flatMap((broker) => [
  { broker, members: 10_000 },
  ...(broker === brokers.at(-1) ? [{ broker, members: 106_000 }] : []),
]);

describe.for(sizes)('$members members, over the $broker broker', ({ broker, members }) => {
  const test = lifeTest.extend('broker', broker);

  test('a whole life, with hooks and git', { timeout: timeoutMs }, async ({ life }) => {
    await using git = await startGitServer();
    const web = await git.createRepository('web');
    await web.commit({ 'index.html': 'hello' });
    const text = bigTopology({ members, memberId: shop.memberId });
    const platform = await life.platform({
      members: [ownMember('Initialized')],
      repositories: [{ clusterId: shop.clusterId, tenantId: shop.tenantId, url: web.url }],
      refuse: ({ event }) => event === request,
    });
    const tell = () => platform.publishRaw('topology/CompleteTopologyEvent', text);
    const agent = await life.agent({ params: { REPO_URL: web.url }, hooks });

    await platform.waitFor(request);
    await tell();
    await platform.waitFor('InstanceActivatedEvent', undefined, { timeoutMs });
    await expect.poll(agent.trace, { timeout: timeoutMs }).toContain('activated');
    await expect.poll(agent.trace, { timeout: timeoutMs }).toContainEqual(expect.stringMatching(/^members /));
    await platform.cleanupMember();
    await platform.waitFor('InstanceReadyToShutdownEvent', undefined, { timeoutMs });

    expect(await agent.exited).toBe(0);
    expect(statusEvents(platform.heard)).toEqual(wholeLife);
    expect(await readFile(join(life.applicationPath, 'index.html'), 'utf8')).toBe('hello');
    expect(agent.trace().toSorted()).toEqual(
      ['activated', 'cleaned', memberLine(text), 'servers', topologyLine(text)].toSorted(),
    );
  });
});

/** As it was received, to the byte, in a file. */
function topologyLine(text: string): string {
  const topology = text.slice('{"topology":'.length, -'}'.length);
  return `topology ${createHash('sha256').update(topology).digest('hex')}  - 0`;
}

/** Of the own cluster only. */
function memberLine(text: string): string {
  const { topology } = JSON.parse(text);
  const { memberMap } = topology.serviceMap[shop.serviceName].clusterIdClusterMap[shop.clusterId];
  return `members ${JSON.stringify(memberMap)}`;
}
