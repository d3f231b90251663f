import { vocabulary } from './vocabulary.ts';

/** A decided event is given this long to show in a complete topology. @see design.md, "Level-triggered repair" */
const showsAfterMs = 60_000;

const again = (event: 'InstanceStartedEvent' | 'InstanceActivatedEvent' | 'InstanceMaintenanceModeEvent') =>
  ({ type: 'decide', params: { event } }) as const;

/**
 * The region that watches whether the platform took what it was told: a broker's acknowledgement is not the controller's,
 * which may have been away. When a complete topology, late enough, shows us behind a decided event, it is decided again.
 */
export const acceptance = vocabulary.createStateConfig({
  initial: 'fresh',
  states: {
    fresh: {
      invoke: { id: 'acceptancePause', src: 'pause', input: { ms: showsAfterMs }, onDone: 'due' },
      on: { 'raised.Decided': { target: 'fresh', reenter: true } },
    },
    due: {
      on: {
        'raised.Decided': 'fresh',
        MemberTold: [
          { guard: 'isMaintenanceUnheard', target: 'fresh', actions: again('InstanceMaintenanceModeEvent') },
          { guard: 'isActivatedUnheard', target: 'fresh', actions: again('InstanceActivatedEvent') },
          // Not active for the platform, so nothing is taken out of service by it.
          {
            guard: 'isAllUnheard',
            target: 'fresh',
            actions: [again('InstanceStartedEvent'), again('InstanceActivatedEvent')],
          },
          { guard: 'isStartedUnheard', target: 'fresh', actions: again('InstanceStartedEvent') },
        ],
      },
    },
  },
});
