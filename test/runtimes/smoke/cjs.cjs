const library = require('tcp-keepalive');
const { smoke } = require('./suite.cjs');

smoke(library, process.argv[2]).catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
