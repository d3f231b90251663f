import { writeFileSync } from 'node:fs';
import { confFileText } from '../state/config/conf-file.ts';

// Run after each change to the keys: node conf/write-agent-conf.ts. A test compares the two.
writeFileSync(new URL('agent.conf', import.meta.url), confFileText());
