import { reasonOf } from '../errors.ts';
import { withNote, withoutNote } from './condition.ts';
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
    idle: { always: { guard: 'isWanted', target: 'deploying' } },
    deploying: {
      entry: {
        type: 'remember',
        params: ({ context }) => ({
          wanted: context.wanted.slice(1),
          deploying: { tenantId: context.wanted[0] ?? '', found: null },
        }),
      },
      initial: 'fetching',
      states: {
        fetching: {
          invoke: {
            id: 'fetchArtifact',
            src: 'fetchArtifact',
            input: ({ context }) => ({ tenantId: context.deploying?.tenantId ?? '' }),
            onDone: [
              {
                guard: { type: 'isNews', params: ({ event }) => ({ found: event.output }) },
                target: 'updating',
                actions: {
                  type: 'remember',
                  params: ({ event }) => ({ deploying: { tenantId: event.output.tenantId, found: event.output } }),
                },
              },
              { target: '#artifacts.settled' },
            ],
            onError: {
              target: '#artifacts.failed',
              actions: { type: 'remember', params: ({ context, event }) => failed(context, reasonOf(event.error)) },
            },
          },
        },
        updating: gateStates('artifactUpdating', { target: '#artifacts.deploying.placing' }, lookAgain),
        placing: {
          invoke: {
            id: 'placeArtifact',
            src: 'placeArtifact',
            input: ({ context }) => ({ tenantId: context.deploying?.tenantId ?? '' }),
            onDone: 'updated',
            onError: {
              target: '#artifacts.failed',
              actions: { type: 'remember', params: ({ context, event }) => failed(context, reasonOf(event.error)) },
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

function settled(context: LifecycleContext): Partial<LifecycleContext> {
  const tenantId = context.deploying?.tenantId ?? '';
  const { [tenantId]: _settled, ...failedDeployments } = context.failedDeployments;
  return {
    deploying: null,
    deployed: withTenant(context.deployed, tenantId),
    failedDeployments,
    notes: withoutNote(context.notes, `artifacts of tenant ${tenantId}`),
  };
}

function failed(context: LifecycleContext, reason: string): Partial<LifecycleContext> {
  const tenantId = context.deploying?.tenantId ?? '';
  const failures = (context.failedDeployments[tenantId] ?? 0) + 1;
  const serving = context.activated || context.deployed.length > 0;
  const condition = serving ? 'degraded' : failures <= context.cloneRetries ? 'waiting' : 'blocked';
  return {
    failedDeployments: { ...context.failedDeployments, [tenantId]: failures },
    notes: withNote(context.notes, { about: `artifacts of tenant ${tenantId}`, condition, text: reason }),
  };
}

/** The configured pause for the configured number of retries, then growing up to a minute. */
function retryPauseMs(context: LifecycleContext): number {
  const failures = Math.min(...Object.values(context.failedDeployments));
  return backOffMs(Math.max(1, failures - context.cloneRetries + 1), context.cloneRetryIntervalMs);
}
