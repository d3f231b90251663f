import { writeSync } from 'node:fs';
import { createFaults } from '../../agent/faults.ts';
import { openJournal } from '../../agent/journal/journal.ts';
import { createLog } from '../../agent/log.ts';
import { input, receipt } from './journal-entries.ts';

/**
 * A process that keeps a journal, to be killed: `journal-writer.ts STATE_DIR COUNT [LENGTH]`. It goes on counting in the
 * facts from where the last one ended, and says each number when its line is on disk. Every fifth line decides an event,
 * and the next is its receipt, so that there is something to lose. `LENGTH`: of the inputs, for a journal that grows fast.
 */
const [stateDir = '', count = '0', length = '0'] = process.argv.slice(2);
const type = 'counted'.padEnd(Number(length), '.');
const { journal, recovery } = openJournal({
  stateDir,
  memberId: 'php-1.php.domain',
  log: createLog({ level: 'silent', pretty: false, colour: false }),
  faults: createFaults(process.env),
});
journal.onFailure((failed) => say(failed ? 'failed' : 'works'));
if (journal.failed) say('failed');

for (const event of recovery.undelivered) journal.append(receipt(event));
const from = recovery.facts?.attempts['count'] ?? 0;
for (let number = from + 1; number <= from + Number(count); number += 1) {
  const decided = number % 5 === 0 ? ['InstanceActivatedEvent'] : [];
  journal.append(input(type, { started: true, attempts: { count: number } }, decided));
  say(`${number}`);
  if (decided.length > 0) {
    journal.append(receipt('InstanceActivatedEvent'));
    say(`receipt ${number}`);
  }
}
say('done');

/** Synchronously: what was said before the end is heard after it. */
function say(text: string): void {
  writeSync(1, `${text}\n`);
}
