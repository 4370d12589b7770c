// The commands, their options and their help. What a command does is loaded when it is called.
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { isHandle } from '../cookies/session-id.js'
import { HandleError, OptionError, ReasonError, UserError } from '../errors.js'
import { EXIT, type ExitCode, type Io, UsageError } from './io.js'
import type { Extra, Target, TargetOptions } from './target.js'
import { ClosedError, Terminal } from './terminal.js'
import { userOption } from './user.js'

/** Errors of the caller. */
const MISUSE = [UsageError, OptionError, HandleError, ReasonError, UserError]
const DEFAULT_TIMEOUT = 5_000
/** As in the plugin. */
const DEFAULT_MAX_RECORD = 65_536

const CONNECTION_HELP = `
Without --redis, the URL comes from REDIS_URL, and is redis://localhost:6379 otherwise. A password belongs into
REDIS_URL: other users of this machine can read arguments. rediss:// is TLS.`
const EXIT_HELP = `
Exit codes: 0 all is well; 1 problems were found, or Redis does not answer; 2 the command cannot be understood.`
const EXAMPLES = `
Examples:
  $ npx fastify-ioredis-session stats
  $ npx fastify-ioredis-session convert --to msgpack --dry-run
  $ SESSION_ENCRYPTION_KEYS="$NEW_KEY,$OLD_KEY" npx fastify-ioredis-session convert --seal
  $ npx fastify-ioredis-session end --user 42 --yes
  $ npx fastify-ioredis-session list --json | wc -l
  $ npx fastify-ioredis-session audit --app ./app.js --level 2
  $ npx fastify-ioredis-session doctor --cluster --redis redis://10.0.0.1:7000 --redis redis://10.0.0.2:7000`

interface CommonOptions extends TargetOptions {
  json?: true
}

type Work = (target: Target, terminal: Terminal) => Promise<ExitCode>

/**
 * Runs one command.
 * @param args Without the names of Node and of the program.
 */
export async function run(args: readonly string[], io: Io): Promise<ExitCode> {
  let code: ExitCode = EXIT.ok
  // The reader of the help may go away.
  io.stdout.on('error', () => {})
  const perform: Perform = async (json, work) => {
    code = await carryOut(new Terminal(io, json === true), work)
  }
  try {
    await programFor(io, perform).parseAsync(withHandleLast(args), { from: 'user' })
    return code
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    return error.exitCode === 0 ? EXIT.ok : EXIT.usage
  }
}

// One handle in 64 begins with a dash, and would be taken for options.
function withHandleLast(args: readonly string[]): readonly string[] {
  const at = args.findIndex(
    (arg, index) => arg.startsWith('-') && isHandle(arg) && args[index - 1] !== '--user'
  )
  if (at === -1 || args.includes('--')) return args
  return [...args.slice(0, at), ...args.slice(at + 1), '--', ...args.slice(at, at + 1)]
}

async function carryOut(
  terminal: Terminal,
  work: (terminal: Terminal) => Promise<ExitCode>
): Promise<ExitCode> {
  try {
    return await work(terminal)
  } catch (error) {
    if (error instanceof ClosedError) return EXIT.ok
    terminal.fail((error as Error).message)
    return MISUSE.some((known) => error instanceof known) ? EXIT.usage : EXIT.problems
  }
}

async function withTarget<Result>(
  options: TargetOptions,
  env: NodeJS.ProcessEnv,
  extra: Extra,
  work: (target: Target) => Promise<Result>
): Promise<Result> {
  const { openTarget } = await import('./target.js')
  const target = await openTarget(options, env, extra)
  try {
    return await work(target)
  } finally {
    await target.close()
  }
}

type Perform = (json: true | undefined, work: (terminal: Terminal) => Promise<ExitCode>) => Promise<void>

function programFor(io: Io, perform: Perform): Command {
  const execute = (options: CommonOptions, extra: Extra, work: Work): Promise<void> =>
    perform(options.json, (terminal) =>
      withTarget(options, io.env, extra, (target) => work(target, terminal))
    )
  const program = new Command('fastify-ioredis-session')
  program
    .description('Looks after the sessions of fastify-ioredis-session in Redis.')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text)
    })
    .showHelpAfterError('(add --help for the options)')
    .addHelpText('after', `${EXAMPLES}\n${CONNECTION_HELP}\n${EXIT_HELP}`)
  const command = (name: string, description: string): Command =>
    common(program.command(name).description(description))

  command('list', 'List the living sessions: handles, times, sizes. No data.')
    .option('--user <user>', 'only the sessions of this user, by the index of the option user')
    .option('--user-key <key>', 'the key of the session that holds the user')
    .action(({ user, userKey, ...options }) =>
      execute(options, userOption(user, userKey, true), async (target, terminal) => {
        const { list } = await import('./list.js')
        return list(target, terminal, { user })
      })
    )
  command('show', 'Show one session: header, sizes, keys and types. No values unless you ask for them.')
    .argument('<handle>', 'its public name, session.id')
    .option('--values', 'also print the values')
    .option('--bytes', 'also print the record, in hexadecimal digits')
    .action((handle, { bytes, values, ...options }) =>
      execute(options, {}, async (target, terminal) => {
        const { show } = await import('./show.js')
        return show(target, terminal, handle, { bytes, values })
      })
    )
  command('end', 'End one session, all sessions of a user, or all. Asks first.')
    .argument('[handle]', 'the public name of a session, session.id')
    .option('--user <user>', 'all sessions of this user, by the index of the option user')
    .option('--user-key <key>', 'the key of the session that holds the user')
    .option('--all', 'every session under the prefix')
    .option('--reason <reason>', 'what requests find in session.endedBecause', 'ended-by-administrator')
    .option('-y, --yes', 'do not ask')
    .action((handle, { all, reason, user, userKey, yes, ...options }) =>
      execute(options, userOption(user, userKey, false), async (target, terminal) => {
        const { end } = await import('./end.js')
        return end(target, terminal, handle, { all, reason, user, yes })
      })
    )
  command('stats', 'Count what is stored: by serializer, schema version, age, use and size.')
    .option(
      '--foreign <library=prefix>',
      'where another library keeps its sessions, if not under its usual prefix (repeatable)',
      collect,
      []
    )
    .action(({ foreign, ...options }) =>
      execute(options, {}, async (target, terminal) => {
        const { stats } = await import('./stats.js')
        return stats(target, terminal, { foreign })
      })
    )
  command(
    'convert',
    'Rewrite every session: by another serializer, sealed, or not. Everybody stays signed in. Asks first.'
  )
    .option('--to <serializer>', 'json, msgpack, superjson, or the path of a module')
    .option('--seal', 'encrypt what is not sealed by the newest key')
    .addOption(new Option('--unseal', 'decrypt what is sealed').conflicts('seal'))
    .option('--rate <number>', 'sessions to rewrite per second, at most', positive)
    .option('--dry-run', 'write nothing: say what would be done')
    .option('-y, --yes', 'do not ask')
    .addHelpText(
      'after',
      '\nDeploy processes that read the new serializer, or have the keys, first. You may interrupt the command, and run it again.'
    )
    .action(({ dryRun, rate, seal: sealing, to, unseal, yes, ...options }) => {
      const seal = unseal ? false : sealing
      return execute(options, { writer: to, seal }, async (target, terminal) => {
        const { convert } = await import('./convert.js')
        return convert(target, terminal, { dryRun, rate, seal, to, yes })
      })
    })
  command('verify', 'Decode every record, and list those that cannot be decoded.').action((options) =>
    execute(options, {}, async (target, terminal) => {
      const { verify } = await import('./verify.js')
      return verify(target, terminal)
    })
  )
  command('doctor', 'Check rights, version, eviction policy, latency and clock of Redis.').action((options) =>
    // Whether it may publish is a check of its own.
    execute({ ...options, signals: false }, {}, async (target, terminal) => {
      const { doctor } = await import('./doctor.js')
      return doctor(target, terminal)
    })
  )
  program
    .command('audit')
    .description('Say which requirements of OWASP ASVS 5.0 the sessions of an application meet.')
    .requiredOption('--app <path>', 'a module that exports the application, or a plugin (fastify, options)')
    .option('--level <level>', 'the level of ASVS to hold: 1, 2 or 3', level, 1)
    .option('--json', 'print JSON for programs')
    .addHelpText(
      'after',
      `\nSet NODE_ENV and REDIS_URL as in production: the application starts.\n${EXIT_HELP}`
    )
    .action(({ app, json, level }) =>
      perform(json, async (terminal) => {
        const { audit } = await import('./audit.js')
        return audit(terminal, app, level)
      })
    )
  return program
}

/** The options of all commands. */
function common(command: Command): Command {
  return command
    .option('--redis <url>', 'redis:// or rediss:// (repeatable with --cluster)', collect)
    .option('--cluster', 'the servers are nodes of a Redis Cluster')
    .option('--sentinel <name,host:port,…>', 'ask these sentinels for the primary of this name')
    .option('--prefix <prefix>', 'the option prefix of the application', 'session:')
    .option('--serializer <path>', 'a module with a serializer of the application (repeatable)', collect)
    .option(
      '--keys-file <path>',
      'a file with the keys of the option encryption, instead of SESSION_ENCRYPTION_KEYS'
    )
    .option('--max-record-bytes <bytes>', 'the option of this name', positive, DEFAULT_MAX_RECORD)
    .option('--timeout <ms>', 'how long to wait for Redis', positive, DEFAULT_TIMEOUT)
    .option('--no-signals', 'end sessions without telling live connections, if Redis denies PUBLISH')
    .option('--json', 'print JSON for programs')
    .addHelpText('after', `${CONNECTION_HELP}\n${EXIT_HELP}`)
}

function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value]
}

function level(text: string): number {
  if (!/^[123]$/.test(text)) throw new InvalidArgumentError('It must be 1, 2 or 3.')
  return Number(text)
}

function positive(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1)
    throw new InvalidArgumentError('It must be a whole number from 1.')
  return value
}
