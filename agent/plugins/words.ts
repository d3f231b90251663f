import type { Log } from '../log.ts';
import { createAllowance } from './allowance.ts';
import type { Word } from './messages.ts';

/** To the broker, at QoS 0, not retained; what cannot be sent now is dropped. Never throws. */
export type PublishText = (topic: string, payload: string) => void;

const textLimit = 1_000;
const bytesPerSecond = 1_000_000;
const warningsPerSecond = 1 / 60;

/**
 * Takes what one plugin says between its calls.
 *
 * @param options - `onReport`: told when what is wrong with it changes; null: nothing any more; `clean`: takes the secrets
 * out of a text
 */
export function createWords(options: {
  readonly publish: PublishText;
  readonly onReport: (problem: string | null) => void;
  readonly clean: (text: string) => string;
  readonly log: Log;
}): (word: Word) => void {
  const bytes = createAllowance(bytesPerSecond, bytesPerSecond);
  const warnings = createAllowance(1, warningsPerSecond);
  let reported: string | null = null;

  return (word) => {
    if (word.type === 'report') report(word.problem);
    else send(word.topic, word.payload);
  };

  function report(problem: string | null): void {
    const said = problem === null ? null : options.clean(problem.slice(0, textLimit));
    if (said === reported) return;
    reported = said;
    options.onReport(said);
  }

  function send(topic: string, payload: string): void {
    if (bytes.take(Buffer.byteLength(payload)) !== null) options.publish(topic, options.clean(payload));
    else if (warnings.take() !== null) {
      options.log.warn(
        { event: 'plugin.textDropped', topic, bytesPerSecond },
        'plugin publishes too much, some is dropped',
      );
    }
  }
}
