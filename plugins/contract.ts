import type { Secret } from '../state/secret.ts';

/**
 * Every hook there is, in the order of an instance's life. A *gate* is waited for and may hold or veto; a *notice* is told
 * after the fact. `script` is the name Stratos knows the moment by: `<script>.sh` in `extensions.dir` is run for it.
 * A new hook starts here. @see plugins.md, "The hooks"; protocol.md section 7.1
 */
export const hooks = {
  lvsInterface: { kind: 'gate', script: 'CreateLVSDummyInterface' },
  volumeMount: { kind: 'gate', script: 'VolumeMount' },
  instanceStarting: { kind: 'gate', script: 'InstanceStartedEvent' },
  startServers: { kind: 'gate', script: 'StartServers' },
  artifactUpdating: { kind: 'gate', script: null },
  artifactUpdated: { kind: 'gate', script: 'ArtifactUpdatedEvent' },
  instanceActivating: { kind: 'gate', script: null },
  instanceActivated: { kind: 'notice', script: 'InstanceActivatedEvent' },
  drain: { kind: 'gate', script: null },
  clean: { kind: 'gate', script: 'clean' },
  completeTopology: { kind: 'notice', script: 'CompleteTopologyEvent' },
  completeTenant: { kind: 'notice', script: 'CompleteTenantEvent' },
  memberInitialized: { kind: 'notice', script: 'MemberInitializedEvent' },
  memberStarted: { kind: 'notice', script: 'MemberStartedEvent' },
  memberActivated: { kind: 'notice', script: 'MemberActivatedEvent' },
  memberMaintenance: { kind: 'notice', script: null },
  memberSuspended: { kind: 'notice', script: 'MemberSuspendedEvent' },
  memberTerminated: { kind: 'notice', script: 'MemberTerminatedEvent' },
  tenantSubscribed: { kind: 'notice', script: 'TenantSubscribedEvent' },
  domainMappingAdded: { kind: 'notice', script: 'DomainMappingAddedEvent' },
  domainMappingRemoved: { kind: 'notice', script: 'DomainMappingRemovedEvent' },
  applicationSignUpRemoved: { kind: 'notice', script: 'ApplicationSignUpRemovedEvent' },
  artifactDrifted: { kind: 'notice', script: null },
} as const satisfies Readonly<Record<string, { readonly kind: 'gate' | 'notice'; readonly script: string | null }>>;

export type HookName = keyof typeof hooks;
export type GateName = { [Name in HookName]: (typeof hooks)[Name]['kind'] extends 'gate' ? Name : never }[HookName];
export type NoticeName = Exclude<HookName, GateName>;

/** Who we are; given to every hook as `instance`, beside its input. Null: the platform did not say. */
export type HookInstance = {
  readonly applicationId: string;
  readonly serviceName: string;
  readonly clusterId: string;
  readonly memberId: string;
  readonly clusterInstanceId: string | null;
  readonly networkPartitionId: string | null;
  readonly partitionId: string | null;
  /** The tenant the application was deployed by; -1234 is the super tenant. */
  readonly tenantId: number | null;
};

/** What each hook is told, besides `instance`. */
export interface HookInputs {
  /** `address|netmask`, as LVS_VIRTUAL_IP has it. */
  lvsInterface: { readonly virtualIp: string };
  /** As PERSISTENCE_MAPPING has it: device, volume id and mount point, again and again, all separated by `|`. */
  volumeMount: { readonly persistenceMapping: string };
  instanceStarting: Nothing;
  startServers: Nothing;
  artifactUpdating: ArtifactUpdate;
  artifactUpdated: ArtifactUpdate;
  instanceActivating: Nothing;
  instanceActivated: Nothing;
  drain: Nothing;
  clean: Nothing;
  /** The topology, and the members of the own cluster by id, as received. */
  completeTopology: { readonly topology: RawJson; readonly members: RawJson };
  /** The list of tenants, as received. */
  completeTenant: { readonly tenants: RawJson };
  memberInitialized: MemberNotice;
  memberStarted: MemberNotice;
  memberActivated: MemberNotice;
  memberMaintenance: MemberNotice;
  memberSuspended: MemberNotice;
  memberTerminated: MemberNotice;
  tenantSubscribed: { readonly tenantId: number; readonly serviceName: string; readonly clusterIds: readonly string[] };
  domainMappingAdded: DomainMapping & { readonly contextPath: string | null };
  domainMappingRemoved: DomainMapping;
  applicationSignUpRemoved: { readonly applicationId: string; readonly tenantId: number };
  artifactDrifted: { readonly tenantId: string; readonly path: string; readonly changedPaths: readonly string[] };
}

/** One JSON document that nobody reads on the way, as text or UTF-8: a topology may have tens of megabytes. */
export type RawJson = string | Uint8Array;

type Nothing = Readonly<Record<never, never>>;

type ArtifactUpdate = {
  readonly tenantId: string;
  /** Where the files are. */
  readonly path: string;
  /** Without user info. */
  readonly repoUrl: string;
  /** Null before the first checkout. */
  readonly oldCommit: string | null;
  readonly newCommit: string;
  /** Branch, tag or commit, as configured; null: the default branch of the repository. */
  readonly branch: string | null;
  /** Of `newCommit`: RFC 3339 in UTC, and one line. Null when not known any more, after a restart. */
  readonly authorDate: string | null;
  readonly subject: string | null;
  /** SHA-256 over mode, path and content of the files of `newCommit`. */
  readonly fingerprint: string | null;
  /** Who has signed it, if that was asked for. */
  readonly signedBy: string | null;
  /** Relative to `path`. */
  readonly changedPaths: readonly string[];
  /** The event that asked for it; null if our own look at the repository found the commit. */
  readonly event: {
    readonly clusterId: string;
    readonly repoUserName?: string | undefined;
    /** Still encrypted, as received. */
    readonly repoPassword?: Secret | undefined;
    readonly status?: string | undefined;
  } | null;
};

type MemberNotice = {
  readonly memberId: string;
  readonly clusterId: string;
  /** The platform's word for it: `Active`, `In_Maintenance`. */
  readonly status: string;
  /** The member as the topology has it. */
  readonly member: object;
};

type DomainMapping = {
  readonly applicationId: string;
  readonly serviceName: string;
  readonly clusterId: string;
  readonly domainName: string;
  readonly tenantId: number;
  /** Null while we do not know that tenant. */
  readonly tenantDomain: string | null;
};
