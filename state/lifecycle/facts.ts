import { z } from 'zod';

const names = z.array(z.string()).readonly().catch([]);
const flag = z.boolean().catch(false);
const reason = z.string().nullable().catch(null);

/** What a look at a repository found: `commit` is what will be in place. */
export const Deployment = z.object({
  tenantId: z.string(),
  commit: z.string(),
  changed: z.boolean(),
  path: z.string(),
  /** Without user info. */
  repoUrl: z.string(),
  oldCommit: z.string().nullable(),
  /** It was put in place before and had to go: never again by itself. */
  rejected: z.boolean().catch(false),
  /** What people should know all the same. */
  warning: reason.default(null),
  /** Each commit has a folder of its own: once in place it must prove itself, and there may be a way back. */
  isRelease: z.boolean().catch(false),
});
export type Deployment = z.infer<typeof Deployment>;

/**
 * What of a life survives the process: enough for a machine created afresh to route itself to where the last one was.
 * Small plain JSON, in every input line of the journal. Read tolerantly: an older journal lacks what came later.
 *
 * @see design.md, "What survives a crash: the journal"
 */
export const Facts = z.object({
  /** InstanceStarted is decided. */
  started: flag,
  /** InstanceActivated is decided. */
  activated: flag,
  /** The hooks have been told of it. */
  activationNotified: flag,
  /** A cleanup came; InstanceMaintenanceMode is decided. */
  leaving: flag,
  /** What SIGTERM has left for it; null: nobody was in a hurry. */
  hurryBudgetMs: z.number().nullable().catch(null),
  /** InstanceReadyToShutdown is decided, or the instance was given up. */
  departed: flag,
  gaveUp: flag,
  /** A start hook has begun: there is something to clean. */
  startedAnything: flag,
  /** Gates of the start, and of the leaving, that are through: never run again. */
  passedGates: names,
  /** How often a gate that is not through has been begun. */
  attempts: z.record(z.string(), z.number()).catch({}),
  /** Of those gates: the executables that are through already, as `<gate> <executable>`. */
  passedHooks: names,
  /** Tenants that an event has named, whose repository has not been looked at since. */
  asked: names,
  /** Where the repositories of those are, as far as that is public: an agent that was killed need not be told again. */
  askedAt: z.record(z.string(), z.string()).catch({}),
  /** Tenants whose artifacts are in place, hook included. */
  deployed: names,
  /**
   * Tenants whose last artifactUpdating or artifactUpdated did not succeed. `isVeto`: asking again by ourselves is no use;
   * `reason`: for people.
   */
  unsuccessful: z
    .record(
      z.string(),
      z.object({
        commit: z.string(),
        isVeto: flag,
        gate: z.enum(['artifactUpdating', 'artifactUpdated']).catch('artifactUpdated'),
        reason: z.string().catch(''),
      }),
    )
    .catch({}),
  /** Tenants that have left the application, and whose content is to go. */
  removals: names,
  /** Tenants that have left, and whose content stays: in a single-tenant service it is what is served. */
  left: names,
  /**
   * The deployment that was asked about, and once it was allowed placed, and then told of. `refused`: why it is to be taken
   * back; `returned`: why the one before it had to go, when it is a return to an earlier commit.
   */
  unsettled: z
    .object({ found: Deployment, isAllowed: flag, isPlaced: z.boolean(), refused: reason, returned: reason })
    .nullable()
    .catch(null),
  /** The commit that artifactUpdating has allowed, and that could not be placed yet, perhaps for want of credentials. */
  allowed: z.object({ tenantId: z.string(), commit: z.string() }).nullable().catch(null),
});
export type Facts = z.infer<typeof Facts>;

/** A life of which nothing is known. */
export const noFacts: Facts = Facts.parse({});

/** The facts of a context, and nothing else of it. */
export function factsOf(context: Facts): Facts {
  return Facts.parse(context);
}
