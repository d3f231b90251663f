import { readFileSync, writeFileSync } from 'node:fs';
import { withDiagram } from './lifecycle-diagram.ts';

// Run after each change to the machine: node conf/write-architecture.ts. A test compares the two.
const file = new URL('../ARCHITECTURE.md', import.meta.url);
writeFileSync(file, withDiagram(readFileSync(file, 'utf8')));
