#!/usr/bin/env node
import { run } from './dispatch.ts';
import { terminal } from './terminal.ts';

run(process.argv.slice(2), terminal()).then((code) => {
  process.exitCode = code;
});
