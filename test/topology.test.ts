import { describe, expect, test } from 'vitest';
import type { MemberStatus } from '../state/messages/member.ts';
import { mayFollow } from '../state/topology/member-status.ts';
import { apply, createTopology, findMember, memberStatus } from '../state/topology.ts';
import { messageOf, sampleFiles, sampleMessage } from './support/sample-messages.ts';
import {
  activated,
  type Case,
  cluster,
  expectCase,
  member,
  ports,
  service,
  topologyWith,
  wireCluster,
} from './support/wire-topology.ts';

describe('before the first complete topology', () => {
  const events = sampleFiles.map(({ event }) => event);
  const increments = events.filter((event) => /^(Service|Application?Clusters|Cluster|Member)/.test(event));

  test.for(increments)('%s is dropped', (event) => {
    const topology = createTopology();

    expect(apply(topology, sampleMessage(event))).toEqual([
      { kind: 'dropped', event, reason: 'notComplete', id: null },
    ]);
    expect(topology).toMatchObject({ isComplete: false, services: new Map(), clusters: new Map() });
  });

  test('no status is known', () => {
    expect(memberStatus(createTopology(), 'm')).toBe('unknown');
  });
});

const memberCases: readonly Case[] = [
  {
    summary: 'MemberCreated adds a member',
    life: [],
    steps: [['MemberCreatedEvent', member]],
    changes: ['m: null -> Created'],
    status: 'Created',
  },
  {
    summary: 'MemberCreated leaves a known member alone',
    life: ['Created', 'Initialized'],
    steps: [['MemberCreatedEvent', member]],
    changes: [],
    status: 'Initialized',
  },
  {
    summary: 'MemberInitialized moves a member on',
    steps: [['MemberInitializedEvent', member]],
    changes: ['m: Created -> Initialized'],
    status: 'Initialized',
  },
  {
    summary: 'MemberInitialized makes a member that is missing',
    life: [],
    steps: [['MemberInitializedEvent', member]],
    changes: ['m: null -> Initialized'],
    status: 'Initialized',
  },
  {
    summary: 'MemberInitialized again changes nothing',
    life: ['Created', 'Initialized'],
    steps: [['MemberInitializedEvent', member]],
    changes: [],
    status: 'Initialized',
  },
  {
    summary: 'MemberStarted moves a member on',
    life: ['Initialized'],
    steps: [['MemberStartedEvent', member]],
    changes: ['m: Initialized -> Starting'],
    status: 'Starting',
  },
  {
    summary: 'MemberStarted of a missing member is dropped',
    life: [],
    steps: [['MemberStartedEvent', member]],
    changes: ['dropped MemberStartedEvent: unknownMember m'],
    status: 'absent',
  },
  {
    summary: 'MemberActivated moves a member on',
    life: ['Starting'],
    steps: [['MemberActivatedEvent', activated]],
    changes: ['m: Starting -> Active'],
    status: 'Active',
  },
  {
    summary: 'MemberActivated without ports is dropped',
    life: ['Starting'],
    steps: [['MemberActivatedEvent', { ...activated, portMap: {} }]],
    changes: ['dropped MemberActivatedEvent: incomplete m'],
    status: 'Starting',
  },
  {
    summary: 'MemberActivated without an address is dropped',
    life: ['Starting'],
    steps: [['MemberActivatedEvent', { ...activated, defaultPrivateIP: null }]],
    changes: ['dropped MemberActivatedEvent: incomplete m'],
    status: 'Starting',
  },
  {
    summary: 'MemberMaintenanceMode',
    life: ['Active'],
    steps: [['MemberMaintenanceModeEvent', member]],
    changes: ['m: Active -> In_Maintenance'],
    status: 'In_Maintenance',
  },
  {
    summary: 'MemberReadyToShutdown',
    life: ['In_Maintenance'],
    steps: [['MemberReadyToShutdownEvent', member]],
    changes: ['m: In_Maintenance -> ReadyToShutDown'],
    status: 'ReadyToShutDown',
  },
  {
    summary: 'MemberSuspended, without a cluster instance',
    life: ['Active'],
    steps: [['MemberSuspendedEvent', member]],
    changes: ['m: Active -> Suspended'],
    status: 'Suspended',
  },
  {
    summary: 'an illegal transition is applied all the same',
    life: ['Created'],
    steps: [['MemberReadyToShutdownEvent', member]],
    changes: ['m: Created -> ReadyToShutDown'],
    status: 'ReadyToShutDown',
  },
  {
    summary: 'MemberTerminated removes the member',
    life: ['ReadyToShutDown'],
    steps: [['MemberTerminatedEvent', member]],
    changes: ['m removed, was ReadyToShutDown'],
    status: 'absent',
  },
  {
    summary: 'MemberTerminated of a missing member is dropped',
    life: [],
    steps: [['MemberTerminatedEvent', member]],
    changes: ['dropped MemberTerminatedEvent: unknownMember m'],
    status: 'absent',
  },
  {
    summary: 'a late Started does not take a leaving member back',
    life: ['Starting', 'Active', 'In_Maintenance'],
    steps: [['MemberStartedEvent', member]],
    changes: ['dropped MemberStartedEvent: late m'],
    status: 'In_Maintenance',
  },
  {
    summary: 'a late Activated does not take a leaving member back',
    life: ['Active', 'In_Maintenance'],
    steps: [['MemberActivatedEvent', activated]],
    changes: ['dropped MemberActivatedEvent: late m'],
    status: 'In_Maintenance',
  },
  {
    summary: 'a late Initialized does not take a member back',
    life: ['Initialized', 'Starting', 'Active'],
    steps: [['MemberInitializedEvent', member]],
    changes: ['dropped MemberInitializedEvent: late m'],
    status: 'Active',
  },
  {
    summary: 'Active -> Starting is legal: an agent started again',
    life: ['Starting', 'Active'],
    steps: [['MemberStartedEvent', member]],
    changes: ['m: Active -> Starting'],
    status: 'Starting',
  },
  {
    summary: 'and so is Starting -> Active after it',
    life: ['Starting', 'Active'],
    steps: [
      ['MemberStartedEvent', member],
      ['MemberActivatedEvent', activated],
    ],
    changes: ['m: Starting -> Active'],
    status: 'Active',
  },
  {
    summary: 'a member of another cluster is left there',
    life: ['Active'],
    steps: [
      ['ClusterCreatedEvent', { cluster: wireCluster('d', ['m', 'Created']) }],
      ['MemberCreatedEvent', { ...member, clusterId: 'd' }],
    ],
    changes: ['dropped MemberCreatedEvent: elsewhere m'],
    status: 'Active',
  },
  {
    summary: 'an unknown service is named',
    steps: [['MemberStartedEvent', { ...member, serviceName: 'x' }]],
    changes: ['dropped MemberStartedEvent: unknownService x'],
    status: 'Created',
  },
  {
    summary: 'an unknown cluster is named',
    steps: [['MemberTerminatedEvent', { ...member, clusterId: 'x' }]],
    changes: ['dropped MemberTerminatedEvent: unknownCluster x'],
    status: 'Created',
  },
  {
    summary: 'a removed cluster takes its members along',
    life: ['Active'],
    steps: [['ClusterRemovedEvent', cluster]],
    changes: ['m removed, was Active', 'clusterRemoved c'],
    status: 'absent',
  },
  {
    summary: 'a removed service takes its clusters along',
    life: ['Active'],
    steps: [['ServiceRemovedEvent', service]],
    changes: ['m removed, was Active', 'clusterRemoved c', 'serviceRemoved s'],
    status: 'absent',
  },
  {
    summary: 'removed clusters of an application take their members along',
    life: ['Active'],
    steps: [
      [
        'ApplicationClustersRemovedEvent',
        { appId: 'a', clusterData: [null, { serviceType: 's', clusterId: 'x' }, { serviceType: 's', clusterId: 'c' }] },
      ],
    ],
    changes: ['m removed, was Active', 'clusterRemoved c'],
    status: 'absent',
  },
  {
    summary: 'a message of another topic changes nothing',
    life: ['Active'],
    steps: [['InstanceCleanupMemberEvent', member]],
    changes: [],
    status: 'Active',
  },
];

test.for(memberCases)('$summary', expectCase);

describe('what a member is known by', () => {
  test('grows with its events', () => {
    const topology = createTopology();
    apply(topology, sampleMessage('CompleteTopologyEvent'));
    const { body } = sampleMessage('MemberActivatedEvent');

    apply(topology, sampleMessage('MemberStartedEvent'));
    apply(topology, sampleMessage('MemberActivatedEvent'));

    expect(findMember(topology, body.memberId)).toEqual({
      serviceName: 'php',
      clusterId: 'shop-app.web.php.domain',
      memberId: body.memberId,
      clusterInstanceId: 'shop-app-1',
      networkPartitionId: 'network-partition-1',
      partitionId: 'partition-1',
      initTime: 1_486_000_061_000,
      instanceId: 'RegionOne/0a5492e9-f6f8-33f8-803a-c61df0299a44',
      lbClusterId: undefined,
      publicIPs: ['192.0.2.12'],
      defaultPublicIP: '192.0.2.12',
      privateIPs: ['10.0.0.12'],
      defaultPrivateIP: '10.0.0.12',
      properties: expect.objectContaining({ MIN_COUNT: '2' }),
      ports: [
        { protocol: 'http', value: 80, proxy: 8280 },
        { protocol: 'https', value: 443, proxy: 8243 },
      ].toSorted((a, b) => a.proxy - b.proxy),
      status: 'Active',
      stateStack: ['Created', 'Initialized', 'Starting', 'Active'],
    });
  });

  test('is made from the first event that tells of it', () => {
    const topology = topologyWith([]);

    apply(topology, messageOf('MemberInitializedEvent', { ...activated, instanceId: 'vm-1', properties: { k: 'v' } }));

    expect(findMember(topology, 'm')).toMatchObject({
      instanceId: 'vm-1',
      defaultPrivateIP: '10.0.0.1',
      properties: { k: 'v' },
    });
  });

  test('what an event does not tell stays, ports are merged by proxy', () => {
    const topology = topologyWith(['Starting']);
    const https = { 8243: { protocol: 'https', value: 443, proxy: 8243 } };
    apply(topology, messageOf('MemberActivatedEvent', { ...activated, defaultPublicIP: '192.0.2.1' }));
    apply(topology, messageOf('MemberStartedEvent', member));

    apply(topology, messageOf('MemberActivatedEvent', { ...activated, memberPrivateIPs: null, portMap: https }));

    expect(findMember(topology, 'm')).toMatchObject({
      defaultPublicIP: '192.0.2.1',
      privateIPs: ['10.0.0.1'],
      ports: [ports[8280], https[8243]],
    });
  });

  test('stays as it was for whoever was told of it', () => {
    const topology = topologyWith(['Initialized']);
    const [change] = apply(topology, messageOf('MemberStartedEvent', member));

    apply(topology, messageOf('MemberActivatedEvent', activated));

    expect(change).toMatchObject({ kind: 'member', member: { status: 'Starting', ports: [] } });
  });
});

describe('member status', () => {
  const legal: readonly (readonly [MemberStatus, MemberStatus])[] = [
    ['Created', 'Initialized'],
    ['Initialized', 'Starting'],
    ['Starting', 'Active'],
    ['Active', 'In_Maintenance'],
    ['Active', 'Starting'],
    ['Active', 'Suspended'],
    ['In_Maintenance', 'ReadyToShutDown'],
    ['ReadyToShutDown', 'Terminated'],
    ['Suspended', 'Terminated'],
  ];
  const all: readonly MemberStatus[] = [
    'Created',
    'Initialized',
    'Starting',
    'Active',
    'In_Maintenance',
    'ReadyToShutDown',
    'Suspended',
    'Terminated',
  ];

  test('may follow as the controller enforces it, and stay', () => {
    const allowed = all.flatMap((from) => all.filter((to) => mayFollow(from, to)).map((to) => `${from} -> ${to}`));

    expect(allowed.toSorted()).toEqual(
      [...legal, ...all.map((status) => [status, status] as const)].map(([from, to]) => `${from} -> ${to}`).toSorted(),
    );
  });
});
