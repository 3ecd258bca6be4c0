/**
 * Installs the rules of the environment, if there are any: `node --require tcp-keepalive/register`.
 * @module tcp-keepalive/register
 */
import { isAsked } from './rules/asked.ts';

if (isAsked(process.env)) (await import('#core')).startRules();
