import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { browserTools, startCalculator } from './open-page.ts';

// Pictures of the calculator for somebody to look at: npx tsx test/site/screenshots.ts <folder>

const [folder] = process.argv.slice(2);
const missing = folder === undefined ? 'Expected a folder, got none' : browserTools.missing();
if (folder === undefined || missing !== undefined) throw new Error(missing);

const questions = {
  preset: 'database',
  plan: 'initialDelay=23s&interval=8s&count=3&userTimeout=46.5s&path=azure-lb&within=1m&loss=5%25&format=libpq',
  unbounded: 'initialDelay=60s&interval=10s&count=3&path=aws-alb',
  refused: 'tunnel&count=0',
};

mkdirSync(folder, { recursive: true });
const calculator = await startCalculator();
for (const [name, hash] of Object.entries(questions)) {
  for (const width of [390, 820, 1_280]) {
    for (const colorScheme of ['light', 'dark'] as const) {
      const page = await calculator.open(hash, { viewport: { width, height: 900 }, colorScheme });
      await page.screenshot({
        path: path.join(folder, `${name}-${width}-${colorScheme}.png`),
        fullPage: true,
      });
    }
  }
  for (const offence of await calculator.offences()) console.error(`${name}: ${offence}`);
}
await calculator.close();
