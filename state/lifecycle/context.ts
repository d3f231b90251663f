import type { MemberStatus } from '../messages/member.ts';
import type { Note, Notes } from './condition.ts';
import type { Deployment, Facts } from './facts.ts';

/** The events this agent publishes about its own instance. @see protocol.md section 4.5 */
export type StatusEvent =
  | 'InstanceStartedEvent'
  | 'InstanceActivatedEvent'
  | 'InstanceMaintenanceModeEvent'
  | 'InstanceReadyToShutdownEvent';

/** The gates the lifecycle waits at. @see plugins.md, "The hooks" */
export type Gate =
  | 'lvsInterface'
  | 'volumeMount'
  | 'instanceStarting'
  | 'startServers'
  | 'artifactUpdating'
  | 'artifactUpdated'
  | 'instanceActivating'
  | 'drain'
  | 'clean';

/** How a gate ended: open, or closed until its cause changes. `degraded`: passed, but somebody should look. */
export type GateOutcome =
  | { readonly kind: 'passed'; readonly degraded?: string }
  | { readonly kind: 'blocked'; readonly reason: string; readonly by?: string };

/** What the machine is told from outside. The raised ones are its own words from one region to the others. */
export type LifecycleEvent =
  /** `complete`: a complete topology says so. */
  | { readonly type: 'MemberTold'; readonly status: MemberStatus | 'Absent'; readonly complete: boolean }
  /** `publicUrl`: where it is, if that may be kept. */
  | { readonly type: 'ArtifactUpdated'; readonly tenantId: string; readonly publicUrl?: string | null }
  /** The platform listed the repository of a tenant: it is where it is, not that something has changed. */
  | { readonly type: 'RepositoryTold'; readonly tenantId: string }
  /** A tenant has left our application. */
  | { readonly type: 'SignUpRemoved'; readonly tenantId: string }
  /** `budgetMs`: leaving may take no longer than this, whatever else is configured; null for no such limit. */
  | { readonly type: 'CleanupRequested'; readonly budgetMs: number | null }
  /** A status event has been acknowledged by the broker; `left`: so many are still to come. */
  | { readonly type: 'StatusOut'; readonly left: number }
  /** An operator has a closed gate asked again, or wants no more of it. */
  | { readonly type: 'GateRetried' | 'GateSkipped'; readonly gate: Gate; readonly reason: string }
  | { readonly type: 'GateHeld'; readonly gate: Gate; readonly reason: string }
  /** One executable of a gate is through, and another one is next. */
  | { readonly type: 'HookPassed'; readonly gate: Gate; readonly executable: string }
  /** Something about the agent itself that people should know, or no longer need to: the disk, the link. */
  | { readonly type: 'Noticed'; readonly about: string; readonly note: Note | null }
  | { readonly type: 'raised.Decided' }
  | { readonly type: 'raised.Activated' }
  | { readonly type: 'raised.Leaving' }
  | { readonly type: 'raised.Departed' }
  | { readonly type: 'raised.DrainOver' }
  | { readonly type: 'raised.HurryOver' }
  | { readonly type: 'raised.ArtifactsSettled' }
  | { readonly type: 'raised.DeploymentFailed' };

/** The facts a life is created from. Durations in milliseconds. */
export type LifecycleInput = {
  readonly hasRepository: boolean;
  readonly gates: { readonly lvsInterface: boolean; readonly volumeMount: boolean };
  readonly activationDeadlineMs: number | null;
  readonly terminationBudgetMs: number;
  readonly cloneRetries: number;
  readonly cloneRetryIntervalMs: number;
  /** How often repositories are looked at; null for never. */
  readonly artifactIntervalMs: number | null;
  readonly multiTenant: boolean;
  /** What an earlier run left of this life. `terminationBudgetMs` is then what is left of it. */
  readonly facts: Facts;
  /** Since InstanceStarted was last decided by an earlier run; null if it was not. */
  readonly startedAgoMs: number | null;
};

/** Small, plain JSON; the facts of it go to the journal. */
export type LifecycleContext = Omit<LifecycleInput, 'facts'> &
  Facts & {
    /** What the platform last said of this member; null until the first complete topology. */
    readonly told: MemberStatus | 'Absent' | null;
    /** Tenants whose repository is to be looked at, in order. */
    readonly wanted: readonly string[];
    /** Tenants that have just been looked at, and are left alone for a moment. */
    readonly rested: readonly string[];
    /** Those whose moment begins when that of `rested` is over. */
    readonly restedNext: readonly string[];
    /** The tenant whose repository is being looked at. */
    readonly deploying: string | null;
    /** Why it is. */
    readonly trigger: Trigger;
    /** What the gate said that did not let the deployment pass. */
    readonly refusal: { readonly reason: string; readonly isVeto: boolean } | null;
    /** Failed attempts by tenant, since the last one that worked. */
    readonly failedDeployments: Readonly<Record<string, number>>;
    /** Until they are tried again. */
    readonly retryPauseMs: number;
    /** Looks by tenant, since its last update did not succeed. */
    readonly vainLooks: Readonly<Record<string, number>>;
    readonly failedPortWaits: number;
    readonly notes: Notes;
  };

/** Why a repository is looked at: the platform said so, or it was time to. */
export type Trigger = 'event' | 'interval';

/** What a gate is asked with. `attempt` counts from 1, also across restarts. */
export type GateInput = {
  readonly gate: Gate;
  readonly attempt: number;
  /** Its executables that are through already. */
  readonly passed: readonly string[];
  /** For the gates of an update. */
  readonly found?: Deployment;
  /** For drain and clean. */
  readonly budgetMs?: number;
};
