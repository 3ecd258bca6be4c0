import { isBuiltin } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** What a new project of `tsc --init` has; `paths` lead to this package's sources. */
const options: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2022,
  lib: ['lib.es2023.d.ts'],
  types: ['node'],
  module: ts.ModuleKind.NodeNext,
  moduleDetection: ts.ModuleDetectionKind.Force,
  strict: true,
  exactOptionalPropertyTypes: true,
  verbatimModuleSyntax: true,
  skipLibCheck: true,
  experimentalDecorators: true,
  emitDecoratorMetadata: true,
  allowJs: true,
  checkJs: true,
  noEmit: true,
  allowImportingTsExtensions: true,
  paths: pathsOfSources(),
};

/** A module that is in no file. */
export interface Module {
  /** Where it seems to be, from which its packages are found. */
  readonly path: string;
  readonly text: string;
}

/** Compiles modules, each alone, in one program. Returns a function that returns the mistakes in one of them. */
export function typeCheck(modules: readonly Module[]): (path: string) => string[] {
  const texts = new Map(modules.map(({ path, text }) => [path, text]));
  const host = ts.createCompilerHost(options);
  const onDisk = { ...host };
  host.fileExists = (path) => texts.has(path) || onDisk.fileExists(path);
  host.readFile = (path) => texts.get(path) ?? onDisk.readFile(path);
  host.getSourceFile = (path, languageVersion, ...rest) => {
    const text = texts.get(path);
    if (text === undefined) return onDisk.getSourceFile(path, languageVersion, ...rest);
    return ts.createSourceFile(path, text, languageVersion);
  };
  const program = ts.createProgram([...texts.keys()], options, host);
  return (path) => {
    const file = program.getSourceFile(path);
    return [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)].map(show);
  };
}

/** The packages that a module imports, without Node's own and this one. */
export function packagesOf(text: string): string[] {
  const specifiers = ts.preProcessFile(text).importedFiles.map(({ fileName }) => fileName);
  const names = specifiers
    .filter((specifier) => !isBuiltin(specifier) && !/^\.|^tcp-keepalive(\/|$)/.test(specifier))
    .map((specifier) => /^(?:@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? specifier);
  return [...new Set(names)];
}

function pathsOfSources(): ts.MapLike<string[]> {
  const file = join(root, 'tsconfig.json');
  const paths: ts.MapLike<string[]> = ts.readConfigFile(file, ts.sys.readFile).config.compilerOptions.paths;
  return Object.fromEntries(
    Object.entries(paths).map(([name, places]) => [name, places.map((place) => join(dirname(file), place))]),
  );
}

function show({ file, start = 0, messageText }: ts.Diagnostic): string {
  const line = file === undefined ? 0 : file.getLineAndCharacterOfPosition(start).line + 1;
  return `line ${line} of the block: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
}
