/**
 * Every hook there is, in the order of an instance's life. A *gate* is waited for and may hold or veto; a *notice* is told
 * after the fact. `script` is the name Stratos knows the moment by: `<script>.sh` in `extensions.dir` is run for it.
 * A new hook starts here. @see plugins.md, "The hooks"; protocol.md section 7.1
 */
export const hooks = {
  lvsInterface: {
    kind: 'gate',
    script: 'CreateLVSDummyInterface',
    when: 'at start, if LVS_VIRTUAL_IP is set',
  },
  volumeMount: {
    kind: 'gate',
    script: 'VolumeMount',
    when: 'before anything starts, if PERSISTENCE_MAPPING is set',
  },
  instanceStarting: {
    kind: 'gate',
    script: 'InstanceStartedEvent',
    when: 'before InstanceStarted is published',
  },
  startServers: {
    kind: 'gate',
    script: 'StartServers',
    when: 'InstanceStarted is out: start what does not need artifacts',
  },
  artifactUpdating: {
    kind: 'gate',
    script: null,
    when: 'before files change: policy, migration, backup',
  },
  artifactUpdated: {
    kind: 'gate',
    script: 'ArtifactUpdatedEvent',
    when: 'files are in place: start or reload what serves them; on every later update too',
  },
  instanceActivating: {
    kind: 'gate',
    script: null,
    when: 'all ports answer: the last smoke test before InstanceActivated',
  },
  instanceActivated: {
    kind: 'notice',
    script: 'InstanceActivatedEvent',
    when: 'InstanceActivated is out',
  },
  drain: {
    kind: 'gate',
    script: null,
    when: 'maintenance is announced: stop taking new work, wait for the rest',
  },
  clean: {
    kind: 'gate',
    script: 'clean',
    when: 'drained: stop services, save what must be saved',
  },
  completeTopology: {
    kind: 'notice',
    script: 'CompleteTopologyEvent',
    when: 'the first complete topology; later ones only when something changed',
  },
  completeTenant: {
    kind: 'notice',
    script: 'CompleteTenantEvent',
    when: 'the first complete list of tenants; later ones only when something changed',
  },
  memberInitialized: {
    kind: 'notice',
    script: 'MemberInitializedEvent',
    when: 'a member of the own cluster, or of one it depends on, is initialized',
  },
  memberStarted: {
    kind: 'notice',
    script: 'MemberStartedEvent',
    when: 'such a member has started',
  },
  memberActivated: {
    kind: 'notice',
    script: 'MemberActivatedEvent',
    when: 'such a member is active',
  },
  memberMaintenance: {
    kind: 'notice',
    script: null,
    when: 'such a member is in maintenance',
  },
  memberSuspended: {
    kind: 'notice',
    script: 'MemberSuspendedEvent',
    when: 'such a member is suspended',
  },
  memberTerminated: {
    kind: 'notice',
    script: 'MemberTerminatedEvent',
    when: 'such a member is gone',
  },
  tenantSubscribed: {
    kind: 'notice',
    script: 'TenantSubscribedEvent',
    when: 'a tenant subscribed to a service',
  },
  domainMappingAdded: {
    kind: 'notice',
    script: 'DomainMappingAddedEvent',
    when: 'a domain was mapped to a cluster',
  },
  domainMappingRemoved: {
    kind: 'notice',
    script: 'DomainMappingRemovedEvent',
    when: 'a domain is not mapped any more',
  },
  applicationSignUpRemoved: {
    kind: 'notice',
    script: 'ApplicationSignUpRemovedEvent',
    when: 'a tenant left the own application, also when it had no repository',
  },
  artifactDrifted: {
    kind: 'notice',
    script: null,
    when: 'files in place differ from their commit',
  },
} as const satisfies Readonly<
  Record<string, { readonly kind: 'gate' | 'notice'; readonly script: string | null; readonly when: string }>
>;

export type HookName = keyof typeof hooks;
/** A hook the agent waits for: it may hold or veto. */
export type GateName = { [Name in HookName]: (typeof hooks)[Name]['kind'] extends 'gate' ? Name : never }[HookName];
/** A hook that is told after the fact: it cannot change anything. */
export type NoticeName = Exclude<HookName, GateName>;

/** Whether there is a hook of this name. */
export function isHookName(name: string): name is HookName {
  return Object.hasOwn(hooks, name);
}
