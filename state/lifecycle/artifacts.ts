import { AgentError, reasonOf } from '../errors.ts';
import { withNote, withoutNote } from './condition.ts';
import type { Deployment } from './facts.ts';
import { gateStates } from './gates.ts';
import { backOffMs, type LifecycleContext, vocabulary } from './vocabulary.ts';

/** A repository whose gate stayed closed is looked at anew: the event may have brought what opens it. */
const lookAgain = { target: '#artifacts.idle', actions: 'lookAgain' } as const;

/**
 * The region that puts artifacts in place, one tenant after the other, once the start hooks are through.
 * A tenant whose repository cannot be had holds up no other.
 */
export const artifacts = vocabulary.createStateConfig({
  id: 'artifacts',
  initial: 'idle',
  on: {
    ArtifactUpdated: {
      actions: {
        type: 'remember',
        params: ({ context, event }) => ({ wanted: withTenant(context.wanted, event.tenantId) }),
      },
    },
    'raised.Leaving': '.stopped',
  },
  states: {
    idle: {
      always: [
        // An earlier run was interrupted here: on with it, before anything new.
        { guard: 'wasPlaced', target: 'deploying.updated' },
        { guard: 'wasAllowed', target: 'deploying.placing' },
        { guard: 'wasFound', target: 'deploying.updating' },
        { guard: 'isWanted', target: 'deploying' },
      ],
    },
    deploying: {
      initial: 'fetching',
      states: {
        fetching: {
          entry: {
            type: 'remember',
            params: ({ context }) => ({ wanted: context.wanted.slice(1), deploying: context.wanted[0] ?? null }),
          },
          invoke: {
            id: 'fetchArtifact',
            src: 'fetchArtifact',
            input: ({ context }) => ({ tenantId: context.deploying ?? '' }),
            onDone: [
              {
                // What was fetched is gone, or could not be placed; the hooks have said what they think of it.
                guard: { type: 'isAllowed', params: ({ event }) => ({ found: event.output }) },
                target: 'placing',
                actions: {
                  type: 'remember',
                  params: ({ event }) => ({
                    unsettled: { found: event.output, isAllowed: true, isPlaced: false },
                  }),
                },
              },
              {
                guard: { type: 'isNews', params: ({ event }) => ({ found: event.output }) },
                target: 'updating',
                actions: {
                  type: 'remember',
                  params: ({ context, event }) => ({
                    unsettled: { found: event.output, isAllowed: false, isPlaced: false },
                    // All of them are asked about what is new.
                    passedHooks: context.passedHooks.filter((hook) => !hook.startsWith('artifact')),
                  }),
                },
              },
              { target: '#artifacts.settled' },
            ],
            onError: {
              target: '#artifacts.failed',
              actions: { type: 'remember', params: ({ context, event }) => failed(context, event.error) },
            },
          },
        },
        updating: gateStates(
          'artifactUpdating',
          { target: '#artifacts.deploying.placing', actions: ['allow'] },
          lookAgain,
        ),
        placing: {
          invoke: {
            id: 'placeArtifact',
            src: 'placeArtifact',
            input: ({ context }) => ({ found: foundIn(context) }),
            onDone: {
              target: 'updated',
              actions: {
                type: 'remember',
                params: ({ context }) => ({
                  unsettled: { found: foundIn(context), isAllowed: true, isPlaced: true },
                }),
              },
            },
            onError: {
              target: '#artifacts.failed',
              actions: { type: 'remember', params: ({ context, event }) => failed(context, event.error) },
            },
          },
        },
        updated: gateStates('artifactUpdated', { target: '#artifacts.settled' }, lookAgain),
      },
    },
    settled: {
      entry: [{ type: 'remember', params: ({ context }) => settled(context) }, 'raiseArtifactsSettled'],
      always: 'idle',
    },
    failed: {
      entry: { type: 'remember', params: { deploying: null } },
      always: { guard: 'isWanted', target: 'deploying' },
      invoke: {
        id: 'artifactPause',
        src: 'pause',
        input: ({ context }) => ({ ms: retryPauseMs(context) }),
        onDone: {
          target: 'deploying',
          actions: { type: 'remember', params: ({ context }) => ({ wanted: Object.keys(context.failedDeployments) }) },
        },
      },
    },
    stopped: { on: { ArtifactUpdated: {} } },
  },
});

function withTenant(tenants: readonly string[], tenantId: string): readonly string[] {
  return tenants.includes(tenantId) ? tenants : [...tenants, tenantId];
}

/** Between the fetch and the end of the hook there is always one. */
function foundIn({ unsettled }: LifecycleContext): Deployment {
  if (unsettled === null) throw new Error('nothing was fetched');
  return unsettled.found;
}

function tenantOf({ deploying, unsettled }: LifecycleContext): string {
  return deploying ?? unsettled?.found.tenantId ?? '';
}

function settled(context: LifecycleContext): Partial<LifecycleContext> {
  const tenantId = tenantOf(context);
  const { [tenantId]: _settled, ...failedDeployments } = context.failedDeployments;
  return {
    deploying: null,
    unsettled: null,
    deployed: withTenant(context.deployed, tenantId),
    failedDeployments,
    notes: withoutNote(context.notes, `artifacts of tenant ${tenantId}`),
  };
}

function failed(context: LifecycleContext, error: unknown): Partial<LifecycleContext> {
  const tenantId = tenantOf(context);
  const failures = (context.failedDeployments[tenantId] ?? 0) + 1;
  const serving = context.activated || context.deployed.length > 0;
  const mayPass = failures <= context.cloneRetries && !(error instanceof AgentError && error.lasting);
  const condition = serving ? 'degraded' : mayPass ? 'waiting' : 'blocked';
  return {
    failedDeployments: { ...context.failedDeployments, [tenantId]: failures },
    notes: withNote(context.notes, { about: `artifacts of tenant ${tenantId}`, condition, text: reasonOf(error) }),
  };
}

/** The configured pause for the configured number of retries, then growing up to a minute. */
function retryPauseMs(context: LifecycleContext): number {
  const failures = Math.min(...Object.values(context.failedDeployments));
  return backOffMs(Math.max(1, failures - context.cloneRetries + 1), context.cloneRetryIntervalMs);
}
