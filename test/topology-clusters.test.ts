import { expect, test } from 'vitest';
import { apply, findCluster } from '../state/topology.ts';
import { messageOf } from './support/sample-messages.ts';
import {
  type Case,
  cluster,
  expectCase,
  instance,
  ports,
  service,
  topologyWith,
  wireCluster,
  wireInstance,
} from './support/wire-topology.ts';

const clusterCases: readonly Case[] = [
  {
    summary: 'ServiceCreated adds a service',
    steps: [['ServiceCreatedEvent', { serviceName: 't', portMap: ports }]],
    changes: ['serviceAdded t'],
  },
  {
    summary: 'ServiceCreated leaves a known service alone',
    steps: [['ServiceCreatedEvent', { ...service, portMap: ports }]],
    changes: [],
    status: 'Created',
  },
  {
    summary: 'ServiceRemoved of an unknown service changes nothing',
    steps: [['ServiceRemovedEvent', { serviceName: 'x' }]],
    changes: [],
  },
  {
    summary: 'ClusterCreated adds a cluster with its members',
    steps: [['ClusterCreatedEvent', { cluster: wireCluster('d', ['n', 'Active']) }]],
    changes: ['clusterAdded d', 'n: null -> Active'],
  },
  {
    summary: 'ClusterCreated leaves a known cluster alone',
    steps: [['ClusterCreatedEvent', { cluster: wireCluster('c') }]],
    changes: [],
    status: 'Created',
  },
  {
    summary: 'ApplicationClustersCreated skips clusters of unknown services only',
    steps: [
      [
        'ApplicationClustersCreatedEvent',
        { appId: 'a', clusterList: [{ ...wireCluster('e'), serviceName: 'x' }, wireCluster('d')] },
      ],
    ],
    changes: ['dropped ApplicationClustersCreatedEvent: unknownService x', 'clusterAdded d'],
  },
  {
    summary: 'ApplicationClustersCreated skips clusters that cannot be read',
    steps: [['ApplicationClustersCreatedEvent', { appId: 'a', clusterList: [{ clusterId: 4 }, wireCluster('d')] }]],
    changes: ['clusterAdded d', 'unreadable: 1'],
  },
  {
    summary: 'ClusterRemoved of an unknown cluster changes nothing',
    steps: [['ClusterRemovedEvent', { ...cluster, clusterId: 'x' }]],
    changes: [],
  },
  {
    summary: 'ClusterInstanceCreated adds an instance',
    steps: [['ClusterInstanceCreatedEvent', { ...cluster, clusterInstance: wireInstance('j') }]],
    changes: ['instance j: null -> Created'],
  },
  {
    summary: 'ClusterInstanceCreated leaves a known instance alone',
    steps: [['ClusterInstanceCreatedEvent', { ...cluster, clusterInstance: wireInstance('i') }]],
    changes: [],
  },
  {
    summary: 'ClusterInstanceActivated',
    steps: [['ClusterInstanceActivatedEvent', instance]],
    changes: ['instance i: Created -> Active'],
  },
  {
    summary: 'ClusterInstanceActivated again changes nothing',
    steps: [
      ['ClusterInstanceActivatedEvent', instance],
      ['ClusterInstanceActivatedEvent', instance],
    ],
    changes: [],
  },
  {
    summary: 'ClusterInstanceActivated of an unknown instance is dropped',
    steps: [['ClusterInstanceActivatedEvent', { ...instance, instanceId: 'x' }]],
    changes: ['dropped ClusterInstanceActivatedEvent: unknownInstance x'],
  },
  {
    summary: 'ClusterInstanceInactivate',
    steps: [['ClusterInstanceInactivateEvent', instance]],
    changes: ['instance i: Created -> Inactive'],
  },
  {
    summary: 'ClusterInstanceInactivate of an unknown instance is dropped',
    steps: [['ClusterInstanceInactivateEvent', { ...instance, instanceId: 'x' }]],
    changes: ['dropped ClusterInstanceInactivateEvent: unknownInstance x'],
  },
  {
    summary: 'ClusterInstanceTerminating',
    steps: [['ClusterInstanceTerminatingEvent', instance]],
    changes: ['instance i: Created -> Terminating'],
  },
  {
    summary: 'ClusterReset',
    steps: [
      ['ClusterInstanceTerminatingEvent', instance],
      ['ClusterResetEvent', instance],
    ],
    changes: ['instance i: Terminating -> Created'],
  },
  {
    summary: 'ClusterReset of an unknown instance is dropped',
    steps: [['ClusterResetEvent', { ...instance, instanceId: 'x' }]],
    changes: ['dropped ClusterResetEvent: unknownInstance x'],
  },
  {
    summary: 'ClusterInstanceTerminated removes the instance',
    steps: [['ClusterInstanceTerminatedEvent', instance]],
    changes: ['instance i: Created -> null'],
  },
  {
    summary: 'ClusterInstanceTerminated again changes nothing',
    steps: [
      ['ClusterInstanceTerminatedEvent', instance],
      ['ClusterInstanceTerminatedEvent', instance],
    ],
    changes: [],
  },
];

test.for(clusterCases)('$summary', expectCase);

test('a cluster instance brings access URLs and load balancers', () => {
  const topology = topologyWith([]);
  const body = { ...instance, accessUrls: ['http://x'], loadBalancerIps: ['10.1.1.1'] };
  apply(topology, messageOf('ClusterInstanceActivatedEvent', body));
  apply(topology, messageOf('ClusterInstanceInactivateEvent', instance));

  apply(
    topology,
    messageOf('ClusterInstanceActivatedEvent', { ...body, accessUrls: ['http://y'], loadBalancerIps: [] }),
  );

  expect(findCluster(topology, 'c')).toMatchObject({
    accessUrls: new Map([['i', ['http://y']]]),
    loadBalancerIps: ['10.1.1.1'],
  });
});
