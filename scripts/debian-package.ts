// Unpacks programs from Debian packages into a cache folder. It installs nothing and needs no rights.
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** The folder for programs that tests need and the machine lacks. */
export function cacheFolder(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'fastify-ioredis-session')
}

/** The program of a package that was unpacked into this folder; `undefined` if there is none. */
export function unpackedProgram(folder: string, pack: string): string | undefined {
  const program = join(cacheFolder(), folder, pack)
  return existsSync(program) ? program : undefined
}

/**
 * Provides the program with the name of this package and the libraries of its suite, and downloads both if necessary.
 * @param folder The folder in the cache.
 * @param suite A suite of Debian; by default the suite of this machine.
 * @param modules Packages that the program loads by itself.
 * @throws If this machine has no apt, or if apt finds no such package or no network.
 */
export function unpackDebianPackage(
  folder: string,
  pack: string,
  suite?: string,
  modules: readonly string[] = []
): string {
  return unpack(folder, pack, { suite, modules, isSelfContained: true }, (root, libraries) => {
    const loader = libraries
      .flatMap((lib) => readdirSync(lib).map((file) => join(lib, file)))
      .find((file) => /\/ld-linux[^/]*\.so\.\d+$/.test(file))
    if (loader === undefined) throw new Error(`the packages of ${pack} contain no program loader`)
    return [loader, '--library-path', libraries.join(':'), join(root, 'usr/bin', pack)]
  })
}

/**
 * Provides a program that starts itself again by its path, as browsers do, and thus needs the loader of this machine.
 * Only the libraries and fonts that this machine lacks come with it.
 * @param path The path of the program in its package.
 */
export function unpackDebianApplication(folder: string, pack: string, path: string): string {
  return unpack(
    folder,
    pack,
    { suite: undefined, modules: [], isSelfContained: false },
    (root, libraries) => {
      const program = join(root, path)
      if (!existsSync(program)) throw new Error(`the package ${pack} of this machine's apt has no /${path}`)
      const fonts = existsSync(join(root, 'etc/fonts')) ? [`FONTCONFIG_SYSROOT=${root}`] : []
      // Other libraries look for these by an absolute path.
      const inner = libraries.flatMap((lib) => subfolders(lib, /^pulseaudio$/))
      return ['env', `LD_LIBRARY_PATH=${[...libraries, ...inner].join(':')}`, ...fonts, program]
    }
  )
}

interface Source {
  suite: string | undefined
  modules: readonly string[]
  /** Whether to bring every library, including those that are installed here. */
  isSelfContained: boolean
}

function unpack(
  folder: string,
  pack: string,
  source: Source,
  commandOf: (root: string, libraries: string[]) => string[]
): string {
  const found = unpackedProgram(folder, pack)
  if (found !== undefined) return found
  const path = join(cacheFolder(), folder)
  rmSync(path, { recursive: true, force: true })
  const root = join(path, 'root')
  downloadWithDependencies(path, root, pack, source)
  const libraries = ['lib', 'usr/lib'].flatMap((lib) => subfolders(join(root, lib), /-linux-gnu/))
  const command = commandOf(root, libraries)
  // Written last, so that an incomplete folder never counts as unpacked.
  const program = join(path, pack)
  writeFileSync(program, `#!/bin/sh\nexec ${command.map((word) => `'${word}'`).join(' ')} "$@"\n`)
  chmodSync(program, 0o755)
  return program
}

// Runs apt with its own state folder. To bring every library, apt must believe that nothing is installed.
function downloadWithDependencies(
  folder: string,
  root: string,
  pack: string,
  { suite, modules, isSelfContained }: Source
): void {
  for (const name of ['state/lists/partial', 'cache/archives/partial', 'parts', 'root']) {
    mkdirSync(join(folder, name), { recursive: true })
  }
  const settings: Record<string, string> = {
    'Dir::State': join(folder, 'state'),
    'Dir::Cache': join(folder, 'cache'),
    // Leaves out hooks of the system, which may change the system.
    'Dir::Etc::main': join(folder, 'none'),
    'Dir::Etc::parts': join(folder, 'parts'),
    'Debug::NoLocking': '1',
    'APT::Sandbox::User': 'root',
    'APT::Install-Recommends': '0'
  }
  if (isSelfContained) {
    writeFileSync(join(folder, 'status'), '')
    settings['Dir::State::status'] = join(folder, 'status')
  }
  if (suite !== undefined) {
    writeFileSync(join(folder, 'sources.list'), sourcesOf(suite))
    settings['Dir::Etc::sourcelist'] = join(folder, 'sources.list')
    settings['Dir::Etc::sourceparts'] = join(folder, 'parts')
  }
  const config = Object.entries(settings).map(([name, value]) => `${name} "${value}";\n`)
  // The machine's way to its sources, for example through a proxy.
  const ways = run('apt-config', ['dump']).match(/^Acquire::.*\n/gm) ?? []
  writeFileSync(join(folder, 'apt.conf'), [...config, ...ways].join(''), { mode: 0o600 })
  const apt = (...args: string[]) =>
    run('apt-get', ['-q', ...args], { ...process.env, APT_CONFIG: join(folder, 'apt.conf') })
  apt('update')
  try {
    apt('install', '-y', '--download-only', ...(suite === undefined ? [] : ['-t', suite]), pack, ...modules)
  } catch (error) {
    // If a source is unreachable, that is a better reason than an unknown package. It does not matter before.
    apt('update', '-o', 'APT::Update::Error-Mode=any')
    throw error
  }
  const archives = join(folder, 'cache/archives')
  for (const file of readdirSync(archives).filter((name) => name.endsWith('.deb'))) {
    run('dpkg-deb', ['-x', join(archives, file), root])
  }
  for (const name of ['cache', 'state']) rmSync(join(folder, name), { recursive: true })
}

// Other suites of Debian are at the same address as this machine's.
function sourcesOf(suite: string): string {
  const { uri, keyring } = debianSource()
  const suites = suite.endsWith('-backports') ? [suite.replace(/-backports$/, ''), suite] : [suite]
  return suites.map((name) => `deb ${keyring} ${uri} ${name} main\n`).join('')
}

function debianSource(): { uri: string; keyring: string } {
  const [, codename = 'none'] =
    /^VERSION_CODENAME=(\S+)$/m.exec(readFileSync('/etc/os-release', 'utf8')) ?? []
  const folder = '/etc/apt/sources.list.d'
  const files = [
    '/etc/apt/sources.list',
    ...(existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [])
  ]
  for (const file of files.filter(existsSync)) {
    for (const stanza of readFileSync(file, 'utf8').split(/\n\s*\n/)) {
      const field = (name: string) =>
        new RegExp(`^${name}:\\s*(\\S.*)$`, 'm').exec(stanza)?.[1]?.split(/\s+/) ?? []
      const [uri] = field('URIs')
      if (uri !== undefined && field('Suites').includes(codename)) {
        const [signedBy] = field('Signed-By')
        return { uri, keyring: signedBy === undefined ? '' : `[signed-by=${signedBy}]` }
      }
      const line = new RegExp(`^deb\\s+(\\[.*?\\])?\\s*(\\S+)\\s+${codename}\\s`, 'm').exec(stanza)
      if (line?.[2] !== undefined) return { uri: line[2], keyring: line[1] ?? '' }
    }
  }
  throw new Error(`this machine's apt has no source of Debian packages (suite ${codename})`)
}

function subfolders(folder: string, pattern: RegExp): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter((name) => pattern.test(name))
    .map((name) => join(folder, name))
}

/** Runs a program and returns its output. If it fails, throws an error with the program's reason. */
export function run(command: string, args: string[], env = process.env): string {
  try {
    return execFileSync(command, args, { encoding: 'utf8', env, stdio: ['ignore', 'pipe', 'pipe'] })
  } catch (error) {
    const { code, message, stderr } = error as Error & { code?: string; stderr?: string }
    if (code === 'ENOENT') throw new Error(`there is no ${command}`, { cause: error })
    const lines = stderr?.trim().split('\n') ?? []
    const why = lines.find((line) => line.startsWith('E: '))?.slice(3) ?? lines.at(-1)
    throw new Error(why?.trim().replace(/\.$/, '') || message, { cause: error })
  }
}
