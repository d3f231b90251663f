import { vocabulary } from './vocabulary.ts';

/** The region of the statistics: from the moment Activated is decided until ReadyToShutdown. @see protocol.md section 9.3 */
export const health = vocabulary.createStateConfig({
  initial: 'silent',
  states: {
    silent: { on: { 'raised.Activated': 'reporting' } },
    reporting: {
      invoke: { id: 'publishStatistics', src: 'publishStatistics' },
      on: { 'raised.Departed': 'silent' },
    },
  },
});
