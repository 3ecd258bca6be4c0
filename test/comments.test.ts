import { readdirSync, readFileSync } from 'node:fs';
import ts from 'typescript';
import { expect, test } from 'vitest';
import packageJson from '../package.json' with { type: 'json' };
import { optionNames } from '../src/options/options.ts';

// typedoc can require these texts too, but only of every interface alike: also of each member of a driver's
// own objects.

const sources = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .map((file) => `src/${file.replaceAll('\\', '/')}`)
  .filter((file) => file.endsWith('.ts'));

const entries = Object.keys(packageJson.exports)
  .filter((subpath) => !subpath.endsWith('.json'))
  .map((subpath) => ({
    name: `tcp-keepalive${subpath.slice(1)}`,
    file: fileOf(subpath.slice(2) || 'index'),
  }));

function fileOf(name: string): string {
  const files = [
    `src/${name}.ts`,
    `src/${name}/index.ts`,
    `src/drivers/${name}.ts`,
    `src/metrics/${name}.ts`,
  ];
  return files.find((file) => sources.includes(file)) ?? `src has no file for ${name}`;
}

const program = ts.createProgram({
  rootNames: entries.map(({ file }) => file),
  options: {
    module: ts.ModuleKind.NodeNext,
    allowImportingTsExtensions: true,
    noLib: true,
    types: [],
    paths: { '#core': ['./src/core.ts'] },
  },
});
const checker = program.getTypeChecker();

/** Interfaces of these files name members of another package's objects, which that package describes. */
const OTHERS = /src\/(?:drivers|heartbeat\/(?!beat|heartbeat|options))/;

function isSilent(text: ts.SymbolDisplayPart[]): boolean {
  return ts.displayPartsToString(text).trim() === '';
}

function silentParameters(declaration: ts.FunctionDeclaration): string[] {
  return declaration.parameters
    .filter((parameter) => {
      const [tag] = ts.getJSDocParameterTags(parameter);
      return !/\w/.test(ts.getTextOfJSDocComment(tag?.comment) ?? '');
    })
    .map((parameter) => parameter.name.getText());
}

function silentMembers(declaration: ts.InterfaceDeclaration): string[] {
  if (OTHERS.test(declaration.getSourceFile().fileName)) return [];
  const members = declaration.members.flatMap(
    ({ name }) => (name && checker.getSymbolAtLocation(name)) ?? [],
  );
  const silent = members.filter((member) => isSilent(member.getDocumentationComment(checker)));
  // The five options have their texts in one place.
  const isOption = ({ name }: ts.Symbol) => (optionNames as readonly string[]).includes(name);
  const isPlace = declaration.name.text === 'KeepAliveOptions';
  return silent.filter((member) => isPlace || !isOption(member)).map(({ name }) => name);
}

function silentPartsOf(exported: ts.Symbol): string[] {
  const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
  const parts = (symbol.declarations ?? []).flatMap((declaration) => {
    if (ts.isFunctionDeclaration(declaration)) return silentParameters(declaration);
    return ts.isInterfaceDeclaration(declaration) ? silentMembers(declaration) : [];
  });
  const own = isSilent(symbol.getDocumentationComment(checker)) ? [symbol.name] : [];
  return [...own, ...parts.map((part) => `${symbol.name}.${part}`)];
}

test.each(entries)('$name, its exports, their parameters and their members have a text', ({ name, file }) => {
  const source = program.getSourceFile(file);
  const [comment = ''] = /^\/\*\*.*?\*\//s.exec(source?.text ?? '') ?? [];
  expect(comment).toMatch(new RegExp(`^/\\*\\*[\\s*]+[A-Z].*\\.[\\s*]+@module ${name}[\\s*]+/$`, 's'));
  const module = source && checker.getSymbolAtLocation(source);
  const exports = module === undefined ? [] : checker.getExportsOfModule(module);
  if (name !== 'tcp-keepalive/register') expect(exports).not.toEqual([]);
  expect(exports.flatMap(silentPartsOf)).toEqual([]);
});

test('no comment begins with half a sentence, such as "What it is." or "By itself, because ..."', () => {
  const unclear = /(?:\/\*\*\s+(?:\* )?|(?<!\/\/.*\n) *\/\/ )(?:By itself|Told|What|Where)\b.*/g;
  const found = sources.flatMap((file) => readFileSync(file, 'utf8').match(unclear) ?? []);
  expect(found).toEqual([]);
});
