import * as library from 'tcp-keepalive';
import suite from './suite.cjs';

await suite.smoke(library, process.argv[2]);
