// What `--require` loads: the same as register.ts, which cannot wait for an import in CommonJS.
import asked = require('./rules/asked.ts');

if (asked.isAsked(process.env)) (require('#core') as typeof import('./core.ts')).startRules();
