import { execFileSync } from 'node:child_process';
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';

// Run after each change to the IDL: node conf/write-thrift-code.ts [FOLDER]. A test compares the two, where there is a
// compiler of the version that is named in the code: another one may write the same in other words.
const folder = fileURLToPath(new URL('../agent/thrift', import.meta.url));
const out = argv[2] ?? 'generated';
execFileSync('thrift', ['--gen', 'js:node,es6,ts', '-out', out, 'event-transmission.thrift'], { cwd: folder });
