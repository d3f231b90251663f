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
  on: {
    'raised.Decided': '.speaking',
    StatusOut: [{ guard: 'isAllOut', target: '.fresh' }, { target: '.speaking' }],
  },
  states: {
    /** Not all is out: what the platform shows was before that, and Started said twice may come after Activated. */
    speaking: {},
    fresh: { invoke: { id: 'acceptancePause', src: 'pause', input: { ms: showsAfterMs }, onDone: 'due' } },
    due: {
      on: {
        MemberTold: [
          { guard: 'isMaintenanceUnheard', target: 'speaking', actions: again('InstanceMaintenanceModeEvent') },
          { guard: 'isActivatedUnheard', target: 'speaking', actions: again('InstanceActivatedEvent') },
          // Not active for the platform, so nothing is taken out of service by it.
          {
            guard: 'isAllUnheard',
            target: 'speaking',
            actions: [again('InstanceStartedEvent'), again('InstanceActivatedEvent')],
          },
          { guard: 'isStartedUnheard', target: 'speaking', actions: again('InstanceStartedEvent') },
        ],
      },
    },
  },
});
