// Copies what @vercel/nft finds that the application needs, as a deployment does.
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { nodeFileTrace } from '@vercel/nft';

const { fileList } = await nodeFileTrace(['entry.mjs', 'entry.cjs']);
for (const file of fileList) cpSync(file, join('traced', file));
