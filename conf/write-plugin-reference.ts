import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { withReference } from './plugin-reference.ts';

// Run after each change to a hook or its input: node conf/write-plugin-reference.ts. A test compares the two.
const file = new URL('../plugins/README.md', import.meta.url);
writeFileSync(file, withReference(existsSync(file) ? readFileSync(file, 'utf8') : '# Plugins\n'));
