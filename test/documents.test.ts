import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { withDiagram } from '../conf/lifecycle-diagram.ts';

test('ARCHITECTURE.md draws the machine as it is', () => {
  const document = readFileSync(new URL('../ARCHITECTURE.md', import.meta.url), 'utf8');

  // If this fails: node conf/write-architecture.ts
  expect(withDiagram(document)).toBe(document);
  expect(document).toContain('stateDiagram-v2');
});
