import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { type Claim, claimStateDir, StateDirTakenError } from '../../agent/lock.ts';
import { createLog } from '../../agent/log.ts';

/**
 * A process that claims a folder when told to, a command a line: `claim STATE_DIR`, `release`. It says `ready`, `won`, `lost`
 * with what it was told, `degraded`, `released`. At the end of its input it ends, and holds what it holds until then.
 */
const identity = { memberId: `member-of-${process.argv[2]}`, runId: 'run', pid: process.pid };
const log = createLog({ level: 'silent', pretty: false, colour: false });
const held: Claim[] = [];

say('ready');
for await (const line of createInterface({ input: process.stdin })) {
  const [command, stateDir = ''] = line.split(' ');
  if (command === 'claim') say(await tryToClaim(stateDir));
  if (command !== 'release') continue;
  await held.pop()?.release();
  say('released');
}
process.exit();

async function tryToClaim(stateDir: string): Promise<string> {
  try {
    const claim = await claimStateDir(stateDir, { identity, log });
    held.push(claim);
    return claim.server === null ? 'degraded' : 'won';
  } catch (thrown) {
    if (!(thrown instanceof StateDirTakenError)) throw thrown;
    return `lost ${thrown.message}`;
  }
}

function say(text: string): void {
  writeSync(1, `${text}\n`);
}
