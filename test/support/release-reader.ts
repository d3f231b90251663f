import { readFileSync, writeSync } from 'node:fs';
import { chdir, cwd } from 'node:process';

/**
 * A process that reads what is served, as a web server does, until its input ends: `release-reader.ts PATH`. Each time it
 * enters the folder and reads two files of it, which are equal in each commit. It says `ready`, then what was wrong
 * (`outrun`: the folder was removed while it was in there), and at last how often it has read.
 */
const [path = ''] = process.argv.slice(2);
let stopped = false;
let reads = 0;
process.stdin.on('end', () => {
  stopped = true;
});
process.stdin.resume();
say('ready');
while (!stopped) {
  // Let the end of the input be heard, now and then.
  if (reads % 200 === 0) await new Promise((resolve) => setImmediate(resolve));
  reads += 1;
  try {
    if (readFileSync(`${path}/a.txt`, 'utf8') === '') say('empty');
    chdir(path);
  } catch (error) {
    say(`missing ${error}`);
    continue;
  }
  try {
    const [a, b] = [readFileSync('a.txt', 'utf8'), readFileSync('lib/b.txt', 'utf8')];
    if (a !== b || a === '') say(`mixed ${a} ${b}`);
  } catch (error) {
    say(isRemoved() ? 'outrun' : `missing ${error}`);
  }
}
say(`read ${reads}`);

/** Whether what we entered has been removed since: we were asleep, and other releases came and went. */
function isRemoved(): boolean {
  try {
    return cwd().includes('removed-');
  } catch {
    return true;
  }
}

function say(text: string): void {
  writeSync(1, `${text}\n`);
}
