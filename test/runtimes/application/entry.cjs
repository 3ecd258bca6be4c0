const assert = require('node:assert/strict');
const net = require('node:net');

require('./application.cjs').start(require('tcp-keepalive'), process.argv[2], { assert, net });
