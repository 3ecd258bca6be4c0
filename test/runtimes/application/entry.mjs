import assert from 'node:assert/strict';
import net from 'node:net';
import * as library from 'tcp-keepalive';
import application from './application.cjs';

application.start(library, process.argv[2], { assert, net });
